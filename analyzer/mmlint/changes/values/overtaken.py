"""Readings that a patch moves in front of what sets the value they read, though both are there as they were."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.reach import Reach, once, reach
from mmlint.facts.steps import Act
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_SETTER = re.compile(r"(^|_)(set|clear)_(\w+_)?(bit|flag)s?$")
_FLAG = re.compile(r"[A-Z]\w*_[A-Z0-9_]+$")
_FILLS = re.compile(r"(^|_)(get|read|find|query|fetch|fill|parse)(_|$)")
"""Calls that put into a structure whose address they get what they are named after."""
_CLEARED = frozenset({"NULL", "0", "false"})
"""What is given to a variable when it is done with: that a reading comes first is right."""
_PARTS = 2
_STATEMENTS = ("expr", "decl", "branch")
_MOST = 200_000
"""Pairs of statements: a function that a patch turns over whole says nothing about the order of two of them."""


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
    old, new = (once(reach(side), _STATEMENTS, _text) for side in (compared.before, compared.after))
    both = [key for key in old if key in new]
    moved = dict.fromkeys(key for key in both if compared.lines.get(old[key].line) != new[key].line)
    if len(moved) * len(both) > _MOST:
        return
    for key in both:
        for what in (*_set_by(compared.after, old[key]), *_ruled_out(compared, new[key])) if moved else ():
            others = both if key in moved else list(moved)
            reader = next((r for r in others if r != key and _swapped(compared, what, old, new, key, r)), None)
            if reader is not None:
                yield Overtaken(what, new[key], new[reader])
                break


def _swapped(
    compared: Comparison, what: str, old: dict[str, Node], new: dict[str, Node], setter: str, reader: str
) -> bool:
    """Whether what the setter set went to the reader, and the reader comes first now, with nothing in its place."""
    before, after = reach(compared.before), reach(compared.after)
    return (
        before.before(old[setter], old[reader])
        and not before.before(old[reader], old[setter])
        and after.before(new[reader], new[setter])
        and what not in _set_by(compared.after, new[reader])
        and not _other_bits(old[setter], old[reader], what)
        and _reads(compared.after, new[reader], what)
        and _flows(old[setter], old[reader], what)
        and not _flows(new[setter], new[reader], what)
        and not _set_anew(compared, after, new[reader], what)
    )


def _other_bits(setter: Node, reader: Node, what: str) -> bool:
    """Whether the setter changes flags of a word, and the reader asks for others."""
    changed = {e.key for op, e in setter.events if op == "assign" and e.value in ("|=", "&=")}
    expr = reader.expr
    if expr is None or not changed or {op for op, _ in setter.events} != {"assign"}:
        return False
    flags = {name for _, e in setter.events for name in e.args[1].names()}
    asked = [e for e in expr.walk() if e.kind == "binary" and e.value == "&" and what in {a.key for a in e.args}]
    return bool(asked) and not any(flags & e.names() for e in asked)


def _text(node: Node) -> str:
    return node.expr.key if node.expr is not None else ""


def unset(change: FunctionChange) -> list[tuple[Act, Act]]:
    """The calls that a patch takes away and that set two parts of a local structure or more (the bounds of a range),
    each with the first call behind it that goes on getting the structure.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    order, fresh = reach(compared.after), compared.standing
    written = {what for n in order.order if n.line not in fresh for what in _set_by(compared.after, n)}
    found = []
    for act in compared.removed:
        parts = [part.key for part in _parts(compared.before, act.expr)]
        roots = {key.split("->")[0] for key in parts}
        if len(parts) < _PARTS or len(roots) != 1 or act.word in change.patch.spoken or written & set(parts):
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


def _ruled_out(compared: Comparison, node: Node) -> list[str]:
    """The local variables, no pointers, that a statement sets to false and that nothing reads behind it."""
    types = declared_types(compared.after)
    cleared = (e.args for op, e in node.events if op == "assign" and e.value == "=" and e.args[1].key in _CLEARED)
    names = [target.key for target, _ in cleared if "*" not in types.get(target.key, "*")]
    order = [n for n in reach(compared.after).order if n.expr is not None]
    return [
        name
        for name in names
        if name in local_names(compared.after)
        and not any(_reads(compared.after, n, name) and _flows(node, n, name) for n in order if n is not node)
    ]


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
    if any(tells(call.value) for call in node.expr.calls()):
        return False
    return _uses(node.expr, what)


def _uses(e: Expr, what: str) -> bool:
    if e.key == what:
        return True
    if e.kind == "unary" and e.value == "&":
        return what.startswith(f"{e.args[0].key}->")
    if e.kind == "assign" and e.value == "=":
        return (e.args[0].key != what and _uses(e.args[0], what)) or _uses(e.args[1], what)
    filled = e.kind == "call" and _FILLS.search(e.value) is not None
    return any(_uses(arg, what) for arg in e.args if not (filled and arg.kind == "unary" and arg.value == "&"))


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


def _flows(setter: Node, reader: Node, what: str) -> bool:
    """Whether what the setter sets gets to the reader."""
    root = what.split("->")[0].lstrip("*")
    return reader.id in graph.after([t for t, _ in setter.succ], lambda node: node.sets(what, root))


def _set_anew(compared: Comparison, order: Reach, reader: Node, what: str) -> bool:
    """Whether the patch adds something else that sets it for the reader."""
    standing = compared.standing
    return any(
        node.line not in standing
        and node is not reader
        and what in _set_by(compared.after, node)
        and order.before(node, reader)
        for node in order.order
    )
