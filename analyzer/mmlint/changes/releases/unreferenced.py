"""Values that were handed on with a reference of their own, and that a patch hands on without one."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import acts_alone
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.owners.aliases import results
from mmlint.facts.owners.halves import halves, undoing
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import COUNTED, given, kind_of
from mmlint.frozen import dataclass

_GETS = re.compile(r"(^|_)(get|hold|grab|ref|pin)(_|$)")
_GET = re.compile(r"(^|_)(?:try_?)?get_")
_OWNED = re.compile(r"(^|_)(\w*alloc|create|new|dup|get|tryget|clone)(_|$)")
_LOOK_UP = re.compile(r"(^|_)(lookup|find)(_|$)")


@dataclass(frozen=True, slots=True)
class Unreferenced:
    """`get` (of before) took a reference of what `node` (of after) hands on; `old` ("": nothing) is what it comes in
    the place of, and whose reference is not given up any more either. `accessor` is what is called in the place of
    `get` and answers with the same thing, without a reference.
    """

    get: Expr
    node: Node
    old: str = ""
    accessor: str = ""


def unreferenced(change: FunctionChange) -> Unreferenced | None:
    """The first value that a function hands on as it is, where a call around it took a reference; or the object that
    replaces another one, without the get of the one and the put of the other. The patch calls nothing else instead.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped or change.named_elsewhere or change.patch.large:
        return None
    if any(act.expr.kind == "call" for act in compared.added):
        return _accessed(change, compared)
    return _around(change, compared) or _replaced(change, compared) or _borrowed(compared)


def _accessed(change: FunctionChange, compared: Comparison) -> Unreferenced | None:
    """A call whose result came with a reference, exchanged for its namesake without the get, while no put goes."""
    taken, puts = compared.before.tables.takes_resource, compared.before.tables.gives_resource
    targets = call_targets(compared.before) | call_targets(compared.after)
    acts = [a for each in change.patch.changes if (c := comparison(each)) is not None for a in (*c.removed, *c.added)]
    for act in compared.removed:
        kinds = {row.resource for row in taken.get(act.word, ()) if row.holder == "result"}
        to, plain = targets.get(id(act.expr)), _GET.sub(r"\1", act.word)
        if not kinds or to is None or plain == act.word:
            continue
        moving = (row for a in acts if a is not act for row in (*taken.get(a.word, ()), *puts.get(a.word, ())))
        if any(row.resource in kinds for row in moving):
            continue
        for now in compared.added:
            same = (here := targets.get(id(now.expr))) is not None and here.key == to.key
            first, was = ([arg.key for arg in each.expr.args[:1]] for each in (now, act))
            if same and now.word == plain and first == was:
                return Unreferenced(act.expr, now.node, accessor=now.word)
    return None


def _around(change: FunctionChange, compared: Comparison) -> Unreferenced | None:
    before = compared.before
    if any(act.expr.kind == "call" and given(before, act.word, act.expr) for act in compared.removed):
        return None
    for node in compared.gone:
        for now in compared.fresh if node.expr is not None else ():
            get = _taken_off(node.expr, now.expr) if node.expr is not None and now.expr is not None else None
            if get is None or now.kind != node.kind or not _takes(before, get) or _elsewhere(change, get.value):
                continue
            if not _owned(before, get.args[0], get.value):
                return Unreferenced(get, now)
    return None


def _taken_off(was: Expr, now: Expr) -> Expr | None:
    """The call around a value, where the value alone stands now and nothing else is different."""
    if was.kind == "call" and len(was.args) == 1 and was.args[0].key == now.key:
        return was
    if (was.kind, was.value, len(was.args)) != (now.kind, now.value, len(now.args)):
        return None
    other = [(a, b) for a, b in zip(was.args, now.args, strict=True) if a.key != b.key]
    return _taken_off(*other[0]) if len(other) == 1 else None


