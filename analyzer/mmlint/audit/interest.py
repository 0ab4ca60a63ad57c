"""Which files can hold a finding at all: those that name something the rules and the kernel tables are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmlint.rule import Rule
from mmlint.source.identifiers import identifiers
from mmlint.tally import words_of

_FOREIGN_LOCKS = frozenset(
    "spin raw_spin bit_spin rwlock seqcount local_lock mutex rwsem semaphore inode_lock invalidate_lock i_pages"
    " rcu srcu preempt migrate irq bh pagefault_off".split()
)
"""Kinds of locks and sections that all of the kernel has, and mm too."""
_FOREIGN_RESOURCES = frozenset(
    {"task reference", "pid reference", "css reference", "percpu reference", "file reference", "dma-buf reference"}
    | {"dma-buf attachment", "dma-buf mapping", "device-tree node", "net device reference", "net device lock"}
    | {"device reference", "extent buffer reference"}
)
"""What is taken and given back by others than mm; the names of the kernel tables."""
_FIELDS = frozenset({"_refcount", "_mapcount"})


class Take(Protocol):
    """A call that takes a lock."""

    @property
    def kind(self) -> str:
        """The kind of lock: ptl, walk, spin."""


class Moving(Protocol):
    """A call that takes something or gives it back."""

    @property
    def resource(self) -> str:
        """What it is: folio reference, device-tree node."""


class Step(Protocol):
    """A call around the removal of a memory map."""

    @property
    def what(self) -> str:
        """The step: kill, wait, remove."""


class Names(Protocol):
    """The part of the kernel tables that says what a file must name."""

    @property
    def takes(self) -> Mapping[str, Sequence[Take]]:
        """Lock takers by name."""

    @property
    def takes_resource(self) -> Mapping[str, Sequence[Moving]]:
        """Calls that take something, by name."""

    @property
    def gives_resource(self) -> Mapping[str, Sequence[Moving]]:
        """Calls that give something back, by name."""

    @property
    def gup(self) -> Mapping[str, object]:
        """GUP entry points by name."""

    @property
    def wrprotects(self) -> Mapping[str, object]:
        """Write-protecting calls by name."""

    @property
    def teardowns(self) -> Mapping[str, Step]:
        """Calls around the removal of a memory map, by name."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a file outside mm/ must hold to be analysed: one of `words`, or one of a rule's tokens and its shape."""

    words: frozenset[bytes]
    shaped: tuple[tuple[frozenset[bytes], re.Pattern[bytes]], ...]
    known: frozenset[bytes]
    """The words and the tokens."""
    every: bool = False
    """Whether every file that may hold a function is analysed."""

    def matters(self, path: str, text: bytes) -> bool:
        """Whether the file is analysed."""
        if path.startswith("mm/"):
            return True
        if self.every or b"{" not in text:
            return b"{" in text
        held = self.known.intersection(identifiers(text))
        if not held.isdisjoint(self.words):
            return True
        return any(not held.isdisjoint(tokens) and shape.search(text) for tokens, shape in self.shaped)

    @property
    def parts(self) -> list[bytes]:
        """What tells it from another one."""
        return [
            *sorted(self.words),
            *(part for tokens, shape in self.shaped for part in (*sorted(tokens), shape.pattern)),
            b"every" * self.every,
        ]


def interest(rules: Iterable[Rule], names: Names, *, every: bool = False) -> Interest:
    """What the rules that run are about; with `every`, all files are.

    The words are those that wake the rules (their tokens, the names in their tables), and for rules that nothing wakes
    what takes page-table locks and other locks of mm, pages, folios, pins and kernel mappings, GUP entry points,
    write-protecting calls, the removal of memory maps, and the two counters of struct page. What a file does under
    other locks only, or with references of other kinds, is left to `every` and to `mmlint check`.
    """
    checks = [rule for rule in rules if rule.check is not None]
    general = {*names.takes, *names.takes_resource, *names.gup, *names.wrprotects}
    general |= {name for name, row in names.teardowns.items() if row.what == "remove"}
    tabled = general.union(*(words_of(rule, names) for rule in checks if not rule.shape)) - foreign(names)
    words = _bytes(tabled.union(_FIELDS, *(rule.tokens for rule in checks if not rule.shape)))
    shaped = tuple((_bytes(words_of(rule, names)), re.compile(rule.shape.encode())) for rule in checks if rule.shape)
    return Interest(words, shaped, words.union(*(tokens for tokens, _ in shaped)), every)


def foreign(names: Names) -> set[str]:
    """Calls that take locks, or take and give back things, none of which are mm's own."""
    kinds: dict[str, set[str]] = {}
    for name, takes in names.takes.items():
        kinds.setdefault(name, set()).update(row.kind for row in takes)
    for table in (names.takes_resource, names.gives_resource):
        for name, rows in table.items():
            kinds.setdefault(name, set()).update(row.resource for row in rows)
    return {name for name, found in kinds.items() if found <= _FOREIGN_LOCKS | _FOREIGN_RESOURCES}


def _bytes(words: Iterable[str]) -> frozenset[bytes]:
    return frozenset(word.encode() for word in words)
