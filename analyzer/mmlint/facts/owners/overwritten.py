"""Things that are still held when the only variable that holds them gets another value: a retry that forgets."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import GIVEN, HELD, MOVED, Own, canon
from mmlint.facts.ir import Expr
from mmlint.facts.loops import natural_loops
from mmlint.facts.owners.resources import Ownership, ownership
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Taking


@dataclass(frozen=True, slots=True)
class Overwritten:
    """`target` gets another value at `node` and was the only name of what `take` took, in the turn before or, where
    `given` says that other ways have given it back by then, in the same one.
    """

    node: Node
    target: str
    resource: str
    take: Expr
    row: Taking
    given: bool


@fact
def overwritten(function: Function) -> tuple[Overwritten, ...]:
    """The assignments in a loop that lose what an earlier turn took, where the function else keeps account of it."""
    owned = ownership(function)
    if not owned.takes or owned.flow.overflow or function.cfg.truncated or not function.whole:
        return ()
    settled = {(o.take, o.resource) for _, prop, _, _ in owned.flow.returns for o in prop if o.state in (GIVEN, MOVED)}
    found: dict[tuple[int, str], Overwritten] = {}
    for node in function.cfg.order:
        for target, value in _assignments(node):
            for own in _lost(owned, node, target, value):
                at, take, row = owned.take(own)
                known = (own.take, own.resource) in settled and not function.tables.resources[own.resource].single
                given = _given(owned, node, own)
                if (
                    known
                    and (given or _comes_first(function, node, at))
                    and _in_one_loop(function, at, node)
                    and not (_derived(function, target) or _stored(function, value))
                ):
                    lost = Overwritten(node, target, own.resource, take, row, given)
                    found.setdefault((own.take, own.resource), lost)
    return tuple(found.values())


def _assignments(node: Node) -> list[tuple[str, Expr]]:
    """The plain variables that a statement gives a value, with the value."""
    return [
        (expr.args[0].value, expr.args[1])
        for op, expr in node.events
        if op == "assign" and expr.value == "=" and expr.args[0].kind == "name"
    ]


def _lost(owned: Ownership, node: Node, target: str, value: Expr) -> list[Own]:
    """What is held by the variable alone, on every way that knows of it to be there."""
    if target in {name for each in value.walk() for name in (each.root, canon(each))}:
        return []
    states = owned.flow.states(node)
    held = {own for prop in states for own in prop if own.state == HELD and own.names == {target}}
    return [
        own
        for own in held
        if not any(facts.get(target) in ("0", "err") for prop, facts in states.items() if own in prop)
    ]


def _given(owned: Ownership, node: Node, lost: Own) -> bool:
    """Whether what one way holds at a node has been given back on another way to it."""
    here = (own for prop in owned.flow.states(node) for own in prop if own.state == GIVEN)
    return any((own.take, own.resource) == (lost.take, lost.resource) for own in here)


def _stored(function: Function, value: Expr) -> bool:
    """Whether what a value is found by (a frame number) is put into memory: it may stand for the reference there."""
    names = value.names()
    stores = (e for node in function.cfg.order for op, e in node.events if op == "assign" and e.args[0].kind != "name")
    return any(names & e.args[1].names() for e in stores)


def _derived(function: Function, target: str) -> bool:
    """Whether another variable is made of what this one holds, and may hold the reference as well."""
    return any(
        name != target and target in {canon(each) for each in value.walk()}
        for node in function.cfg.order
        for name, value in _assignments(node)
    )


def _comes_first(function: Function, node: Node, take: Node) -> bool:
    """Whether the assignment stands in front of the taking call, so that it can only lose what the last turn took."""
    rank = {each.id: at for at, each in enumerate(function.cfg.order)}
    return rank[node.id] < rank[take.id]


def _in_one_loop(function: Function, take: Node, node: Node) -> bool:
    """Whether a loop has both the taking call and the assignment: the next turn loses what this one took."""
    both = any(take.id in body and node.id in body for _, body in natural_loops(function))
    return both and take is not node