def _takes(function: Function, call: Expr) -> bool:
    """Whether a call takes a reference of its argument and answers with that: by the tables, or it has another half and
    returns what it is handed.
    """
    rows = function.tables.takes_resource.get(call.value, ())
    if any(COUNTED.search(kind_of(row.resource)) and row.when == "always" for row in rows):
        return True
    callee = function.program.resolve(call.value, function.path)
    if callee is None or not (callee.calls or _stub(callee)) or not results(callee) & set(callee.params[:1]):
        return False
    known, puts = function.tables.gives_resource, undoing(call.value) if _GETS.search(call.value) else ()
    return any(name in known or function.program.resolve(name, function.path) is not None for name in puts)


def _stub(function: Function) -> bool:
    """Whether a function stands for one that its header declares as well: that is there in other configurations."""
    file = function.program.file(function.path)
    declared = rb"\b" + function.name.encode() + rb"\s*\([^;{}]*\)\s*;"
    return file is not None and function.path.endswith(".h") and re.search(declared, file.masked) is not None


def _elsewhere(change: FunctionChange, get: str) -> bool:
    """Whether another function of the patch takes the reference now, or gives none up any more."""
    lost = any(change.lost_elsewhere(name) for name in undoing(get))
    return lost or change.gained_elsewhere(get) or change.lost_elsewhere(get)


def _owned(function: Function, value: Expr, get: str) -> bool:
    """Whether the function may have a reference of the value anyway: the call took another one."""
    values = assigned_values(function).get(value.key, ()) if value.kind == "name" else (value,)
    return any(_comes_with_one(function, call, get) for each in values for call in each.calls())


def _comes_with_one(function: Function, call: Expr, get: str) -> bool:
    if call.value in function.tables.takes_resource or _OWNED.search(call.value):
        return True
    if not _LOOK_UP.search(call.value):
        return False
    callee = function.program.resolve(call.value, function.path)
    return callee is None or get in callee.words


def _replaced(change: FunctionChange, compared: Comparison) -> Unreferenced | None:
    """A get of one object in front of its use, and the put of the one that a member held before, both gone."""
    calls = [act for act in compared.removed if act.expr.kind == "call"]
    if len(calls) != 2 or not all(acts_alone(act) and len(act.expr.args) == 1 for act in calls):
        return None
    get, put = calls
    order, old = reach(compared.before), put.expr.args[0]
    if not halves(get.word, put.word) or not order.before(get.node, put.node) or _elsewhere(change, get.word):
        return None
    values = assigned_values(compared.before).get(old.key, ())
    if len(values) != 1 or values[0].kind != "field" or old.key == get.expr.args[0].key:
        return None
    user = next((a for a in compared.old if _installs(a, get.expr.args[0], values[0])), None)
    if user is None or not (order.before(get.node, user.node) and order.before(user.node, put.node)):
        return None
    now = compared.pairs.get(id(user))
    return Unreferenced(get.expr, now.node, values[0].key) if now is not None else None


def _borrowed(compared: Comparison) -> Unreferenced | None:
    """A get of what a member holds, under a lock, whose value a call was handed in front of the put: lock, get and put
    are gone, and the call is handed the member.
    """
    calls = [act for act in compared.removed if act.expr.kind == "call"]
    takes = compared.before.tables.takes
    for get in calls if any(act.word in takes for act in calls) else ():
        target, held = call_targets(compared.before).get(id(get.expr)), get.expr.args[:1]
        if target is None or not held or held[0].kind != "field" or any(a.word in takes for a in compared.added):
            continue
        puts = [act for act in calls if halves(get.word, act.word) and act.expr.args[:1] and act.use == "bare"]
        if not any(put.expr.args[0].key == target.key for put in puts):
            continue
        for act in compared.old:
            now = compared.pairs.get(id(act))
            if now is None or now.word != act.word or len(now.expr.args) != len(act.expr.args):
                continue
            if (target.key, held[0].key) in {(a.key, b.key) for a, b in zip(act.expr.args, now.expr.args, strict=True)}:
                return Unreferenced(get.expr, now.node)
    return None


def _installs(act: Act, new: Expr, member: Expr) -> bool:
    """Whether a call for its effect is handed both the new object and the one that has a member for it."""
    handed = {arg.key for arg in act.expr.args}
    return act.expr.kind == "call" and act.use == "bare" and {new.key, member.root} <= handed
