"""The kernel tables: what the kernel's API means, read from the TOML files beside this module.

`tables()` is the newest known meaning of every name, loaded once; `tables().at("6.1")` the meaning in one release;
`extend(path, ...)` adds users' own files of the same shape (out-of-tree wrappers). Look-ups are dictionaries by name.

A file holds groups, `[[take]]`, `[[sleep]]`, `[[guard]]` and so on (`reader.SECTIONS`): `names` lists the functions the
group is about (`name>=6.3`, `name<6.3` where a name has its own span of releases), the other keys are the fields of the
row (`rows.py`, `entries.py`). A `[[resource]]` lists its calls one a line, as `name holder [when] [key=value ...]`,
under `takes`, `gives` and `transfers`. A limit of 6.2 or 6.12 may be no more than where the trees that were read
differ: the release in which a name came or went in between is not always known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from mmlint.frozen import dataclass
from mmlint.kernel import entries as e
from mmlint.kernel import rows as r
from mmlint.kernel.reader import SECTIONS, Section, TableError, read_file, read_shipped, visible
from mmlint.kernel.row import Row

if TYPE_CHECKING:
    from mmlint.kernel.steps import Steps

__all__ = ["SECTIONS", "TableError", "Tables", "extend", "tables"]

FILES = ("locks", "sleep", "gfp", "gup", "resources", "guards", "entries", "results", "arms")
HERE = Path(__file__).parent

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The tables as dictionaries by name.

    Names with several statements (a call that takes two locks, frees one thing and takes another) map to a tuple.
    `sections` keeps every row of every release as it was read.
    """

    kinds: dict[str, r.Kind]
    takes: dict[str, tuple[r.Take, ...]]
    drops: dict[str, tuple[r.Drop, ...]]
    scope_guards: dict[str, r.ScopeGuard]
    scope_frees: dict[str, r.ScopeFree]
    lock_pointers: dict[str, r.LockPointer]
    sleeps: dict[str, r.Sleep]
    nosleep: frozenset[str]
    gfp: dict[str, r.GfpMask]
    foll: dict[str, r.FollFlag]
    gup: dict[str, r.GupEntry]
    resources: dict[str, r.Resource]
    takes_resource: dict[str, tuple[r.Taking, ...]]
    gives_resource: dict[str, tuple[r.Giving, ...]]
    transfers_resource: dict[str, tuple[r.Transfer, ...]]
    guards: dict[str, r.Guard]
    ref_helpers: dict[str, r.RefHelper]
    wrprotects: dict[str, e.WrProtect]
    set_entries: dict[str, e.SetEntry]
    flushes: dict[str, e.Flush]
    notifiers: dict[str, e.Notifier]
    marks: dict[str, e.Mark]
    carries: dict[str, e.BitCarry]
    senses: dict[str, e.Sense]
    optional: dict[str, tuple[e.Optional, ...]]
    directions: dict[str, e.Direction]
    callbacks: dict[str, tuple[e.Callback, ...]]
    methods: dict[str, tuple[e.Callback, ...]]
    entered: dict[str, e.Entered]
    inside: dict[str, e.Inside]
    outside: dict[str, e.Outside]
    noreturn: frozenset[str]
    contexts: frozenset[str]
    lasting: frozenset[str]
    borrows: dict[str, e.Borrow]
    offers: dict[str, e.Offer]
    walk_ends: dict[str, e.WalkEnd]
    teardowns: dict[str, e.Teardown]
    entry_pages: dict[str, e.EntryPage]
    kernel_iters: frozenset[str]
    spent_walks: frozenset[str]
    lookups: frozenset[str]
    entry_results: frozenset[str]
    two_arms: dict[str, e.TwoArms]
    gup_walks: dict[str, e.GupWalk]
    flag_calls: dict[str, e.FlagCall]
    implied: dict[str, e.Implied]
    probes: tuple[e.Probe, ...]
    orders: tuple[r.Order, ...]
    sections: Mapping[str, tuple[Row, ...]]
    release: str = ""

    def at(self, release: str) -> Tables:
        """The tables as they read for one kernel release ("6.1"); "" is the newest known meaning of every name."""
        return _at(self, release)

    @property
    def steps(self) -> Steps:
        """The protocol steps, and what is equal to or weaker than what."""
        from mmlint.kernel.steps import steps_of

        return steps_of(self)

    @property
    def page_takers(self) -> frozenset[str]:
        """The calls after which the caller owns a page reference or pin."""
        return _page_takers(self)

    @property
    def page_puts(self) -> frozenset[str]:
        """The calls that give back the page reference of their first argument."""
        return _page_puts(self)

    @property
    def pointer_senses(self) -> Mapping[str, str]:
        """The calls whose result tells of failure as a pointer does: what is tested for, `NULL` or `IS_ERR`."""
        return _pointer_senses(self)

    @property
    def turned_senses(self) -> frozenset[str]:
        """The calls that fail in another way in some release than in others."""
        return _turned_senses(self)

    @property
    def device_pages(self) -> frozenset[str]:
        """The calls that turn an entry into its page, which may be device memory."""
        return _device_pages(self)

    def with_class(self, class_: str) -> frozenset[str]:
        """The names of the guards of one class ("pinned", "pte_same")."""
        return _with_class(self, class_)

    def carried_alike(self, name: str) -> frozenset[str]:
        """The names of the accessors that do the same as this one to one bit of an entry of the same layout, itself
        too; none for what is no accessor of a bit.
        """
        return _carried_alike(self, name)


