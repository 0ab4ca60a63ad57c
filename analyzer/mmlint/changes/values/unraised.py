"""Members that nothing in a file sets any more after a patch, and that the file goes on asking for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_NOTHING = frozenset({"NULL", "0", "false"})
_STORES = re.compile(r"WRITE_ONCE$|(smp_store|rcu_assign)_\w+$")


@dataclass(frozen=True, slots=True)
class Unraised:
    """`member` was set before `node` (of after), as nowhere else, and `test` in `asking` decides by it."""

    member: str
    node: Node
    asking: Function
    test: Node


def unraised(change: FunctionChange) -> list[Unraised]:
    """The members that tell of something, by the statement that stands behind the place where they were set."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    found = []
    for node in compared.before.cfg.order:
        place = compared.behind(node) if node.line not in compared.lines else None
        for member in _raised(node) if place is not None else ():
            asked = next(_asked(compared.after, member.value), None)
            if asked is None or place is None or _handed_over(compared, member) or _set_elsewhere(change, member):
                continue
            found.append(Unraised(member.key, place, *asked))
    return found[:1]


def _raised(node: Node) -> Iterator[Expr]:
    """The members that a statement sets to something."""
    for op, expr in node.events:
        if op == "update" or (op == "call" and _STORES.match(expr.value) and len(expr.args) > 1):
            target, given = expr.args[0], expr.args[-1].key if op == "call" else ""
        elif op == "assign":
            target, given = expr.args[0], expr.args[1].key
        else:
            continue
        if target.kind == "field" and given not in _NOTHING:
            yield target


def _set_elsewhere(change: FunctionChange, expr: Expr) -> bool:
    """Whether the file, or a function that the patch changes, still sets the member, by name or by address; or whether
    the patch takes away the member itself.
    """
    assert change.after is not None
    text, member = change.file.after, expr.value
    name = re.escape(member.encode())
    if member in change.patch.dropped_members:
        return True
    if re.search(rb"(?<!->)(?<!\w)\." + name + rb"\s*=[^=]|&[\w>.-]+(->|\.)" + name + rb"\b", text):
        return True
    stored, word = _stored(expr), member.encode()
    around = (other for path, other in _around(change.after) if path != change.after.path and word in other)
    if any(stored.search(other) for other in around):
        return True
    others = (*change.after.program.functions(change.after.path), *(c.after for c in change.patch.changes))
    return any(
        e.value == member for f in others if f is not None and f.has(member) for n in f.cfg.order for e in _raised(n)
    )


def _stored(expr: Expr) -> re.Pattern[bytes]:
    """Where a text stores to a member, or counts it up: one of several words by any name, else by the same."""
    owner = expr.args[0]
    base = owner.value if "_" not in expr.value and owner.kind in ("name", "field") else ""
    name = rf"\b{base}(->|\.){expr.value}\b" if base else rf"(->|\.){expr.value}\b"
    return re.compile(rf"{name}\s*(=[^=]|\|=|\+\+)|WRITE_ONCE\([^,]*{name}".encode())


def _around(function: Function) -> Iterator[tuple[str, bytes]]:
    """The other files of the folder: who knows the structure may set its members there."""
    return function.program.texts(function.path.rpartition("/")[0])


def _handed_over(compared: Comparison, member: Expr) -> bool:
    """Whether the patch hands the object to a call that it adds, which may set its members."""
    handed = {canon(arg).removeprefix("&") for a in compared.added if a.expr.kind == "call" for arg in a.expr.args}
    return any(canon(e) in handed for e in member.args[0].walk())


def _asked(function: Function, member: str) -> Iterator[tuple[Function, Node]]:
    """The branches of the file that the member decides, with their functions."""
    for other in function.program.functions(function.path):
        for node in other.cfg.order if other.has(member) else ():
            if node.kind == "branch" and node.expr is not None and any(e.value == member for e in _fields(node.expr)):
                yield other, node


def _fields(expr: Expr) -> Iterator[Expr]:
    return (e for e in expr.walk() if e.kind == "field")
