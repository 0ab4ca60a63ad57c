"""Ways that a branch decides: whether control came by one outcome of a test, and where a pointer is found NULL."""

from __future__ import annotations

from collections.abc import Iterable

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Flow, Outcome, solve
from mmlint.facts.function import NOT_SHOWN, Function
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts, is_zero

_ANY, _SEEN = 0, 1


def comes_by(function: Function, test: Node, outcome: bool, place: Node) -> bool:
    """Whether a way by one outcome of a test comes to a place, by what is known of values on it."""
    flow = solve(function.cfg, _Turned(test, outcome))
    return not flow.overflow and _SEEN in flow.states(place)


class NullWays:
    """The ways on which a branch found a pointer NULL, and nothing has given it a value since."""

    def __init__(self, function: Function, pointer: str) -> None:
        self.pointer = pointer
        self._flow: Flow[int] = solve(function.cfg, _FoundNull(pointer))

    @property
    def overflow(self) -> bool:
        """Whether the function was too much to follow; then nothing is known."""
        return self._flow.overflow

    def at(self, node: Node) -> Facts | None:
        """What is known of values at a node on all these ways together; None if none comes there."""
        return self._flow.states(node).get(_SEEN)

    def come_to(self, node: Node) -> bool:
        """Whether the pointer is NULL at a node on one of these ways."""
        facts = self.at(node)
        return facts is not None and is_zero(facts.get(self.pointer)) is True


class _Turned(Client[int]):
    def __init__(self, test: Node, outcome: bool) -> None:
        super().__init__(_ANY)
        self.test = test
        self.outcome = outcome

    def branched(self, node: Node, outcome: bool, prop: int, facts: Facts) -> int | None:
        return (_SEEN if outcome is self.outcome else _ANY) if node is self.test else prop


class _FoundNull(Client[int]):
    def __init__(self, pointer: str) -> None:
        super().__init__(_ANY)
        self.pointer = pointer

    def call(self, call: Expr, prop: int, facts: Facts, node: Node) -> Iterable[Outcome[int]] | None:
        lost = call.value == NOT_SHOWN or any(arg.key == f"&{self.pointer}" for arg in call.args)
        return [Outcome(_ANY)] if lost else None

    def assigned(self, target: Expr, value: Expr | None, prop: int, facts: Facts, node: Node) -> int:
        return _ANY if target.key == self.pointer or target.key == self.pointer.split("->")[0].split(".")[0] else prop

    def branched(self, node: Node, outcome: bool, prop: int, facts: Facts) -> int | None:
        known = facts.get(self.pointer)
        return _SEEN if is_zero(known) else _ANY if is_zero(known) is False else prop
