"""What must hold for control to reach a call inside a function: of its parameters, of settings, of its context.

A caller compares it with what it passes and knows. What a caller cannot tell from the call is `UNKNOWN`: it may well
know better than this analysis that control does not get there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.remembered import is_setting
from mmlint.facts.values import EMPTY, Facts, evaluate, is_negative, is_zero


class Need(NamedTuple):
    """What must hold of a parameter: its value, or (`mask`) whether a flag is set in it, or `->member` of it."""

    param: int
    mask: str
    value: str

    @property
    def of_member(self) -> bool:
        """Whether it is about a member of what the parameter points to."""
        return self.mask.startswith("->")


Settings = tuple[tuple[str, bool], ...]
"""Settings of the machine (`debug_pagealloc_enabled()`), and how they must be."""
UNKNOWN = Need(-1, "", "")
"""Something else than a parameter must hold, and a caller cannot tell."""
GUESS = Need(-2, "", "")
"""A gfp mask about which nothing is known decides: not to be said of a state, only where a patch moved the call."""
_LAST = re.compile(r"(dec|sub)_and_test$|^kref_put")
_CONSTANT = re.compile(r"[A-Z_][A-Z0-9_]*$")
_MASK = re.compile(r"(\w+) & ([A-Z_][A-Z0-9_]*)$")
_FIELD = re.compile(r"\*?[A-Za-z_]\w*(->\w+)*$")
_MISUSE = re.compile(r"-E(INVAL|FAULT)\b")
"""What a caller gets for an argument that makes no sense; not for one by which it asks for nobody to wait."""
_ERROR = re.compile(r"-E[A-Z]|ERR_PTR\(-E")
_BLOCKING = re.compile(r"gfpflags_allow_blocking\((\w+)\)$|(\w+) & __GFP_DIRECT_RECLAIM$")


def path_needs(function: Function, facts: Facts) -> tuple[Need, ...]:
    """The facts of a path that are about parameters: their values, flags in them, the methods of what they point to."""
    params = {name: i for i, name in enumerate(function.params)}
    found = []
    for key, value in facts.items():
        if key in params:
            refused = is_zero(value) is False and key in _refused(function)
            if value != "!err" and not refused and _as_passed(function, key, value):
                found.append(Need(params[key], "", value))
        elif key in _members(function) and is_zero(value) is False:
            param, member = _members(function)[key]
            found.append(Need(params[param], member, "!0"))
        elif (match := _MASK.match(key)) is not None and match.group(1) in params:
            if not _BLOCKING.match(key):
                found.append(Need(params[match.group(1)], match.group(2), value))
        elif _FIELD.match(key) and key.lstrip("*").split("->")[0] in params and _is_telling(function, key, value):
            found.append(UNKNOWN)
    return tuple(sorted(set(found)))


def _as_passed(function: Function, param: str, value: str) -> bool:
    """Whether a parameter with this value has what was passed: the function gives it nothing, or the opposite."""
    given = _given(function).get(param, ())
    zeros = [is_zero(evaluate(new, EMPTY)) if new is not None else None for new in given]
    known = is_zero(value)
    return not zeros or (known is not None and all(zero is not None and zero is not known for zero in zeros))


@fact
def _refused(function: Function) -> frozenset[str]:
    """The parameters that are refused as misuse where they are zero: a caller passes something else."""
    found = set()
    for node in function.cfg.order if _MISUSE.search(function.text.decode("latin-1")) else ():
        if node.kind == "branch" and node.expr is not None and node.expr.key in function.params:
            ends = [target.expr for target, outcome in node.succ if outcome is False and target.kind == "return"]
            if any(expr is not None and _MISUSE.search(expr.key) for expr in ends):
                found.add(node.expr.key)
    return frozenset(found)


def _member(arg: Expr, member: str) -> str:
    """The key of a member of what an argument points to."""
    if arg.kind == "unary" and arg.value == "&":
        return f"{arg.args[0].key}{member}"
    return f"{arg.key}{member}"


@fact
def _given(function: Function) -> dict[str, list[Expr | None]]:
    """What the function assigns to each name; None for a change that is no plain assignment."""
    found: dict[str, list[Expr | None]] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op in ("assign", "update") and expr.args[0].kind == "name":
                plain = op == "assign" and expr.value == "="
                found.setdefault(expr.args[0].value, []).append(expr.args[1] if plain else None)
    return found


@fact
def _members(function: Function) -> dict[str, tuple[str, str]]:
    """The locals that hold nothing but a member of what a parameter points to: the parameter, and `->member`."""
    found = {}
    for name, given in _given(function).items():
        value = given[0]
        if len(given) == 1 and value is not None and value.kind == "field" and name not in function.params:
            owner = value.args[0].key
            if owner in function.params and owner not in _given(function) and value.key == f"{owner}->{value.value}":
                found[name] = (owner, f"->{value.value}")
    return found


def _is_telling(function: Function, field: str, value: str) -> bool:
    """Whether the value of a field picks out certain objects: NULL, or a method that not every kind has."""
    return value == "0" or (is_zero(value) is False and field in _methods(function))


@fact
def _methods(function: Function) -> frozenset[str]:
    """The function pointers that the function calls: a test of one asks what kind of object this is."""
    return frozenset(call.callee.key for _, call in function.calls.get("", ()) if call.callee is not None)


def contradicts(arg: Expr, need: Need, facts: Facts) -> bool:
    """Whether an argument is not what is needed."""
    if need.of_member:
        return is_zero(facts.get(_member(arg, need.mask))) is True
    known = evaluate(arg, facts)
    if need.mask:
        if known == "0":
            return need.value != "0"
        if spelled_out(arg):
            return (need.mask in arg.names()) == (need.value == "0")
        return False
    if known is None:
        return need.value.isupper() and arg.kind == "name" and spelled_out(arg) and arg.value != need.value
    for test in (is_zero, is_negative):
        a, b = test(known), test(need.value)
        if a is not None and b is not None and a != b:
            return True
    return known.lstrip("-").isdigit() and need.value.lstrip("-").isdigit() and known != need.value


def spelled_out(arg: Expr) -> bool:
    """Whether an argument is made of constants."""
    return all(
        e.kind in ("name", "num", "binary") and (e.kind != "name" or _CONSTANT.match(e.value)) for e in arg.walk()
    )


@fact
def _settings(function: Function) -> frozenset[str]:
    """The settings that the function asks for."""
    return frozenset(call.key for calls in function.calls.values() for _, call in calls if is_setting(call))


def settings(function: Function, facts: Facts) -> Settings:
    """How the settings that the function asks for are on a path."""
    values = ((key, is_zero(facts.get(key))) for key in sorted(_settings(function)))
    return tuple((key, not zero) for key, zero in values if zero is not None)


def excludes(wanted: Settings, facts: Facts) -> bool:
    """Whether a setting is known to be otherwise."""
    return any(is_zero(facts.get(key)) is value for key, value in wanted)


def blocking_tests(facts: Facts) -> list[str]:
    """The variables whose gfp mask was tested on this path and found to allow blocking."""
    found = (_BLOCKING.match(key) for key, value in facts.items() if is_zero(value) is False)
    return sorted(match.group(1) or match.group(2) for match in found if match is not None)


def callers_know(function: Function, node: Node) -> bool:
    """Whether a node is reached only where the last reference went, in a context that the function asks for, or for one
    kind of the objects that it is given.

    A caller may know that its own reference was not the last one, and does know its context and its objects.
    """
    if any(_one_kind(function, test, node) for test in function.cfg.order if test.kind == "switch"):
        return True
    order = reach(function) if _asks(function) else None
    return order is not None and any(
        test.kind == "branch"
        and test.expr is not None
        and _asked(function, test.expr)
        and order.chosen(test, node) is not None
        for test in function.cfg.order
    )


def _one_kind(function: Function, test: Node, node: Node) -> bool:
    """Whether a node is reached through one named arm alone of a switch over a field of a parameter."""
    if test.expr is None or test.expr.kind != "field" or test.expr.root not in function.params:
        return False
    order = reach(function)
    arms = {target.id: label for target, label in test.succ if target is node or order.before(target, node)}
    return len(arms) == 1 and "default" not in arms.values() and order.before(test, node)


def _asks(function: Function) -> bool:
    words = function.words
    return not words.isdisjoint(function.tables.contexts) or any(_LAST.search(word) for word in words)


def _asked(function: Function, test: Expr) -> bool:
    contexts = function.tables.contexts
    if any(_LAST.search(call.value) or call.value in contexts for call in test.calls()):
        return True
    return not test.names().isdisjoint(_told(function))


@fact
def _told(function: Function) -> frozenset[str]:
    """The variables that hold the answer of a question for the context."""
    assigned = (expr.args for node in function.cfg.order for op, expr in node.events if op == "assign")
    contexts = function.tables.contexts
    return frozenset(target.key for target, value in assigned if any(c.value in contexts for c in value.calls()))


def guarded(function: Function, node: Node) -> int:
    """In how many blocks a node stands that the longer way through the function leaves out, one inside the other."""
    rank = reach(function).rank[node.id]
    return len({other for inside, other in _blocks(function) if inside >> rank & 1})


@fact
def _blocks(function: Function) -> tuple[tuple[int, int], ...]:
    """The sides of tests that hold less than the other side does: the nodes of that side alone, and of the other.

    Where one side only fails, the other one is the way through the function, however short.
    """
    order = reach(function)
    ends = [(1 << order.rank[n.id], _fails(n)) for n in order.order if n.kind == "return"]
    failing, succeeding = (sum(bit for bit, fails in ends if fails is which) for which in (True, False))
    found = []
    for test in order.order:
        for outcome in (True, False) if test.kind == "branch" else ():
            side, other = order.side(test, outcome), order.side(test, not outcome)
            alone, rest = side & ~other, other & ~side
            main = rest & failing and not rest & succeeding and alone & succeeding
            if alone.bit_count() < other.bit_count() and not main:
                found.append((alone, other))
    return tuple(found)


def _fails(node: Node) -> bool:
    return node.expr is not None and _ERROR.match(node.expr.key) is not None
