"""Members that a file changes under one lock wherever it does, and that a patch has changed without it.

No table says which lock protects what. But where all other functions that do something to a member hold the same lock,
by the member's name that it is, and this one did as well, that lock is the member's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.locks.soleop import alone_under
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import states_above
from mmlint.facts.locks.bylock import holds, under
from mmlint.facts.locks.contract import annotated_dropper
from mmlint.facts.locks.locks import locks
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_KINDS = frozenset({"spin", "raw_spin", "mutex", "rwlock", "rwsem", "ptl"})
_MAKES = re.compile(r"(^|_)(init|INIT|alloc|create|new|setup|prepare)(_|$)")
"""Who makes an object needs no lock for it."""
_ENDS = re.compile(r"(^|_)(free|destroy|exit|release|fini|remove|teardown|put)")
"""Who takes an object down may set its members without a lock; not so the lists that it is on."""
_CHANGES = re.compile(
    r"^_*h?list_(?!empty)|^_*rb_|^_*xa_|^_*interval_tree_|(^|_)(insert|erase|add|del|move|splice)(_|$)"
)
ENOUGH = 2
"""So many other functions have to agree."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """`node` (after the patch) does something to `member`, and no longer under the lock that `begin` took.
    `alone`: nothing else was done in the section, and some others add to such a list under that lock.
    """

    node: Node
    member: str
    begin: Act
    alone: bool = False


def unlocked(change: FunctionChange) -> list[Unlocked]:
    """The first such statement of each lock that the function does not take any more."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.scoped:
        return []
    after, takes = compared.after, compared.before.tables.takes
    if any(a.word in takes for a in compared.added) or annotated_dropper(after) or "_locked" in after.name:
        return []
    found = []
    for begin in compared.removed:
        lock = lock_name(begin.expr) if takes_lock(compared.before, begin) else ""
        known = not lock or change.gained_elsewhere(lock) or change.patch.speaks_of(lock)
        if not known and not asserted(after, lock) and not held_above(after, lock):
            found += list(_bare(change, compared, begin, lock))[:1]
    return found[:1]


def takes_lock(function: Function, act: Act) -> bool:
    """Whether an act waits for a lock of the kinds that lie in a structure or stand for themselves."""
    rows = function.tables.takes.get(act.word, ())
    return act.expr.kind == "call" and any(row.kind in _KINDS and row.mode != "try" for row in rows)


def lock_name(call: Expr) -> str:
    """The member that a lock is, or the variable."""
    key = call.args[0].key if call.args else ""
    return re.split(r"->|\.", key.lstrip("&"))[-1] if re.fullmatch(r"&?\w+(?:(?:->|\.)\w+)*", key) else ""


def _bare(change: FunctionChange, compared: Comparison, begin: Act, lock: str) -> Iterator[Unlocked]:
    before, after = compared.before, compared.after
    drops, order = before.tables.drops, reach(before)
    key = begin.expr.args[0].key
    ends = [a for a in compared.removed if a.word in drops and key in {arg.key for arg in a.expr.args}]
    there = {node.line: node for node in after.cfg.order if done_to(node)}
    paired = {act.node.id: compared.pairs[id(act)].node for act in compared.old if id(act) in compared.pairs}
    for node in before.cfg.order if ends else ():
        now = there.get(compared.lines.get(node.line, 0), paired.get(node.id))
        if now is None or not order.before(begin.node, node) or not any(order.before(node, e.node) for e in ends):
            continue
        if not under(before, node, lock) or any(holds(prop, lock) for prop in locks(after).flow.states(now)):
            continue
        if _ENDS.search(after.name) and node.expr is not None and node.expr.kind == "assign":
            continue
        for member in sorted(done_to(node) & done_to(now)):
            if _always_under(after, member, lock):
                yield Unlocked(now, member, begin)
            elif alone_under(change, compared, begin, node, lock):
                yield Unlocked(now, member, begin, alone=True)


def _always_under(function: Function, member: str, lock: str) -> bool:
    """Whether enough other functions of the file do something to the member, and all of them under the lock."""
    others = (
        f for f in function.program.functions(function.path)
        if f.name != function.name and member in f.words and not _MAKES.search(f.name)
    )  # fmt: skip
    votes = [_agrees(other, member, lock) for other in others if member in _changed(other)]
    return len(votes) >= ENOUGH and all(votes)


def _agrees(function: Function, member: str, lock: str) -> bool:
    """Whether a function has the lock wherever it does something to the member: it, or its callers by assertion."""
    return not locks(function).flow.overflow and (
        asserted(function, lock)
        or all(under(function, node, lock) for node in function.cfg.order if member in done_to(node))
    )


def asserted(function: Function, lock: str) -> bool:
    """Whether a function asserts that its callers hold a lock of that name."""
    asserts = (call for name, calls in function.calls.items() if "assert" in name for _, call in calls)
    return any(re.search(rf"\b{re.escape(lock)}$", arg.key) for call in asserts for arg in call.args)


def held_above(function: Function, lock: str) -> bool:
    """Whether a caller holds such a lock at its call."""
    return any(holds(prop, lock) for _, prop in states_above(function))


@fact
def _changed(function: Function) -> frozenset[str]:
    return frozenset().union(*(done_to(node) for node in function.cfg.order))


def done_to(node: Node) -> frozenset[str]:
    """The members that a statement sets, puts on a list or takes off it, or that a loop goes along by."""
    if node.kind == "iter" and node.expr is not None:
        parts = [part for top in node.expr.args[1:] for part in _parts(top)]
        return frozenset(part.value for part in parts if part.kind == "name") | _addressed(parts)
    found: set[str] = set()
    for op, expr in node.events:
        if op != "call":
            found |= {expr.args[0].value} if expr.args[0].kind == "field" else set()
        elif _CHANGES.search(expr.value) and not tells(expr.value):
            found |= _addressed(expr.args)
    return frozenset(found)


def _addressed(args: Iterable[Expr]) -> frozenset[str]:
    """The members of which the address is given."""
    inner = (arg.args[0] for arg in args if arg.kind == "unary" and arg.value == "&")
    return frozenset(each.value for each in inner if each.kind == "field")


def _parts(expr: Expr) -> tuple[Expr, ...]:
    """The operands of commas."""
    return tuple(part for arg in expr.args for part in _parts(arg)) if expr.kind == "comma" else (expr,)
