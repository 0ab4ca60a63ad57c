"""Questions whether a function has something to give up at all: who asks one before a release keeps nothing."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import plain, plain_null
from mmlint.facts.things import Thing, things

_OWNED = re.compile(r"(^|_)(un)?(pin|pinned|own|owned|owns|owner|ref|refs|held|taken|get|got|put)(_|$)", re.I)
_CALLED = re.compile(r"\b([a-z_]\w{3,})(?:\(\))?")


def asks_whose(test: Expr) -> bool:
    """Whether a flag or member that a test asks for says by its name that something is pinned, held or owned."""
    words = (e.value for e in test.walk() if e.kind == "field" or (e.kind == "name" and e.value.isupper()))
    return any(_OWNED.search(word) for word in words)


def others_own(change: FunctionChange, thing: Thing) -> bool:
    """Whether a test that a patch brings before a release of a thing tells the ways on which it is the function's from
    those on which it is not: a flag says so, an option of the build, the member of its name that it lies in, or the
    result of a call that may have given it up, or a comment names the function that does.
    """
    compared = comparison(change)
    if compared is None:
        return False
    tests = _fresh(compared, thing)
    return any(_says(compared.after, test, thing) for test in tests) or (bool(tests) and _named(change, thing))


def told_by_flag(function: Function, thing: Thing, release: Node) -> bool:
    """Whether a release of a thing stands under a test for a flag that is cleared behind another release of it."""
    order = reach(function)
    test, _ = order.innermost(release)
    asked = test.expr.walk() if test is not None and test.expr is not None else ()
    flags = {e.key for e in asked if e.kind == "name" and e.key.isupper()}
    clears = [n for n in function.cfg.order if flags and _cleared(n) & flags]
    given = [node for node, _ in things(function).get(thing, ()) if node is not release]
    return any(order.before(node, n) for node in given for n in clears)


def _cleared(node: Node) -> frozenset[str]:
    """The flags that an assignment takes away (`flags &= ~FLAG`)."""
    parts = node.expr.walk() if node.expr is not None and node.expr.kind == "assign" else ()
    return frozenset().union(*(e.names() for e in parts if e.kind == "unary" and e.value == "~"))


def _fresh(compared: Comparison, thing: Thing) -> list[Node]:
    """The tests that the patch brings, and that decide about a release."""
    order = reach(compared.after)
    asked = {plain(node) for node in compared.before.cfg.order if node.kind == "branch"}
    releases = [node for node, _ in things(compared.after).get(thing, ())]
    return [
        node
        for node in order.order
        if node.kind == "branch"
        and node.line not in compared.standing
        and plain(node) not in asked
        and any(order.chosen(node, release) is not None for release in releases)
    ]


def _says(function: Function, test: Node, thing: Thing) -> bool:
    if test.expr is None:
        return False
    if test.expr.kind == "call" and test.expr.value == "IS_ENABLED":
        return True
    holder = plain_null(test.expr)
    if holder is not None and holder.kind == "field" and holder.value == thing.key:
        return True  # who holds it does so no more
    calls = (v for name in test.expr.names() for v in assigned_values(function).get(name, ()) if v.kind == "call")
    return asks_whose(test.expr) or any(_gives_up(function, call, thing) for call in calls)


def _gives_up(function: Function, call: Expr, thing: Thing) -> bool:
    """Whether a callee gives up, on some way, what it is handed."""
    places = [i for i, arg in enumerate(call.args) if canon(arg) == thing.key]
    callee = function.program.resolve(call.value, function.path) if places and call.value else None
    if callee is None or callee is function:
        return False
    names = {callee.params[i] for i in places if i < len(callee.params)}
    return any(other.key in names for other, releases in things(callee).items() if releases)


def _named(change: FunctionChange, thing: Thing) -> bool:
    """Whether a comment that the patch adds names a function which gives such a thing up."""
    after = change.after
    if after is None:
        return False
    lines = change.file.after.split(b"\n")
    said = [lines[n - 1].decode(errors="replace") for n in change.touched if re.match(rb"\s*(/?\*)", lines[n - 1])]
    for word in {word for line in said for word in _CALLED.findall(line)}:
        for place in after.program.folder(after.path.rpartition("/")[0]).places(word) if "_" in word else ():
            callees = (callee for callee in after.program.named(place.path, word) if callee is not after)
            if any(other.kind == thing.kind for callee in callees for other, calls in things(callee).items() if calls):
                return True
    return False
