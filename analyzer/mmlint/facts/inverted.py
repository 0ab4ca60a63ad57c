"""Tests that a patch turns round: the same question, and each answer now leads where the other one led."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act, negated, plain
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Inverted:
    """`now` (of after) asks what it asked before; `act` (of after) stands on the other side, None if it is the result
    of the function that is turned round.
    """

    now: Node
    act: Act | None


def inverted(change: FunctionChange) -> list[Inverted]:
    """The tests and results that a patch inverts with nothing else changed about them."""
    compared = comparison(change)
    if compared is None or change.before is None or change.before.name != change.name:
        return []
    changed = {other.name for other in change.patch.changes}
    turned = (each for each in _branches(compared) if changed.isdisjoint(_asked(each.now)))
    return [*turned, *(() if change.named_elsewhere else _results(compared))]


def _results(compared: Comparison) -> Iterator[Inverted]:
    """A result that is another one's negation, where no caller is changed."""
    gone, fresh = (_single(order, "return", lines) for order, lines in _sides(compared))
    for key, now in fresh.items():
        was = gone.get(key)
        if was is not None and _opposite(was) is not _opposite(now):
            yield Inverted(now, None)


def _branches(compared: Comparison) -> Iterator[Inverted]:
    (old, lines), (new, standing) = _sides(compared)
    gone, fresh = _single(old, "branch", lines), _single(new, "branch", standing)
    for key, now in fresh.items():
        was = gone.get(key)
        if was is None:
            continue
        sides = [
            (
                old.chosen(was, act.node) is not _opposite(was),
                new.chosen(now, there.node) is not _opposite(now),
                there,
            )
            for act in compared.old
            if (there := compared.pairs.get(id(act))) is not None
            and old.chosen(was, act.node) is not None
            and new.chosen(now, there.node) is not None
            and id(act) in compared.still
        ]
        turned = [there for before, after, there in sides if before is not after]
        if turned and len(turned) == len(sides):
            yield Inverted(now, turned[0])


def _sides(compared: Comparison) -> list[tuple[Reach, frozenset[int]]]:
    """The order of either side, with the lines that the patch leaves alone."""
    return [
        (reach(compared.before), frozenset(compared.lines)),
        (reach(compared.after), frozenset(compared.lines.values())),
    ]


def _single(order: Reach, kind: str, standing: frozenset[int]) -> dict[str, Node]:
    """The tests or results on changed lines that occur once, by what they ask."""
    found: dict[str, list[Node]] = {}
    for node in order.order:
        if node.kind == kind and node.expr is not None and node.line not in standing and node.expr.kind != "num":
            found.setdefault(plain(node), []).append(node)
    return {key: nodes[0] for key, nodes in found.items() if len(nodes) == 1}


def _asked(node: Node) -> set[str]:
    """What a test calls."""
    return {call.value for call in node.expr.calls()} if node.expr is not None else set()


def _opposite(node: Node) -> bool:
    """Whether a test says the opposite of its plain text."""
    expr = node.expr
    while expr is not None and expr.kind == "unary" and expr.value == "!":
        expr = expr.args[0]
    return negated(node.expr) is not (expr is not None and expr.kind == "binary" and expr.value == "!=")
