"""The calls of a function, seen from it: who makes them, and which locks are held there."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import locks


def callers(function: Function, *, including: bool = False) -> list[Function]:
    """The functions that call this one: in its file, and in its folder and mm/ if it is not static.

    `including`: in these, too, for a static function of a header, which others include.
    """
    static = function.source.static and not (including and function.path.endswith(".h"))
    return function.program.callers(function.name, function.path, static=static)


def calls_of(function: Function) -> Iterator[tuple[Function, Node, Expr]]:
    """Its calls by name: caller, node and call."""
    for caller in callers(function):
        for node, call in caller.calls.get(function.name, ()):
            yield caller, node, call


def states_above(function: Function) -> Iterator[tuple[Function, Prop]]:
    """The lock sets in which its calls are reached, each with the caller."""
    for caller, _, call in calls_of(function):
        for prop in locks(caller).held(call):
            yield caller, prop
