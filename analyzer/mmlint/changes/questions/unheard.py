"""Answers that a patch no longer listens to, and decisions that it no longer writes down.

A call that is still made said by its result, or in a variable that it was handed, what was to be done next; a variable
that is still read was set on one way and not on the others. After the patch the answer goes nowhere, the variable keeps
what it had.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts import graph
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names
from mmlint.facts.owners.halves import asks_for
from mmlint.facts.reach import Reach, reach
from mmlint.facts.steps import Act
from mmlint.facts.telling import tells
from mmlint.facts.values import EMPTY, evaluate, is_zero, refine
from mmlint.frozen import dataclass

_QUESTIONS = frozenset({"==", "!=", "<", ">", "<=", ">=", "!", "&", "&&", "||"})
_CONSTANT = re.compile(r"-?\d+$|true$|false$|NULL$")


@dataclass(frozen=True, slots=True)
class Unheard:
    """`call` is still made, what it says is not looked at any more; `where` is its result ("") or a variable."""

    call: Expr
    where: str


@dataclass(frozen=True, slots=True)
class Unwritten:
    """`variable` is not set to `value` any more on the way past `node`, and is read at `reader` all the same."""

    variable: str
    value: str
    node: Node
    reader: Node


def unheard(change: FunctionChange) -> list[Unheard]:
    """The answers of before that decided something, where the call has its counterpart."""
    compared = comparison(change)
    if compared is None:
        return []
    found = []
    void = compared.after.source.returns.split()[-1:] == ["void"] != compared.before.source.returns.split()[-1:]
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or act.expr.kind != "call" or now.expr.kind != "call" or act.word != act.expr.value:
            continue
        if void and _handed_out(compared, act):
            continue  # nobody is to learn of it any more
        if (
            act.use != "bare"
            and now.use == "bare"
            and _decided(compared, act)
            and _answers(change, compared.after, act)
        ):
            found.append(Unheard(now.expr, ""))
            continue
        if _kept_unread(compared, act, now) and _answers(change, compared.after, act):
            found.append(Unheard(now.expr, ""))
            continue
        for variable in _filled(act.expr) & _filled(now.expr):
            if (
                _deciding(compared, act, variable)
                and not _reads(compared.after, variable)
                and not _asked_by_other(compared, variable)
                and not _other_name(compared.after, variable)
            ):
                found.append(Unheard(now.expr, variable))
    return found


def decided(change: FunctionChange) -> list[tuple[Act, Expr, str]]:
    """The calls that were handed the answer to a question and are handed `true` or `false` now: the call after the
    patch, the question, and what it is told.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    changed = {other.name for other in change.patch.changes}
    found = [
        (now, was, told.key)
        for act, now, was, told in compared.reworded()
        if act.word not in changed and act.word == act.expr.value
        if told.key in ("true", "false") and (was.value in _QUESTIONS or _never_dirty(compared, act, was, told))
        if not _known_there(compared, now, was, told)
    ]
    return found if len(found) == 1 else []


def _never_dirty(compared: Comparison, act: Act, was: Expr, told: Expr) -> bool:
    """Whether a call that marks pages dirty where a variable or member says so is told not to."""
    mark = compared.before.tables.marks.get(act.word)
    return mark is not None and mark.what == "dirty" and told.key == "false" and was.kind in ("name", "field")


def _known_there(compared: Comparison, now: Act, was: Expr, told: Expr) -> bool:
    """Whether the tests that decide about the call tell that the question has the answer which it is told."""
    order = reach(compared.after)
    for test in (n for n in order.order if n.kind == "branch" and n.expr is not None):
        side = order.chosen(test, now.node)
        facts = refine(test.expr, side, EMPTY) if side is not None and test.expr is not None else None
        answer = is_zero(evaluate(was, facts)) if facts else None
        if answer is not None:
            return answer is (told.key == "false")
    return False