@lru_cache(maxsize=256)
def _with_class(tables: Tables, class_: str) -> frozenset[str]:
    return frozenset(name for name, guard in tables.guards.items() if guard.class_ == class_)


@lru_cache(maxsize=256)
def _carried_alike(tables: Tables, name: str) -> frozenset[str]:
    row = tables.carries.get(name)
    done = (row.bit, row.op, row.form) if row is not None else None
    return frozenset(other for other, each in tables.carries.items() if (each.bit, each.op, each.form) == done)


def _many(rows: Iterable[R]) -> dict[str, tuple[R, ...]]:
    by_name: dict[str, list[R]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    return {name: tuple(found) for name, found in by_name.items()}


def _one(rows: Iterable[R]) -> dict[str, R]:
    by_name: dict[str, R] = {}
    for row in rows:
        by_name.setdefault(row.name, row)
    return by_name


def _resource_at(resource: r.Resource, release: str) -> r.Resource:
    return replace(
        resource,
        takes=tuple(visible(resource.takes, release)),
        gives=tuple(visible(resource.gives, release)),
        transfers=tuple(visible(resource.transfers, release)),
    )


def _sleeps(store: _Store) -> dict[str, r.Sleep]:
    """The sleepers of the table, every taker that may sleep while it waits, and what the allocator macros call."""
    found = _one(store.of("sleep", r.Sleep))
    found |= {f"{name}_noprof": row for name, row in found.items() if row.when == "gfp"}
    for take in store.of("take", r.Take):
        if take.sleeps and take.name not in found:
            found[take.name] = r.Sleep(name=take.name, source=take.source, since=take.since, until=take.until)
    return found


class _Store:
    """Sections as typed lists of the rows that one release sees."""

    def __init__(self, sections: Mapping[str, tuple[Row, ...]], release: str) -> None:
        self._sections = sections
        self._release = release

    def of(self, section: Section, row: type[R]) -> list[R]:
        assert issubclass(SECTIONS[section], row), section
        return visible(cast("tuple[R, ...]", self._sections.get(section, ())), self._release)


def _view(sections: Mapping[str, tuple[Row, ...]], release: str) -> Tables:
    store = _Store(sections, release)
    resources = {each.name: _resource_at(each, release) for each in store.of("resource", r.Resource)}
    return Tables(
        kinds=_one(store.of("kind", r.Kind)),
        takes=_many(store.of("take", r.Take)),
        drops=_many(store.of("drop", r.Drop)),
        scope_guards=_one(store.of("scope_guard", r.ScopeGuard)),
        scope_frees=_one(store.of("scope_free", r.ScopeFree)),
        lock_pointers=_one(store.of("lock_pointer", r.LockPointer)),
        sleeps=_sleeps(store),
        nosleep=frozenset(row.name for row in store.of("nosleep", e.Plain)),
        gfp=_one(store.of("gfp", r.GfpMask)),
        foll=_one(store.of("foll", r.FollFlag)),
        gup=_one(store.of("gup", r.GupEntry)),
        resources=resources,
        takes_resource=_many(row for each in resources.values() for row in each.takes),
        gives_resource=_many(row for each in resources.values() for row in each.gives),
        transfers_resource=_many(row for each in resources.values() for row in each.transfers),
        guards=_one(store.of("guard", r.Guard)),
        ref_helpers=_one(store.of("ref_helper", r.RefHelper)),
        wrprotects=_one(store.of("wrprotect", e.WrProtect)),
        set_entries=_one(store.of("set_entry", e.SetEntry)),
        flushes=_one(store.of("flush", e.Flush)),
        notifiers=_one(store.of("notifier", e.Notifier)),
        marks=_one(store.of("mark", e.Mark)),
        carries=_one(store.of("carry", e.BitCarry)),
        senses=_one(store.of("sense", e.Sense)),
        optional=_many(store.of("optional", e.Optional)),
        directions=_one(store.of("direction", e.Direction)),
        callbacks=_many(store.of("callback", e.Callback)),
        methods=_many(row for row in store.of("callback", e.Callback) if row.sleeps_by),
        entered=_one(store.of("entered", e.Entered)),
        inside=_one(store.of("inside", e.Inside)),
        outside=_one(store.of("outside", e.Outside)),
        noreturn=frozenset(row.name for row in store.of("noreturn", e.Plain)),
        contexts=frozenset(row.name for row in store.of("context_test", e.Plain)),
        lasting=frozenset(row.name for row in store.of("lasting", e.Plain)),
        borrows=_one(store.of("borrow", e.Borrow)),
        offers=_one(store.of("offer", e.Offer)),
        walk_ends=_one(store.of("walk_end", e.WalkEnd)),
        teardowns=_one(store.of("teardown", e.Teardown)),
        entry_pages=_one(store.of("entry_page", e.EntryPage)),
        kernel_iters=frozenset(row.name for row in store.of("kernel_iter", e.Plain)),
        spent_walks=frozenset(row.name for row in store.of("spent_walk", e.Plain)),
        lookups=frozenset(row.name for row in store.of("lookup", e.Plain)),
        entry_results=frozenset(row.name for row in store.of("entry_result", e.Plain)),
        two_arms=_one(store.of("two_arms", e.TwoArms)),
        gup_walks=_one(store.of("gup_walk", e.GupWalk)),
        flag_calls=_one(store.of("flag_call", e.FlagCall)),
        implied=_one(store.of("implied", e.Implied)),
        probes=tuple(store.of("probe", e.Probe)),
        orders=tuple(store.of("order", r.Order)),
        sections=sections,
        release=release,
    )


PINNED = frozenset({"page pin", "GUP page reference"})
"""The resources that get_user_pages and its kin hand out."""
PAGES = PINNED | {"folio reference"}
"""The resources of which each unit keeps a page alive."""


@cache
def _at(known: Tables, release: str) -> Tables:
    """One view for each release: what is worked out of one is kept by it."""
    return _view(known.sections, release)


@cache
def _page_takers(known: Tables) -> frozenset[str]:
    return frozenset(n for n, rows in known.takes_resource.items() if any(row.resource in PAGES for row in rows))


@cache
def _device_pages(known: Tables) -> frozenset[str]:
    return frozenset(name for name, row in known.entry_pages.items() if row.device)


@cache
def _page_puts(known: Tables) -> frozenset[str]:
    rows = (row for each in known.gives_resource.values() for row in each)
    return frozenset(row.name for row in rows if row.resource == "folio reference" and row.holder == "arg:0")


_FAILURES = {"err-fails": "IS_ERR", "null-fails": "NULL"}


@cache
def _pointer_senses(known: Tables) -> Mapping[str, str]:
    return {name: _FAILURES[row.ok] for name, row in known.senses.items() if row.ok in _FAILURES}


@cache
def _turned_senses(known: Tables) -> frozenset[str]:
    found: dict[str, set[str]] = {}
    for row in cast("tuple[e.Sense, ...]", known.sections.get("sense", ())):
        found.setdefault(row.name, set()).add(row.ok)
    return frozenset(name for name, ways in found.items() if len(ways) > 1)


@cache
def _sections() -> Mapping[str, tuple[Row, ...]]:
    found = read_shipped(*(HERE / f"{name}.toml" for name in FILES))
    return {section: tuple(rows) for section, rows in found.items()}


@cache
def tables() -> Tables:
    """The newest known meaning of every name; loaded at the first call."""
    return _view(_sections(), "")


def extend(*paths: Path | str) -> Tables:
    """The tables with the rows of users' files before them: their rows win, a later file's over those of an earlier.

    Raises TableError.
    """
    merged: dict[str, tuple[Row, ...]] = dict(_sections())
    for path in paths:
        own: dict[str, list[Row]] = {"kind": list(merged["kind"])}
        read_file(Path(path), own)
        own["kind"] = own["kind"][len(merged["kind"]) :]
        merged = {section: (*own.get(section, ()), *merged.get(section, ())) for section in SECTIONS}
    merged["resource"] = tuple(_join(cast("tuple[r.Resource, ...]", merged["resource"])))
    return _view(merged, "")


def _join(resources: tuple[r.Resource, ...]) -> list[r.Resource]:
    """Resources of the same name made one: a user's file adds calls to a resource by naming it again."""
    joined: dict[str, r.Resource] = {}
    for each in resources:
        if (first := joined.get(each.name)) is None:
            joined[each.name] = each
        else:
            joined[each.name] = replace(
                each,
                takes=(*first.takes, *each.takes),
                gives=(*first.gives, *each.gives),
                transfers=(*first.transfers, *each.transfers),
            )
    return list(joined.values())
