"""Flags that a patch no longer adds or clears where a test asks for it, and flags that a call no longer gets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.otherwise import FLAG
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.pins.direction import WRITE, only_read
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, acts, bare
from mmlint.frozen import dataclass

_OVERRIDES = frozenset({"FOLL_FORCE"})
"""Without them a call is only refused more often."""


@dataclass(frozen=True, slots=True)
class Unflagged:
    """`variable` got `flag`, or lost it (`cleared`), where `test` (of before) held, and does not any more; it, or what
    was made of it there, is read at `reader` (of after). With no test it did so each time: a member, or a variable that
    begins with fewer flags now.
    """

    variable: str
    flag: str
    cleared: bool
    test: Node | None
    reader: Node


def unflagged(change: FunctionChange) -> list[Unflagged]:
    """The flags that went into a variable in an arm that is gone, where the patch does nothing new."""
    compared = comparison(change)
    if compared is None or change.patch.partial or any(a.expr.kind == "call" for a in compared.added):
        return []
    order = reach(compared.before)
    found = []
    for node in order.order:
        for target, flag, cleared in _written(node) if node.line not in compared.lines else ():
            test, outcome = order.innermost(node)
            gone = test is not None and outcome is not None and test.line not in compared.lines
            gone = gone and test is not None and not _asked_anew(compared, test)
            reader = _reader(compared, node, target) if gone and not _taken_away(change, flag) else None
            if test is not None and reader is not None:
                found.append(Unflagged(target.key, flag, cleared, test, reader))
    return found[:1] or list(_always(change, compared)) or list(_begun_with(change, compared))


def _always(change: FunctionChange, compared: Comparison) -> Iterator[Unflagged]:
    """The one flag that a member got each time, if no more than that is gone."""
    if change.patch.large or change.named_elsewhere or compared.added or len(compared.removed) != 1:
        return
    was = compared.removed[0].node
    place, after = compared.behind(was), compared.after
    for target, flag, cleared in _written(was):
        outer = target.kind == "field" and any(
            n.expr is not None and target.root in n.expr.names() for n in after.cfg.order
        )
        if place is not None and place.expr is not None and outer and not _taken_away(change, flag):
            yield Unflagged(target.key, flag, cleared, None, place)


def _begun_with(change: FunctionChange, compared: Comparison) -> Iterator[Unflagged]:
    """The one flag that a variable is given no more where it is set, if the patch changes no other statement."""
    if change.patch.large or change.named_elsewhere:
        return
    gone, fresh = compared.gone, compared.fresh
    was, now = (nodes[0].expr if len(nodes) == 1 else None for nodes in (gone, fresh))
    if was is None or now is None or not was.kind == now.kind == "assign" or was.args[0].key != now.args[0].key:
        return
    flag = _less(was.args[1], now.args[1])
    if flag and not _taken_away(change, flag) and flag not in compared.after.words:
        yield Unflagged(now.args[0].key, flag, False, None, fresh[0])


def _asked_anew(compared: Comparison, test: Node) -> bool:
    """Whether a branch that the patch adds asks for what the test did, alone or among other things."""
    asked = test.expr.names() if test.expr is not None else frozenset()
    fresh = (node.expr for node in compared.fresh if node.kind == "branch")
    return any(expr is not None and asked <= expr.names() for expr in fresh)


def fewer_passed(change: FunctionChange) -> list[tuple[Act, Act, str]]:
    """The calls that get one flag less in one argument, all else being as it was: before, after, the flag."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    changed = {other.name for other in change.patch.changes}
    found = []
    for act, now, was, new in compared.reworded():
        lost = _less(was, new) if act.word != "return" and act.word not in changed else ""
        if lost == WRITE and only_read(compared.after, now.expr):
            continue
        unnamed = lost not in compared.after.words or (new.kind == "binary" and new.value == "&")
        if lost and unnamed and not (_taken_away(change, lost) or _sets(compared, act, lost)):
            found.append((act, now, lost))
    return found if len(found) == 1 else []