def _kept_unread(compared: Comparison, act: Act, now: Act) -> bool:
    """Whether a variable still keeps the result, which nothing reads any more before it keeps another."""
    keeper = target(act)
    if act.use != "value" or now.use != "value" or len(keeper) != 1 or keeper != target(now):
        return False
    gone = (test for test in act.tests if test.line not in compared.lines)
    if not any(asks_for(act.node, test) for test in gone) or not _decided(compared, act):
        return False
    name = next(iter(keeper))
    reached = graph.after([node for node, _ in now.node.succ], lambda n: n.sets(name))
    readers = (n for n in compared.after.cfg.order if n.id in reached and n.expr is not None)
    return not any(_read_in(n.expr, name) for n in readers if n.expr is not None)


def _handed_out(compared: Comparison, act: Act) -> bool:
    """Whether the result was what the function returned, at once or by a variable."""
    keeper = target(act)
    results = (a.expr.names() for a in compared.old if a.word == "return")
    return act.use == "return" or any(keeper & names for names in results)


def _asked_by_other(compared: Comparison, variable: str) -> bool:
    """Whether a call that the patch adds gets the variable's address: it may be the one that looks at it."""
    return any(act.expr.kind == "call" and variable in _filled(act.expr) for act in compared.added)


def _other_name(function: Function, variable: str) -> bool:
    """Whether a variable is but another name for the page of a folio, and the function goes on with the folio."""
    values = {canon(value) for value in assigned_values(function).get(variable, ())}
    known = (local_names(function) | set(function.params)) - {variable}
    return len(values) == 1 and values <= known and all(_reads(function, value) for value in values)


def _decided(compared: Comparison, act: Act) -> bool:
    """Whether something other than a message hung on the result."""
    if act.use == "return":
        return True
    order = reach(compared.before)
    return any(_matter(compared.old, order, test) for test in act.tests) or _handed_on(compared, act)


def _handed_on(compared: Comparison, act: Act) -> bool:
    """Whether a call was handed the result, and is handed something else in its place now."""
    keeper = target(act)
    return any(
        keeper & arg.names() and not keeper & new.names()
        for other in compared.old
        if other.expr.kind == "call" and other.use == "bare" and not tells(other.word)
        if other.word not in compared.before.tables.gives_resource
        if (now := compared.pairs.get(id(other))) is not None and now.word == other.word
        for arg, new in zip(other.expr.args, now.expr.args, strict=False)
    )


def _matter(acts: tuple[Act, ...], order: Reach, test: Node) -> bool:
    if order.ends(test, True) or order.ends(test, False):
        return False
    return any(
        order.chosen(test, act.node) is not None and not tells(act.word)
        for act in acts
        if act.expr.kind == "call" or act.word == "return"
    )


def _answers(change: FunctionChange, after: Function, act: Act) -> bool:
    """Whether the callee still has an answer, and one that must be heard if it is yes or no; a patch that changes the
    callee may have left it none.
    """
    if any(other.name == act.word for other in change.patch.changes):
        return False
    callee = after.program.resolve(act.word, after.path)
    if callee is None or callee.source.returns != "bool":
        return callee is None or callee.source.returns != "void"
    return b"__must_check" in callee.text.split(b"(", 1)[0]


def _filled(call: Expr) -> set[str]:
    """The local variables whose addresses a call gets."""
    return {
        arg.args[0].value
        for arg in call.args
        if arg.kind == "unary" and arg.value == "&" and arg.args[0].kind == "name"
    }


def _deciding(compared: Comparison, act: Act, variable: str) -> bool:
    order = reach(compared.before)
    return any(
        node.kind == "branch"
        and node.expr is not None
        and _read_in(node.expr, variable)
        and not any(call.value == act.word for call in node.expr.calls())
        and order.before(act.node, node)
        and _matter(compared.old, order, node)
        for node in order.order
    )


def _reads(function: Function, variable: str) -> bool:
    """Whether the variable is read: named other than as the target of an assignment or by its address."""
    return any(node.expr is not None and _read_in(node.expr, variable) for node in function.cfg.order)


def _read_in(e: Expr, variable: str) -> bool:
    if e.kind == "name":
        return e.value == variable
    if e.kind == "unary" and e.value == "&" and e.args[0].kind == "name":
        return False
    if e.kind == "assign" and e.value == "=" and e.args[0].kind == "name":
        return _read_in(e.args[1], variable)
    return any(_read_in(arg, variable) for arg in e.args)


