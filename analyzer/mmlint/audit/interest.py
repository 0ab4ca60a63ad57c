"""Which files can hold a finding at all: those that name something the rules and the kernel tables are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmlint.rule import Rule
from mmlint.source.identifiers import identifiers

_LOCK_KINDS = frozenset({"ptl", "walk"})
_RESOURCES = frozenset({"anon_vma", "folio", "gather", "kernel", "notifier", "page", "pagemap", "pin", "swap"})
"""Words in the names of the resources that mm is about; files, device-tree nodes, tasks and the like are everywhere."""
_FIELDS = frozenset({"_refcount", "_mapcount"})


class Take(Protocol):
    """A call that takes a lock."""

    @property
    def kind(self) -> str:
        """The kind of lock: ptl, walk, spin."""


class Taking(Protocol):
    """A call that takes a resource."""

    @property
    def name(self) -> str:
        """The function."""


class Resource(Protocol):
    """What is taken and given back."""

    @property
    def takes(self) -> Sequence[Taking]:
        """The calls that take it."""


class Names(Protocol):
    """The part of the kernel tables that says what a file must name."""

    @property
    def takes(self) -> Mapping[str, Sequence[Take]]:
        """Lock takers by name."""

    @property
    def resources(self) -> Mapping[str, Resource]:
        """Resources by name."""

    @property
    def gup(self) -> Mapping[str, object]:
        """GUP entry points by name."""

    @property
    def wrprotects(self) -> Mapping[str, object]:
        """Write-protecting calls by name."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a file outside mm/ must hold to be analysed: one of `words`, or one of a rule's tokens and its shape."""

    words: frozenset[bytes]
    shaped: tuple[tuple[frozenset[bytes], re.Pattern[bytes]], ...]
    known: frozenset[bytes]
    """The words and the tokens."""

    def matters(self, path: str, text: bytes) -> bool:
        """Whether the file is analysed."""
        if path.startswith("mm/"):
            return True
        held = self.known.intersection(identifiers(text)) if b"{" in text else frozenset[bytes]()
        if not held.isdisjoint(self.words):
            return True
        return any(not held.isdisjoint(tokens) and shape.search(text) for tokens, shape in self.shaped)

    @property
    def parts(self) -> list[bytes]:
        """What tells it from another one."""
        return [
            *sorted(self.words),
            *(part for tokens, shape in self.shaped for part in (*sorted(tokens), shape.pattern)),
        ]


def interest(rules: Iterable[Rule], names: Names) -> Interest:
    """What the rules that run are about.

    The words are the rules' own tokens, the takers of page-table locks, what takes pages, folios, pins and kernel
    mappings, GUP entry points, write-protecting calls, and the two counters of struct page. What a file does under
    other spin locks, or with references of other kinds, is left to `mmlint check`.
    """
    checks = [rule for rule in rules if rule.check is not None]
    found = {word for rule in checks if not rule.shape for word in rule.tokens}
    found |= {name for name, rows in names.takes.items() if any(row.kind in _LOCK_KINDS for row in rows)}
    for kind, resource in names.resources.items():
        if not _RESOURCES.isdisjoint(re.findall(r"\w+", kind)):
            found |= {row.name for row in resource.takes}
    found |= {*names.gup, *names.wrprotects, *_FIELDS}
    words = _bytes(found)
    shaped = tuple((_bytes(rule.tokens), re.compile(rule.shape.encode())) for rule in checks if rule.shape)
    return Interest(words, shaped, words.union(*(tokens for tokens, _ in shaped)))


def _bytes(words: Iterable[str]) -> frozenset[bytes]:
    return frozenset(word.encode() for word in words)
