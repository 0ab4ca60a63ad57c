"""Releases and marks that hang on another test than before a patch, though they and what they are about are the same;
and what a flag permitted.

Either a test that stood beside them decides about them now, or one that did is not asked any more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.about import operands, target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.needless import told_beside
from mmlint.changes.releases.whose import asks_whose
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.reach import Reach, once, reach
from mmlint.facts.steps import Act, plain, plain_null
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_ERROR = re.compile(r"^(r|ret|rc|err|error|retval)$|^IS_ERR|^[\w>.-]+ (<|<=) 0$|^unlikely")
_PERMITS = re.compile(r"flag:\w*(WRITE|_RW$|_W$|SHARED|PRIVATE|EXCL|DIRTY|PIN)")
"""Flags that say what may be done to a page, or whose it is."""
_ROLES = frozenset({"mark", "release"})
_NESTED = 8
"""How many tests around an act are looked at, from the inside."""
_KEPT_BITS = frozenset({"soft-dirty", "uffd-wp", "exclusive"})
"""Bits of an entry that are told nowhere else."""


@dataclass(frozen=True, slots=True)
class OtherWays:
    """`act` (of after) is done on one outcome of `test` only, and was done on both; or (`more`) the other way round,
    with `test` of before.
    """

    act: Act
    test: Node
    more: bool = False


def other_ways(change: FunctionChange) -> list[OtherWays]:
    """The first such act."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped:
        return []
    kinds = (_fewer, _more) if change.patch.mends else (_fewer, _more, _out_of_arm)
    found = next(([found] for each in kinds for found in each(compared)), [])
    return [each for each in found if not each.more or not _retired(change, each.test)]


def _retired(change: FunctionChange, test: Node) -> bool:
    """Whether a constant that a test asks for goes from another file of the patch."""
    constants = {name.encode() for name in test.expr.names() if name.isupper()} if test.expr is not None else set()
    others = [file for file in change.patch.files if file is not change.file]
    return any(name in file.before and name not in file.after for name in constants for file in others)


def _more(compared: Comparison) -> Iterator[OtherWays]:
    """A release, or a change of a bit of an entry, that some test which is gone kept from being made, on a way that is
    still there; or any call that one for a flag which permits it did.
    """
    old, new = reach(compared.before), reach(compared.after)
    asked = {plain(node) for node in new.order if node.kind == "branch"}
    spoken = compared.after.words
    switches = [sum(node.kind == "switch" for node in order.order) for order in (old, new)]
    flagged = {test.id for act in compared.old if _PERMITS.match(act.word) for test in act.tests}
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or act.expr.kind != "call":
            continue
        test, side = old.innermost(act.node)
        if (
            test is None
            or side is None
            or test.expr is None
            or plain(test) in asked
            or not (test.id in flagged or _changes_bit(compared, act) or given(compared.before, act.word, act.expr))
            or not _joins(old, test, side, act)
        ):
            continue
        asks = {name for name in test.expr.names() if not name.isupper()}
        whose = asks_whose(test.expr) and not asked_inside(compared.after, now, test)
        there = plain_null(test.expr)
        of_itself = (operands(act) & asks and not whose) or (there is not None and there.key in operands(act))
        if of_itself or not asks <= spoken or (test.expr.names() and not asks) or _taken_anew(compared, act):
            continue
        if told_beside(compared, test):
            continue
        if _block(old, test) != _block(new, now.node) or switches[0] != switches[1]:
            continue
        yield OtherWays(now, test, more=True)


def _out_of_arm(compared: Comparison) -> Iterator[OtherWays]:
    """A release of what the function did not take that stood in one of two arms, and is made behind both now."""
    old, new = reach(compared.before), reach(compared.after)
    tests, tests_now = (once(order, ("branch",), plain) for order in (old, new))
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or not given(compared.before, act.word, act.expr):
            continue
        if _taken_anew(compared, act) or taken_here(compared.before, act):
            continue
        for key, test in tests.items():
            side, there = old.chosen(test, act.node), tests_now.get(key)
            if side is None or there is None or key in operands(act) or new.chosen(there, now.node) is not None:
                continue
            if new.before(there, now.node) and _joins(old, test, side, act) and _busy(compared, test, not side, act):
                yield OtherWays(now, test, more=True)


