"""Walkers that grab the page of an entry without the page-table lock: what they test, and whether they look again.

A grab is a try to take a reference, by the tables or by a helper of the file, on the page that an entry leads to
(`pte_page(pte)`, `pmd_page(orig)`). Functions of one file with the same grab are siblings: the levels of one walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.giveback import fails
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

ENTRY_PAGE = re.compile(r"(pte|pmd|pud|p4d|pgd)_page$")
_LOCKLESS = re.compile(r"(p(te|md|ud|4d|gd)p_get_lockless|gup_get_p\w+|READ_ONCE|ACCESS_ONCE)$")
_LEVEL = re.compile(r"^(huge_pte|pte|pmd|pud|p4d|pgd)_")
_FLAG = re.compile(r"FOLL_\w+")
_MAX_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Grab:
    """A try to take a reference on the page of `entry`; `page` is the variable that holds it."""

    node: Node
    call: Expr
    page: str
    entry: Expr


@fact
def grabs(function: Function) -> tuple[Grab, ...]:
    """The grabs of a function, in order of control flow."""
    pages = _entry_pages(function)
    if not pages:
        return ()
    found = []
    for name, calls in function.calls.items():
        for node, call in calls if name and _tries(function, name) else ():
            page = next((name for arg in call.args if (name := canon(arg)) in pages), None)
            if page is not None:
                found.append(Grab(node, call, page, pages[page]))
    return tuple(sorted(found, key=lambda grab: grab.call.line))


def _entry_pages(function: Function) -> dict[str, Expr]:
    """The variables that hold the page of an entry, with the entry."""
    found = {}
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "assign" and expr.args[0].kind == "name":
                source = next((c for c in expr.args[1].calls() if ENTRY_PAGE.match(c.value) and c.args), None)
                if source is not None:
                    found[expr.args[0].value] = source.args[0]
                elif canon(expr.args[1]) in found:
                    found[expr.args[0].value] = found[canon(expr.args[1])]
    return found


def _tries(function: Function, name: str, depth: int = 0) -> bool:
    """Whether a call tries to take a reference: by the tables, or as a helper of the file that makes such a call."""
    row = function.tables.ref_helpers.get(name)
    if row is not None:
        return row.op == "try"
    callee = next(iter(function.program.named(function.path, name)), None) if depth < _MAX_DEPTH else None
    if callee is None or "void" in callee.source.returns.split():
        return False
    return not _entry_words(callee) and any(_tries(callee, inner, depth + 1) for inner in callee.calls if inner)


def _entry_words(function: Function) -> bool:
    return any(ENTRY_PAGE.match(word) for word in function.words)


@fact
def lockless(function: Function) -> bool:
    """Whether the entries that a function looks at were read without a lock, by itself or by a caller in its file."""
    if any(_LOCKLESS.match(name) for name in function.calls):
        return True
    for caller in function.program.functions(function.path):
        if function.name in caller.words and caller is not function and any(_LOCKLESS.match(n) for n in caller.calls):
            held = [prop for _, call in caller.calls.get(function.name, ()) for prop in locks(caller).held(call)]
            if held and not any(lock.kind in ("ptl", "spin") for prop in held for lock in prop):
                return True
    return False


@fact
def unchecked(function: Function) -> tuple[Grab, ...]:
    """The grabs of a lockless walker after which a successful way compares the entry with what it was no more."""
    found = [grab for grab in grabs(function) if not _locked(function, grab.call)]
    if not found or not any(lockless(f) for f in (function, *_siblings(function, found[0]))):
        return ()
    flow = solve(function.cfg, _Look(function, found))
    if flow.overflow:
        return ()
    bare = {index for node, prop, _, value in flow.returns if not fails(function, node, value) for index in prop}
    return tuple(grab for grab in found if id(grab.call) in bare)


def _locked(function: Function, call: Expr) -> bool:
    return any(lock.kind in ("ptl", "spin") for prop in locks(function).held(call) for lock in prop)


class _Look(Client[frozenset[int]]):
    """The grabs (ids of their calls) that hold a page and whose entry was not looked at again."""

    def __init__(self, function: Function, found: list[Grab]) -> None:
        super().__init__(frozenset())
        self.tables = function.tables
        self.grabs = {id(grab.call): grab for grab in found}
        entries = {grab.entry.key for grab in found}
        self.compares = {
            node.id for node in function.cfg.order if node.expr is not None and _compares(node.expr, entries)
        }

    def call(
        self, call: Expr, prop: frozenset[int], facts: Facts, node: Node
    ) -> Iterable[Outcome[frozenset[int]]] | None:
        if id(call) in self.grabs:
            return [Outcome(prop | {id(call)}, "ok"), Outcome(prop, "0")]
        if prop and ("put" in call.value.split("_") or call.value in self.tables.gives_resource):
            return [Outcome(frozenset())]
        return None

    def assigned(
        self, target: Expr, value: Expr | None, prop: frozenset[int], facts: Facts, node: Node
    ) -> frozenset[int]:
        return prop

    def branched(self, node: Node, outcome: bool, prop: frozenset[int], facts: Facts) -> frozenset[int] | None:
        return frozenset() if node.id in self.compares else prop


def _compares(expr: Expr, entries: set[str]) -> bool:
    """Whether an expression holds an entry against what stands in the table now."""
    for each in expr.walk():
        sides = each.args if each.kind == "binary" and each.value in ("==", "!=") else ()
        same = each.args if each.kind == "call" and each.value.endswith("_same") else ()
        for side in (*sides, *same):
            inner = side.args[0] if side.kind == "call" and side.value.endswith("_val") and side.args else side
            if inner.key in entries:
                return True
    return False


# ------------------------------------------------------------------- siblings


@dataclass(frozen=True, slots=True)
class Odd:
    """A test of flags that the other levels of a walk make: `mask` is what theirs look at, `own` what this one does."""

    grab: Grab
    test: str
    sibling: Function
    mask: frozenset[str]
    own: frozenset[str] | None


@fact
def odd_tests(function: Function) -> tuple[Odd, ...]:
    """The tests of the caller's flags in which a level differs from all of at least two others."""
    found = []
    for grab in grabs(function)[:1]:
        others = _siblings(function, grab)
        mine = _flag_tests(function)
        if len(others) < 2 or not mine:
            continue
        theirs = [_flag_tests(other) for other in others]
        for test, mask in sorted(theirs[0].items()):
            if all(each.get(test) == mask for each in theirs) and mine.get(test) != mask:
                found.append(Odd(grab, test, others[0], mask, mine.get(test)))
    return tuple(found)


def _siblings(function: Function, grab: Grab) -> list[Function]:
    """The other functions of the file that grab the page of an entry by the same helper, if it is one of the file."""
    name = grab.call.value
    if not function.program.named(function.path, name):
        return []
    others = [f for f in function.program.functions(function.path) if name in f.words and f is not function]
    return [f for f in others if any(g.call.value == name for g in grabs(f))]


@fact
def _flag_tests(function: Function) -> dict[str, frozenset[str]]:
    """The tests that are asked about the caller's flags, their names without the level, with the flags they look at."""
    flags = {p.name for p in function.source.params if "int" in p.type_text.split() and "flags" in p.name}
    found: dict[str, frozenset[str]] = {}
    for node in function.cfg.order:
        for call in node.expr.calls() if node.kind == "branch" and node.expr is not None else ():
            asked = [arg for arg in call.args if flags & arg.names()]
            if asked and call.value not in {grab.call.value for grab in grabs(function)}:
                found[_LEVEL.sub("", call.value)] = frozenset(_FLAG.findall(" ".join(arg.key for arg in asked)))
    return found
