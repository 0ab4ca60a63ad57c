"""Which files can hold a finding at all: those that name something the rules and the kernel tables are about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from mmlint.rule import Rule

_LOCK_KINDS = frozenset({"ptl", "walk"})
_RESOURCES = frozenset({"anon_vma", "folio", "gather", "kernel", "notifier", "page", "pagemap", "pin", "swap"})
"""Words in the names of the resources that mm is about; files, device-tree nodes, tasks and the like are everywhere."""
_FIELDS = frozenset({"_refcount", "_mapcount"})
_WORD = re.compile(rb"[A-Za-z_]\w*")


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


def words(rules: Iterable[Rule], names: Names) -> frozenset[bytes]:
    """The identifiers of which a file outside mm/ must hold one to be analysed.

    They are the rules' own tokens, the takers of page-table locks, what takes pages, folios, pins and kernel mappings,
    GUP entry points, write-protecting calls, and the two counters of struct page. What a file does under other spin
    locks, or with references of other kinds, is left to `mmlint check`.
    """
    found = {word for rule in rules if rule.check is not None for word in rule.tokens}
    found |= {name for name, rows in names.takes.items() if any(row.kind in _LOCK_KINDS for row in rows)}
    for kind, resource in names.resources.items():
        if not _RESOURCES.isdisjoint(re.findall(r"\w+", kind)):
            found |= {row.name for row in resource.takes}
    found |= {*names.gup, *names.wrprotects, *_FIELDS}
    return frozenset(word.encode() for word in found)


def matters(path: str, text: bytes, wanted: frozenset[bytes]) -> bool:
    """Whether the file is analysed."""
    return path.startswith("mm/") or not wanted.isdisjoint(_WORD.findall(text))