def taken_here(function: Function, act: Act) -> bool:
    """Whether the function itself takes what an act gives up, or gives it a name."""
    takes, keys = function.tables.takes_resource, operands(act)
    calls = (call for name in takes.keys() & function.calls.keys() for _, call in function.calls[name])
    if any(keys & {arg.key for arg in call.args} for call in calls):
        return True
    values = (e for n in function.cfg.order for op, e in n.events if op == "assign" and e.args[0].key in keys)
    return any(value.args[1].key not in ("NULL", "0") for value in values)


def _busy(compared: Comparison, test: Node, side: bool, act: Act) -> bool:
    """Whether one side of a test does something of its own, still does after the patch, and gives nothing up."""
    order = reach(compared.before)
    alone = order.side(test, side) & ~order.side(test, not side)
    acts = [a for a in compared.old if alone >> order.rank[a.node.id] & 1]
    kept = any(alone >> order.rank[n.id] & 1 and n.line in compared.lines and n.events for n in order.order)
    return kept and not any(_made_up(compared.before, act, a) for a in acts)


def asked_inside(function: Function, act: Act, test: Node) -> bool:
    """Whether what is called asks for the flag or member itself."""
    callee = function.program.resolve(act.word, function.path)
    asked = (
        [e.value for e in test.expr.walk() if e.kind == "field" or e.value.isupper()] if test.expr is not None else []
    )
    return callee is not None and any(callee.has(word) for word in asked)


def _changes_bit(compared: Comparison, act: Act) -> bool:
    row = compared.before.tables.carries.get(act.word)
    return row is not None and row.op != "test" and not any(other.word == act.word for other in compared.added)


def _block(order: Reach, node: Node) -> tuple[str, bool | None]:
    """What decides whether control comes to a node, and how."""
    test, side = order.innermost(node)
    return (plain(test), side) if test is not None else ("", None)


def _joins(order: Reach, test: Node, side: bool, act: Act) -> bool:
    """Whether the way past the test goes on where the act's does: the test was not an early exit."""
    behind = act.node.succ[0][0] if len(act.node.succ) == 1 else None
    return behind is not None and bool(order.side(test, not side) >> order.rank[behind.id] & 1)


def _taken_anew(compared: Comparison, act: Act) -> bool:
    """Whether the patch takes the thing elsewhere, gives it up elsewhere, or brings another test before its release."""
    takes = compared.after.tables.takes_resource
    things = operands(act)
    changed = (*compared.added, *compared.removed)
    return any(
        things & (operands(other) | target(other))
        and (other.word in takes or bool(given(compared.after, other.word, other.expr)))
        for other in changed
        if other.expr.kind == "call"
    )


def _fewer(compared: Comparison) -> Iterator[OtherWays]:
    old, new, branches = reach(compared.before), reach(compared.after), _Branches(compared)
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or act.expr.kind != "call" or now.word != act.word or not _counts(compared.before, act):
            continue
        was, here, asked = act.node, now.node, frozenset[str]()
        for _ in range(_NESTED):
            inside, side = new.innermost(here)
            test = branches.of_before(inside) if inside is not None else None
            if inside is None or side is None or test is None or test is was:
                break
            gone = _exchanged(branches, old.innermost(was)[0], test)
            if _side_by_side(old, test, gone or was):
                about = asked if gone is None else asked | _asks(gone)
                if not about & _asks(test) and _left_out(compared, act, now, inside, side):
                    yield OtherWays(now, inside)
                break
            if old.innermost(was)[0] is not test:
                break
            was, here, asked = test, inside, asked | _asks(test)  # the tests that decided as before


def _exchanged(branches: _Branches, inside: Node | None, test: Node) -> Node | None:
    """The test that decided before, if the function makes it once less now, and another one decides."""
    if inside is None or inside is test or inside.kind != "branch":
        return None
    before, after = (len(side.get(plain(inside), ())) for side in (branches.old, branches.new))
    return inside if after < before else None