def unwritten(change: FunctionChange) -> list[Unwritten]:
    """The constants that a flag was set to on one way and is not any more, or an out-parameter of the function."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    return list(_unwritten(compared))


def _unwritten(compared: Comparison) -> Iterator[Unwritten]:
    new = _settings(compared.after)
    old_order, order = reach(compared.before), reach(compared.after)
    still = {node.line for _, _, node in new}
    for variable, value, node in _settings(compared.before):
        now = compared.lines.get(node.line)
        if now in still or node.id not in old_order.rank or _set_anew(compared, variable):
            continue
        beside = _beside(compared, old_order, node)
        if beside is None or _lock_changed(compared, order, beside):
            continue
        if variable.startswith("*"):
            sets = [n for n in compared.after.cfg.order if _sets(n, variable) is not None]
            if variable[1:] in compared.after.params and not any(order.together(n, beside) for n in sets):
                yield Unwritten(variable, value, beside, beside)
            continue
        reader = _reader(compared.after, beside, variable)
        given = variable in compared.after.params
        if reader is not None and {_plain(each) for each in _others(beside, variable, given=given)} - {_plain(value)}:
            yield Unwritten(variable, value, beside, reader)


def _plain(constant: str) -> str:
    """A constant in one spelling: a flag that becomes a bool has the values of before."""
    return {"false": "0", "NULL": "0", "true": "1"}.get(constant, constant)


def _set_anew(compared: Comparison, variable: str) -> bool:
    """Whether the patch gives the variable a value that is worked out."""
    fresh = (n for n in compared.after.cfg.order if n.line not in compared.standing)
    return any(_sets(node, variable) == "" for node in fresh)


def _settings(function: Function) -> list[tuple[str, str, Node]]:
    """The constants that plain variables, and what parameters point to, are set to."""
    found = []
    for node in function.cfg.order:
        for op, expr in node.events:
            if op != "assign" or expr.value != "=" or not _CONSTANT.match(expr.args[1].key):
                continue
            target = expr.args[0]
            out = target.kind == "unary" and target.value == "*" and target.args[0].value in function.params
            if target.kind == "name" or out:
                found.append((target.key, expr.args[1].key, node))
    return found


def _beside(compared: Comparison, order: Reach, node: Node) -> Node | None:
    """What still stands on the same way: reached with the setting only, as it reached the setting only."""
    nearest, side = order.innermost(node)
    if nearest is None:
        return None
    for act in compared.old:
        there = compared.pairs.get(id(act))
        if there is not None and act.node is not node and order.chosen(nearest, act.node) is side:
            return there.node
    return None


def _lock_changed(compared: Comparison, order: Reach, beside: Node) -> bool:
    """Whether the patch takes or drops a lock on this way: what the variable told of is another then."""
    tables = compared.after.tables
    locks = (act for act in compared.added if act.word in tables.drops or act.word in tables.takes)
    return any(order.innermost(act.node) == order.innermost(beside) for act in locks)


def _sets(node: Node, variable: str) -> str | None:
    """What a node gives the variable: a constant's text, "" for anything else, None if it leaves it alone."""
    for op, expr in node.events:
        if op == "assign" and expr.args[0].key == variable:
            return expr.args[1].key if expr.value == "=" and _CONSTANT.match(expr.args[1].key) else ""
    return None


def _reader(function: Function, start: Node, variable: str) -> Node | None:
    """A branch that is reached with the variable as it is at `start`, and reads it."""
    reached = graph.after([target for target, _ in start.succ], lambda n: _sets(n, variable) is not None)
    return next(
        (
            n
            for n in function.cfg.order
            if n.id in reached and n.kind == "branch" and n.expr is not None and variable in n.expr.names()
        ),
        None,
    )


def _others(start: Node, variable: str, *, given: bool) -> set[str]:
    """What the variable may have at `start`: constants, or (`given`) what the caller handed in; nothing where it may
    have any value.
    """
    found: set[str] = set()
    seen, work = {start.id}, list(start.pred)
    while work:
        node = work.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        value = _sets(node, variable)
        if value == "":
            return set()
        if given and node.kind == "entry":
            found.add("what the caller gave")
        if value is None:
            work += node.pred
        else:
            found.add(value)
    return found
