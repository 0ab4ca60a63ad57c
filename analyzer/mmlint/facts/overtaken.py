"""Readings that a patch moves in front of what sets the value they read, though both are there as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.change import FunctionChange
from mmlint.facts.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.held import local_names
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_SETTER = re.compile(r"(^|_)(set|clear)_(\w+_)?(bit|flag)s?$")
_TELLS = re.compile(r"(^|_)(pr|dev|trace|print\w*|debug|dbg|WARN\w*|BUG\w*|ASSERT)(_|$)")
_FLAG = re.compile(r"[A-Z]\w*_[A-Z0-9_]+$")
_CLEARED = frozenset({"NULL", "0", "false"})
"""What is given to a variable when it is done with: that a reading comes first is right."""
_PARTS = 2


@dataclass(frozen=True, slots=True)
class Overtaken:
    """`reader` (of after) now comes before `setter`, which sets `what` for it."""

    what: str
    setter: Node
    reader: Node


def overtaken(change: FunctionChange) -> list[Overtaken]:
    """The first such reading of each setter: before the patch its value came from there."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    return list(_overtaken(compared))


def _overtaken(compared: Comparison) -> Iterator[Overtaken]:
    old_order, order = reach(compared.before), reach(compared.after)
    old, new = _single(old_order), _single(order)
    both = [key for key in old if key in new]
    for key in both:
        setter, now = old[key], new[key]
        for what in _set_by(compared.after, setter):
            reader = next(
                (
                    new[other]
                    for other in both
                    if other != key
                    and not _stays(compared, setter, now, old[other], new[other])
                    and old_order.before(setter, old[other])
                    and not old_order.before(old[other], setter)
                    and order.before(new[other], now)
                    and what not in _set_by(compared.after, new[other])
                    and _reads(compared.after, new[other], what)
                    and _flows(setter, old[other], what)
                    and not _flows(now, new[other], what)
                    and not _set_anew(compared, order, new[other], what)
                ),
                None,
            )
            if reader is not None:
                yield Overtaken(what, now, reader)
                break


def unset(change: FunctionChange) -> list[tuple[Act, Act]]:
    """The calls that a patch takes away and that set two parts of a local structure or more (the bounds of a range),
    each with the first call behind it that goes on getting the structure.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    spoken = frozenset().union(*(f.after.words for f in change.patch.changes if f.after is not None))
    order, fresh = reach(compared.after), set(compared.lines.values())
    written = {what for n in order.order if n.line not in fresh for what in _set_by(compared.after, n)}
    found = []
    for act in compared.removed:
        parts = [part.key for part in _parts(compared.before, act.expr)]
        roots = {key.split("->")[0] for key in parts}
        if len(parts) < _PARTS or len(roots) != 1 or act.word in spoken or written & set(parts):
            continue
        reader = next((a for a in _behind(compared, act) if any(_uses(a.expr, what) for what in parts)), None)
        if reader is not None:
            found.append((act, compared.pairs[id(reader)]))
    return found


def _behind(compared: Comparison, act: Act) -> Iterator[Act]:
    """The calls behind an act that a patch leaves."""
    order = reach(compared.before)
    kept = (a for a in compared.old if a.expr.kind == "call" and id(a) in compared.pairs)
    return (a for a in kept if order.before(act.node, a.node))


def _single(order: Reach) -> dict[str, Node]:
    """The statements and conditions that occur once in the function, by their text."""
    found: dict[str, list[Node]] = {}
    for node in order.order:
        if node.expr is not None and node.kind in ("expr", "decl", "branch"):
            found.setdefault(node.expr.key, []).append(node)
    return {key: nodes[0] for key, nodes in found.items() if len(nodes) == 1}


def _stays(compared: Comparison, *nodes: Node) -> bool:
    """Whether the patch leaves the lines of a setter (old, new) and of a reader (old, new) where they are."""
    a, a_now, b, b_now = nodes
    return compared.lines.get(a.line) == a_now.line and compared.lines.get(b.line) == b_now.line


def _set_by(function: Function, node: Node) -> list[str]:
    """What a statement sets: variables and fields, parts of local structures handed out, flags by their names."""
    found: list[str] = []
    for op, expr in node.events:
        if op in ("assign", "update"):
            found += [] if op == "assign" and expr.args[1].key in _CLEARED else [expr.args[0].key]
        elif _SETTER.search(expr.value):
            found += [f"flag:{e.value}" for arg in expr.args for e in arg.walk() if _FLAG.match(e.value)]
        else:
            found += [part.key for part in _parts(function, expr)]
    return found


def _parts(function: Function, call: Expr) -> list[Expr]:
    """The fields of local structures whose addresses a call gets that may set them: not one that locks."""
    if call.value in function.tables.takes or call.value in function.tables.drops:
        return []
    fields = (arg.args[0] for arg in call.args if arg.kind == "unary" and arg.value == "&")
    return [field for field in fields if field.kind == "field" and field.root in local_names(function)]


def _reads(function: Function, node: Node, what: str) -> bool:
    """Whether a statement makes use of the value, or calls what asks for the flag."""
    assert node.expr is not None
    if what.startswith("flag:"):
        flag = what.removeprefix("flag:")
        return any(_asks(function, call, flag) for op, call in node.events if op == "call")
    if any(_TELLS.search(call.value) for call in node.expr.calls()):
        return False
    return _uses(node.expr, what)


def _uses(e: Expr, what: str) -> bool:
    if e.key == what:
        return True
    if e.kind == "unary" and e.value == "&":
        return what.startswith(f"{e.args[0].key}->")
    if e.kind == "assign" and e.value == "=":
        return (e.args[0].key != what and _uses(e.args[0], what)) or _uses(e.args[1], what)
    return any(_uses(arg, what) for arg in e.args)


def _asks(function: Function, call: Expr, flag: str) -> bool:
    callee = (
        function.program.resolve(call.value, function.path) if call.value and not _SETTER.search(call.value) else None
    )
    if callee is None or callee is function:
        return False
    if flag in callee.words:
        return True
    inner = (callee.program.resolve(name, callee.path) for name in callee.calls if name)
    return any(f is not None and flag in f.words for f in inner)


def _writes(node: Node, what: str) -> bool:
    root = what.split("->")[0].lstrip("*")
    return any(op in ("assign", "update") and expr.args[0].key in (what, root) for op, expr in node.events)


def _flows(setter: Node, reader: Node, what: str) -> bool:
    """Whether what the setter sets gets to the reader."""
    return reader.id in graph.after([t for t, _ in setter.succ], lambda n: _writes(n, what))


def _set_anew(compared: Comparison, order: Reach, reader: Node, what: str) -> bool:
    """Whether the patch adds something else that sets it for the reader."""
    standing = set(compared.lines.values())
    return any(
        node.line not in standing
        and node is not reader
        and what in _set_by(compared.after, node)
        and order.before(node, reader)
        for node in order.order
    )
