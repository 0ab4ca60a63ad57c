"""Sleepers behind calls through a pointer: release callbacks that a call is given, and fields of operation tables.

A field is taken to mean every function that an initialiser of the same folder gives it. That is no more than likely.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.lockwords import is_api
from mmlint.facts.locks.sleep import Sleeper, sleepers
from mmlint.facts.program import Program
from mmlint.finding import Step

_DEPTH = 2
_MAX_TARGETS = 8
_BY_POINTER = re.compile(rb"(?:->|\.)([a-z_]\w*)\s*\(")
_CALLED = re.compile(rb"\b([A-Za-z_]\w*+)\s*+\(")


def pointed_sleeper(function: Function, call: Expr) -> Sleeper | None:
    """A way to sleep in what `call` runs by pointer, itself or up to two calls down; None where none is found."""
    for target in _started(function, call):
        found = _in_body(target, _DEPTH, {function})
        if found is not None:
            return _behind(found, Step(function.path, call.line, f"`{function.name}` lets `{target.name}` run"))
    return None


def _started(function: Function, call: Expr) -> Iterator[Function]:
    """The functions that a call runs: the callee, a field's values, and the callbacks among its arguments."""
    program, path = function.program, function.path
    if not call.value:
        if call.callee is not None and call.callee.kind == "field":
            yield from field_targets(program, path, call)
        return
    row = function.tables.sleeps.get(call.value)
    if row is not None and row.when.startswith("calls:"):
        index = int(row.when[6:])
        given = call.args[index].value if index < len(call.args) and call.args[index].kind == "name" else ""
        target = program.resolve(given, path) if given else None
    else:
        target = program.resolve(call.value, path) if not is_api(function.tables, call.value) else None
    if target is not None and target is not function:
        yield target


def _in_body(function: Function, depth: int, seen: set[Function]) -> Sleeper | None:
    """The first sleeper of a function, then of what it calls by pointer, then of its callees."""
    seen.add(function)
    known = [s for s in sleepers(function) if not s.unlocked]
    if known:
        return known[0]
    program, path = function.program, function.path
    for name, call in _by_pointer(function).items():
        for target in field_targets(program, path, call):
            found = [s for s in sleepers(target) if not s.unlocked]
            if found:
                return _behind(found[0], Step(path, call.line, f"`->{name}()` may be `{target.name}`"))
    for called in dict.fromkeys(_CALLED.findall(function.text)) if depth > 1 else ():
        callee = next(iter(program.named(path, called.decode())), None)
        if callee is not None and callee not in seen and callee.name in function.calls:
            found_below = _in_body(callee, depth - 1, seen)
            if found_below is not None:
                step = Step(path, _line(function, called), f"`{function.name}` calls `{callee.name}`")
                return _behind(found_below, step)
    return None


def _by_pointer(function: Function) -> dict[str, Expr]:
    """The fields that a function calls, each with the first such call."""
    if _BY_POINTER.search(function.text) is None:
        return {}
    calls = (call for _, call in function.calls.get("", ()) if call.callee is not None and call.callee.kind == "field")
    found: dict[str, Expr] = {}
    for call in calls:
        assert call.callee is not None
        found.setdefault(call.callee.value, call)
    return found


def _behind(sleeper: Sleeper, step: Step) -> Sleeper:
    return Sleeper(sleeper.name, None, sleeper.requires, (step, *sleeper.steps), sleeper.large)


def _line(function: Function, name: bytes) -> int:
    return function.line + function.text[: max(function.text.find(name), 0)].count(b"\n")


def field_targets(program: Program, path: str, call: Expr) -> list[Function]:
    """The functions that initialisers in the folder of `path` give to a field of the name that is called, if they take
    as many arguments; none if there are many initialisers.
    """
    field = call.callee.value if call.callee is not None else ""
    names = program.initialisers(path.rpartition("/")[0]).get(field, ())
    if len(names) > _MAX_TARGETS:
        return []
    found = (program.resolve(name, where) for where, name in names)
    return [function for function in found if function is not None and len(function.params) == len(call.args)]