class _Branches:
    """The branches of both sides, by their text."""

    def __init__(self, compared: Comparison) -> None:
        self.compared = compared
        self.old, self.new = (_by_text(reach(side)) for side in (compared.before, compared.after))

    def of_before(self, test: Node) -> Node | None:
        """The branch of before that one of after was: on its line, or else the only one of the same text."""
        text, compared = plain(test), self.compared
        alike = self.old.get(text, [])
        here = [n for n in alike if compared.lines.get(n.line) == test.line]
        if here or test.line in compared.standing:
            return here[0] if len(here) == 1 else None
        return alike[0] if len(alike) == 1 and len(self.new[text]) == 1 else None


def _by_text(order: Reach) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = {}
    for node in order.order:
        if node.kind == "branch":
            found.setdefault(plain(node), []).append(node)
    return found


def _asks(test: Node) -> frozenset[str]:
    """What a test is about: two that share something may rule each other out."""
    return frozenset(name for name in test.expr.names() if not name.isupper()) if test.expr is not None else frozenset()


def _left_out(compared: Comparison, act: Act, now: Act, test: Node, side: bool) -> bool:
    """Whether what the other side of the test leaves out is missing there: nothing makes up for it."""
    order = reach(compared.after)
    if order.ends(test, not side) or test.expr is None:
        return False
    flushes = act.word in compared.before.tables.flushes
    if operands(act) & test.expr.names() and not flushes:
        return False
    if not given(compared.before, act.word, act.expr) and _ERROR.search(plain(test)):
        return False
    others = [a for a in compared.new if a is not now and order.chosen(test, a.node) is not side]
    if flushes and not _flushed_for(compared, now, test, side):
        return False
    return not any(_made_up(compared.after, act, other) for other in others)


def _flushed_for(compared: Comparison, flush: Act, test: Node, side: bool) -> bool:
    """Whether both sides of a test call the same function, about what is flushed on one side only behind it."""
    order, things = reach(compared.after), operands(flush)
    calls = [a for a in compared.new if a.expr.kind == "call" and a.use == "bare" and things & operands(a)]
    mine = {a.word for a in calls if order.chosen(test, a.node) is side and order.before(a.node, flush.node)}
    return any(a.word in mine and order.chosen(test, a.node) is (not side) for a in calls)


def _counts(function: Function, act: Act) -> bool:
    """Whether leaving the act out on some way matters: it gives something up, flushes, ends a notifier's range, puts a
    bit into an entry that nothing else tells of, or is a mark of the step tables.
    """
    flush, carry = function.tables.flushes.get(act.word), function.tables.carries.get(act.word)
    if given(function, act.word, act.expr) or (flush is not None and flush.sync and not flush.clears):
        return True
    if carry is not None and carry.op == "set" and carry.bit in _KEPT_BITS:
        return True
    notifier = function.tables.notifiers.get(act.word)
    if notifier is not None and notifier.role == "end":
        return True
    return any(row.role in _ROLES for row in function.tables.steps.done_by(act.word))


def _side_by_side(order: Reach, test: Node, node: Node) -> bool:
    """Whether both stand in the same block, and neither decides whether control comes to the other."""
    if any(test in edge for edge in order.back) or order.innermost(test) != order.innermost(node):
        return False
    return order.follows(test, node) or order.dominates(node, test)


def _made_up(function: Function, act: Act, other: Act) -> bool:
    """Whether another act does the same or gives the same thing up, at once or by a function that it names."""
    if other.word == act.word and operands(act) & other.names:
        return True
    if other.expr.kind != "call" or not operands(act) & {arg.root for arg in other.expr.args}:
        return False
    named = (f for word in other.expr.names() for f in function.program.named(function.path, word))
    if any(f is not function and f.has(act.word) for f in named):
        return True
    if not operands(act) & operands(other):
        return False
    return bool(given(function, other.word, other.expr))
