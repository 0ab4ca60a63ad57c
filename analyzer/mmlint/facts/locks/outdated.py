"""Uses of a vma that was looked up under an mmap lock which has been dropped since: it may be unmapped and freed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, fact, keep
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import lent
from mmlint.facts.values import Facts, is_zero
from mmlint.frozen import dataclass

_VMA = "vm_area_struct"
_LOCK = "mmap_lock"
_MAKES = re.compile(r"alloc|dup")
"""Calls whose vma nobody else knows yet."""
_TELLS = re.compile(r"IS_ERR|PTR_ERR")
_LEVELS = 3
"""How many calls deep a drop is looked for."""


@dataclass(frozen=True, slots=True)
class Outdated:
    """`use` looks into `vma`, though `drop` has let go of the lock under which that was found."""

    vma: str
    node: Node
    use: Expr
    drop: Expr


class _State(NamedTuple):
    found: frozenset[str]
    """The variables that hold what was found under the lock."""
    stale: frozenset[tuple[str, int]]
    """Those for which it was dropped, with the place of the drop."""


@fact
def outdated(function: Function) -> tuple[Outdated, ...]:
    """The first use of each vma behind each drop of the lock, on ways on which it is not looked up anew."""
    vmas = {n.name for n in function.cfg.nodes if n.kind == "decl" and _VMA in n.type}
    vmas |= {p.name for p in function.source.params if _VMA in p.type_text}
    if not vmas or function.source.damaged or function.cfg.truncated:
        return ()
    calls = {id(call): call for _, call in (*_drops(function), *_visits(function))}
    flow = solve(function.cfg, _Tracker(function, vmas, calls)) if calls else None
    found: dict[tuple[str, int], Outdated] = {}
    for node in function.cfg.order if flow is not None and not flow.overflow else ():
        for vma, drop in {each for state in flow.states(node) for each in state.stale} if flow is not None else ():
            use = next(_uses(function, node, vma), None)
            if use is not None:
                found.setdefault((vma, drop), Outdated(vma, node, use, calls[drop]))
    return tuple(found.values())


def _uses(function: Function, node: Node, vma: str) -> Iterator[Expr]:
    """What a node reads or writes in a vma, and calls that get it."""
    if node.kind == "iter" or node.expr is None:
        return
    for e in node.expr.walk():
        looks = e.kind == "call" and e.value not in function.tables.drops and not _TELLS.match(e.value)
        if (e.kind == "field" and e.args[0].key == vma) or (looks and any(arg.key == vma for arg in e.args)):
            yield e


def _drops(function: Function) -> list[tuple[Node, Expr]]:
    rows = function.tables.drops
    names = {
        name
        for name in function.words.intersection(rows)
        if any(_LOCK in r.kinds and r.when in ("always", "maybe") for r in rows[name])
    }
    return [pair for calls in function.calls_of(names).values() for pair in calls]


def _visits(function: Function) -> Iterator[tuple[Node, Expr]]:
    """The calls through a parameter for which a caller of the same file gives a function that may drop the lock."""
    for index, name in enumerate(function.params):
        calls = function.calls_of({name}).get(name, []) if name else []
        if calls and any(lets_go(target) for target in _targets(function, index)):
            yield from calls


def _targets(function: Function, index: int) -> Iterator[Function]:
    program, path = function.program, function.path
    for caller in program.callers(function.name, path, static=True):
        for _, call in caller.calls.get(function.name, ()):
            if index < len(call.args) and call.args[index].kind == "name":
                yield from program.named(path, call.args[index].value)


def lets_go(function: Function, level: int = _LEVELS) -> bool:
    """Whether a function, or what it calls in its file, may drop an mmap lock that it has not taken."""

    def compute() -> bool:
        if any(held.kind == _LOCK for held in lent(function)):
            return True
        callees = (f for n in function.calls if level and n for f in function.program.named(function.path, n))
        return any(lets_go(callee, level - 1) for callee in callees if callee is not function)

    return keep(function, ("lets mmap lock go", level), compute)


class _Tracker(Client[_State]):
    def __init__(self, function: Function, vmas: set[str], drops: dict[int, Expr]) -> None:
        super().__init__(_State(frozenset(vmas.intersection(function.params)), frozenset()))
        self.vmas, self.drops, self.params = vmas, drops, frozenset(function.params)

    def call(self, call: Expr, prop: _State, facts: Facts, node: Node) -> Iterable[Outcome[_State]] | None:
        handed = {a.args[0].key for a in call.args if a.kind == "unary" and a.value == "&"} & self.vmas
        if id(call) in self.drops:
            gone = frozenset((vma, id(call)) for vma in prop.found if not is_zero(facts.get(vma)))
            prop = _State(frozenset(), prop.stale | gone)
        elif not handed:
            return None
        return [Outcome(_anew(prop, handed, known=True))]

    def assigned(self, target: Expr, value: Expr | None, prop: _State, facts: Facts, node: Node) -> _State:
        if target.key not in self.vmas:
            return prop
        looked_up = value is not None and value.kind == "call" and not _MAKES.search(value.value)
        given = value is not None and value.kind == "field" and value.root in self.params
        return _anew(prop, {target.key}, known=looked_up or given)

    def branched(self, node: Node, outcome: bool, prop: _State, facts: Facts) -> _State | None:
        if node.kind == "iter" and node.expr is not None:
            named = {arg.key for arg in node.expr.args} & self.vmas
            return _anew(prop, named, known=outcome) if named else prop
        return prop


def _anew(prop: _State, names: set[str], *, known: bool) -> _State:
    stale = frozenset(each for each in prop.stale if each[0] not in names)
    return _State(prop.found | names if known else prop.found - names, stale)
