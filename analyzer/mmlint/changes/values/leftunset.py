"""Values that a patch no longer sets, and nothing else: one statement is deleted, and what it set is read as before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.outrun import reads
from mmlint.changes.edits.vanished import HOME, OURS
from mmlint.changes.questions.spared import forgets_the_compared
from mmlint.facts import graph
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare
from mmlint.facts.telling import keeps_count, tells
from mmlint.frozen import dataclass

_STATEMENTS = ("expr", "decl")
_MOST = 2
"""More members than that are state that is no longer kept."""
_CONSTANT = re.compile(r"-?[A-Z0-9][A-Z0-9_]*$|true$|false$|ERR_PTR\(-E[A-Z0-9]+\)$")
_CASE = re.compile(rb"\s*(case\b.*|default\s*):")
_OBJECT = re.compile(r"^(const )?struct \w+$|\[")
"""Types whose variables a call may fill: structures and arrays."""


@dataclass(frozen=True, slots=True)
class LeftUnset:
    """`what` was set by `setter` (of before), and is still read at `place` (of after); or (`shared`) it is for others
    to read, and `place` stands where it was set. `hanging`: the call that is only made if it is set.
    """

    what: str
    setter: Node
    place: Node
    shared: bool = False
    hanging: str = ""


def left_unset(change: FunctionChange) -> LeftUnset | None:
    """What the one statement that a patch deletes from a function set, or the few that set members of one object, if
    the patch adds nothing there.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped or change.named_elsewhere or change.patch.large:
        return None
    if _case_gone(compared):
        return None
    setters = _deleted(compared)
    if not setters:
        return _deciding(compared)
    if any(change.lost_elsewhere(e.value) for n in setters for op, e in n.events if op == "call"):
        return None
    setter = setters[0]
    if len(setters) > 1:
        told = [_shared(change, compared, each) for each in setters]
        return told[0] if None not in told else None
    found = (_read(compared, setter, what) for what in _set_by(compared, setter))
    return next((each for each in found if each is not None), None) or _shared(change, compared, setter)


def _case_gone(compared: Comparison) -> bool:
    """Whether a label of a switch is gone: what was set for it was for nothing else."""
    first = compared.before.source.start_line
    lines = enumerate(compared.before.text.splitlines(), first)
    return any(_CASE.match(line) for number, line in lines if number not in compared.lines)


def _deleted(compared: Comparison) -> list[Node]:
    """The one statement that is gone, with the test for its sake if there was one: none whose arm jumped elsewhere. Or
    those that are, if all set members of one object, one after the other.
    """
    gone = compared.gone
    found = [n for n in gone if n.kind in _STATEMENTS]
    if compared.fresh or not found or any(n.kind != "branch" and n.kind not in _STATEMENTS for n in gone):
        return []
    if any(forgets_the_compared(compared, n) for n in gone if n.kind == "branch"):
        return []
    if len(found) > 1:
        return found if len(gone) == len(found) <= _MOST and _of_one_object(found) else []
    inside = {n.id for n in gone} | {target.id for target, _ in found[0].succ}
    return found if all(target.id in inside for n in gone for target, _ in n.succ) else []


def _deciding(compared: Comparison) -> LeftUnset | None:
    """Of assignments to variables, if no more is gone, the one to a variable that a flush or a release hangs on."""
    gone = [n for n in compared.gone if n.kind in _STATEMENTS]
    plain = all(n.expr is not None and n.expr.kind == "assign" and n.expr.args[0].kind == "name" for n in gone)
    if compared.fresh or not gone or not plain or len(gone) > _MOST:
        return None
    after, tables = compared.after, compared.after.tables
    told = {n.expr.args[0].value: n for n in gone if n.expr is not None}
    order, hanging = reach(after), tables.flushes.keys() | tables.gives_resource.keys() | tables.drops.keys()
    for word in sorted(after.calls.keys() & hanging):
        for node, call in after.calls[word]:
            test = order.innermost(node)[0]
            name = bare(test.expr).value if test is not None and test.expr is not None else ""
            known = name in told and name in local_names(after) and name not in {arg.root for arg in call.args}
            found = _read(compared, told[name], name) if known else None
            if found is not None:
                return replace(found, hanging=word)
    return None


def _of_one_object(nodes: list[Node]) -> bool:
    """Whether statements that follow each other set a member each, of the same object."""
    targets = [n.expr.args[0] for n in nodes if n.expr is not None and n.expr.kind == "assign"]
    follow = all(b in [t for t, _ in a.succ] for a, b in pairwise(nodes))
    owners = {to.args[0].key for to in targets if to.kind == "field"}
    return follow and len(targets) == len(nodes) and all(to.kind == "field" for to in targets) and len(owners) == 1