def asked_for_others(change: FunctionChange) -> list[tuple[Act, str, str, str]]:
    """The calls that get a flag in other cases than before, by `rw == READ ? FLAG : 0`: the call after the patch, the
    flag, and what is asked for it before and after. The choice may be made where a local is declared.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    found = []
    for act, now, was, new in compared.reworded():
        old, fresh = _chosen_flag(compared.before, was), _chosen_flag(compared.after, new)
        if act.word != act.expr.value or old is None or fresh is None or old[0] != fresh[0]:
            continue
        if old[1].args[0].key == fresh[1].args[0].key and not _implied(old[1], fresh[1]):
            found.append((now, old[0], old[1].key, fresh[1].key))
    return found if len(found) == 1 else []


def _chosen_flag(function: Function, value: Expr) -> tuple[str, Expr] | None:
    """The flag that a value is if a comparison holds, and nothing else, with that comparison."""
    if value.kind == "cond":
        test, flag, other = bare(value.args[0]), value.args[1].key, value.args[2].key
        chosen = test if other == "0" and FLAG.match(flag) else None
    else:
        order = reach(function)
        sets = [(e.args[1].key, order.innermost(n)) for n in order.order for op, e in n.events if _gives(op, e, value)]
        flag, (branch, outcome) = max(sets, key=lambda each: bool(FLAG.match(each[0])), default=("", (None, None)))
        only = len(sets) == 2 and outcome is True and ("0", (branch, False)) in sets
        chosen = bare(branch.expr) if only and branch is not None and branch.expr is not None else None
    known = chosen is not None and chosen.kind == "binary" and chosen.value in ("==", "!=")
    return (flag, chosen) if chosen is not None and known else None


def _implied(was: Expr, now: Expr) -> bool:
    """Whether one comparison of a value with a constant holds wherever another one does."""
    return was.key == now.key or ((was.value, now.value) == ("==", "!=") and was.args[1].key != now.args[1].key)


def _gives(op: str, expr: Expr, variable: Expr) -> bool:
    return op == "assign" and variable.kind == "name" and expr.args[0].key == variable.key


def _sets(compared: Comparison, act: Act, flag: str) -> bool:
    """Whether the callee sets a flag itself, whatever it is handed."""
    callee = compared.after.program.resolve(act.word, compared.after.path)
    return callee is not None and any(each.word == f"set:{flag}" for each in acts(callee))


def _written(node: Node) -> Iterator[tuple[Expr, str, bool]]:
    """The variables and members that a statement adds one flag to, or clears one of."""
    for op, expr in node.events:
        value = expr.args[1] if op == "assign" and expr.value in ("|=", "&=") else None
        cleared = value is not None and expr.value == "&="
        if value is not None and cleared:
            value = value.args[0] if value.kind == "unary" and value.value == "~" else None
        if value is not None and _counts(value.key):
            yield expr.args[0], value.key, cleared


def _reader(compared: Comparison, node: Node, target: Expr) -> Node | None:
    """What reads the variable, or another that was set by it in the same arm, behind the place."""
    found = _read(compared, node, target)
    order = reach(compared.before)
    for other in order.order if found is None else ():
        expr = other.expr
        made = expr is not None and expr.kind == "assign" and _names(expr.args[1], target)
        if made and expr is not None and order.before(node, other) and order.innermost(other) == order.innermost(node):
            found = found or (_read(compared, other, expr.args[0]) if expr.args[0].key != target.key else None)
    return found


def _read(compared: Comparison, node: Node, target: Expr) -> Node | None:
    """What reads a variable behind the place, if the patch sets it nowhere."""
    if any(n.sets(target.key) for n in compared.after.cfg.order if n.line not in compared.standing):
        return None
    place, order = compared.behind(node), reach(compared.after)
    nodes = (n for n in order.order if place is not None and (n is place or order.before(place, n)))
    return next((n for n in nodes if n.expr is not None and not n.sets(target.key) and _names(n.expr, target)), None)


def _names(expr: Expr, target: Expr) -> bool:
    return any(e.key == target.key for e in expr.walk())


def _less(was: Expr, now: Expr) -> str:
    """The flag that a mask, or what selects the bits of a value, has lost, its last one too, or nothing."""
    if now.kind == "binary" and now.value == "&" and now.args[0].key == was.key and now.args[1].kind == "unary":
        flag = now.args[1].args[0].key if now.args[1].value == "~" else ""
        return flag if _counts(flag) else ""
    if was.kind == now.kind == "binary" and was.value == now.value == "&" and was.args[0].key == now.args[0].key:
        was, now = was.args[1], now.args[1]  # which bits of it are carried on
    had, left = _flags(was), _flags(now)
    if had is None or left is None or len(had - left) != 1 or not left < had:
        return ""
    flag = next(iter(had - left))
    return flag if _counts(flag) else ""


def _counts(flag: str) -> bool:
    return FLAG.match(flag) is not None and flag not in _OVERRIDES


def _flags(mask: Expr) -> frozenset[str] | None:
    """The members of a mask; None for anything but names joined by `|` and zero."""
    if mask.kind == "binary" and mask.value == "|":
        parts = [_flags(arg) for arg in mask.args]
        return None if None in parts else frozenset().union(*(part for part in parts if part is not None))
    if mask.key == "0":
        return frozenset()
    return frozenset({mask.key}) if mask.kind == "name" else None


def _taken_away(change: FunctionChange, flag: str) -> bool:
    """Whether the flag goes from, or to, other functions of the patch as well, or is defined no more."""
    defined = re.compile(rb"#\s*define\s+" + flag.encode() + rb"\b")
    if any(defined.search(file.before) and not defined.search(file.after) for file in change.patch.files):
        return True
    return change.lost_elsewhere(flag) or change.gained_elsewhere(flag)