def _set_by(compared: Comparison, node: Node) -> Iterator[str]:
    """The local variables that a statement sets, or fills by their address."""
    known = local_names(compared.before) | frozenset(compared.before.params)
    for op, expr in node.events:
        if op != "call":
            if expr.args[0].kind == "name" and expr.args[0].value in known and not _again(compared.before, node, expr):
                yield expr.args[0].key
        elif node.expr is expr and not tells(expr.value) and not keeps_count(expr.value):
            yield from (name for arg in expr.args if (name := _filled(compared.before, arg)))


def _filled(function: Function, arg: Expr) -> str:
    """The local variable that a call may fill: one whose address it gets, or an array."""
    name = arg.args[0].key if arg.kind == "unary" and arg.value == "&" else arg.key
    if name not in local_names(function):
        return ""
    return name if name != arg.key or _OBJECT.search(declared_types(function).get(name, "")) else ""


def _again(function: Function, node: Node, expr: Expr) -> bool:
    """Whether the variable has that very constant already, whichever way control comes."""
    target, value = expr.args[0].key, expr.args[1].key if len(expr.args) > 1 else ""
    if not _CONSTANT.match(value):
        return False
    around = graph.before([node], lambda n: n is not node and n.sets(target))
    values = {
        e.args[1].key if len(e.args) > 1 and e.value == "=" else ""
        for n in function.cfg.order
        if n.id in around and n is not node
        for op, e in n.events
        if op != "call" and e.args[0].key == target
    }
    return values <= {value}


def _read(compared: Comparison, setter: Node, what: str) -> LeftUnset | None:
    """The first statement that reads what the deleted one set, and that nothing else sets it for now."""
    function = compared.before
    filled = not any(op != "call" and e.args[0].key == what for op, e in setter.events)
    if filled and any(_names(n, what) for n in _ahead(function, setter)):
        return None
    reached = graph.after([t for t, _ in setter.succ], lambda n: n.sets(what) or (filled and _fills(function, n, what)))
    readers = (n for n in function.cfg.order if n.id in reached and n is not setter and _uses(n, what, filled))
    places = {(n.line, n.expr.key): n for n in compared.after.cfg.order if n.expr is not None}
    there = (places.get((compared.lines.get(n.line, 0), n.expr.key)) for n in readers if n.expr is not None)
    return next((LeftUnset(what, setter, node) for node in there if node is not None), None)


def _shared(change: FunctionChange, compared: Comparison, setter: Node) -> LeftUnset | None:
    """What a parameter points to, a member of a page, vma or the like, or, in mm, any or a variable of the file; but no
    statistics.
    """
    place = compared.behind(setter)
    for op, expr in setter.events if place is not None else ():
        if op == "call":
            continue
        target = expr.args[0]
        handed = target.kind == "unary" and target.value == "*" and target.args[0].key in compared.before.params
        name = target.value if target.kind == "field" else target.root
        known = target.kind != "name" or name not in local_names(compared.before) | frozenset(compared.before.params)
        about = target.kind == "field" and OURS.match(declared_types(compared.before).get(target.root, ""))
        home = compared.before.path.startswith(HOME) and known and target.root
        ours = (about or home) and not keeps_count(name)
        if not (handed or ours) or change.lost_elsewhere(name) or name in change.patch.dropped_members:
            continue
        others = [n for n in compared.before.cfg.order if n.sets(target.key) and n is not setter]
        if place is not None and (not others or (handed and _alone(compared.before, setter, others))):
            return LeftUnset(target.key, setter, place, shared=True)
    return None


def _alone(function: Function, setter: Node, others: list[Node]) -> bool:
    """Whether some way through the function comes by one setter of a constant and by none of the others."""
    constant = setter.expr is not None and setter.expr.value == "=" and _CONSTANT.match(setter.expr.args[1].key)
    cfg, stop = function.cfg, others.__contains__
    ahead, until = graph.after([t for t, _ in setter.succ], stop), graph.after([cfg.entry], stop)
    return bool(constant) and setter.id in until and cfg.exit.id in ahead


def _ahead(function: Function, node: Node) -> Iterator[Node]:
    around = graph.before([node])
    return (n for n in function.cfg.order if n.id in around and n is not node and n.kind != "decl")


def _names(node: Node, name: str) -> bool:
    return node.expr is not None and name in node.expr.names()


def _fills(function: Function, node: Node, what: str) -> bool:
    """Whether a call may set the variable as well."""
    return any(_filled(function, arg) == what for op, call in node.events if op == "call" for arg in call.args)


def _uses(node: Node, what: str, filled: bool) -> bool:
    if node.expr is None:
        return False
    return reads(node, what) or (filled and any(e.kind == "field" and e.root == what for e in node.expr.walk()))
