"""What a function undid when a step of its failed, or at its end, and that a patch takes away with nothing instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.about import target
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.owners.halves import halves
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, bare, negated
from mmlint.facts.telling import keeps_count, tells
from mmlint.frozen import dataclass

_YIELDS = re.compile(r"(^|_)(schedule|resched)(_|$)")
_FREES = re.compile(r"(^|_)k?v?free(_|d?$)|^free")
_STATUS = re.compile(r"^(\w*_)?(err|error|ret|rc|retval|result|status|res|r)$")
_MAY_FAIL = re.compile(r"(^|_)(killable|interruptible)(_|$)")
"""What answers an error where others that are named like it answer yes."""


@dataclass(frozen=True, slots=True)
class Undone:
    """`undo` (before the patch) took back what `step` (after it) does, and nothing does now."""

    undo: Act
    step: Act


def undone(change: FunctionChange) -> list[Undone]:
    """The first such call of a change; what is only done on failure, of one that adds no call of its own."""
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped:
        return []
    gone = [act for act in compared.removed if undoes(change, act)]
    halves = [found for act in gone for found in _partner(compared, act)]
    if not halves and not any(a.expr.kind == "call" for a in compared.added):
        gone = [act for act in compared.removed if undoes(change, act) or _left_elsewhere(change, compared, act)]
        halves = [found for act in gone for found in _on_failure(compared, act)]
    return halves[:1]


def _left_elsewhere(change: FunctionChange, compared: Comparison, act: Act) -> bool:
    """Whether the function makes the same call, untouched, on other ways only: other failures are still undone."""
    order = reach(compared.before)
    same = [other for other in compared.old if other.key == act.key and other is not act]
    still = bool(same) and all(id(o) in compared.still and not order.together(o.node, act.node) for o in same)
    lock = act.word in compared.before.tables.drops
    return has_effect(act) and still and not lock and not change.lost_elsewhere(act.word)


def undoes(change: FunctionChange, act: Act) -> bool:
    """Whether an act is a call for its effect, which the patch makes nowhere else."""
    return has_effect(act) and act.word not in change.patch.spoken


def has_effect(act: Act) -> bool:
    """Whether an act is a call for what it does to what others see: no message, no count, no plain memory freed."""
    return acts_alone(act) and not frees(act.word)


def frees(name: str) -> bool:
    """Whether a function of this name frees plain memory."""
    return _FREES.search(name) is not None


def acts_alone(act: Act) -> bool:
    """Whether an act is a call that is a statement of its own, and no message, count or yielding."""
    plain = act.expr.kind == "call" and act.use == "bare" and act.word == act.expr.value
    said = tells(act.word) or keeps_count(act.word) or (act.word.isupper() and not act.word.startswith("INIT_"))
    return plain and not (said or _YIELDS.search(act.word))


def _on_failure(compared: Comparison, act: Act) -> Iterator[Undone]:
    """The step on whose failure alone the call was made, about something that it had got."""
    order = reach(compared.before)
    for step in compared.old:
        now = compared.pairs.get(id(step))
        if now is None or step.expr.kind != "call" or not step.tests or not order.before(step.node, act.node):
            continue
        if act.word in compared.before.tables.takes:
            return  # a lock that was given up for a while
        asked = (t for t in step.tests if order.dominates(t, act.node))
        if any(_failed(test, order.chosen(test, act.node), step) for test in asked) and _about(compared, act):
            if not _always_done(compared, act, now):
                yield Undone(act, now)
            return


def _always_done(compared: Comparison, act: Act, step: Act) -> bool:
    """Whether the same call is made behind a step now, before anything depends on what the step said."""
    order = reach(compared.after)
    return any(
        other.key == act.key
        and other.node is not step.node
        and order.dominates(step.node, other.node)
        and all(order.chosen(test, other.node) is None for test in step.tests if test.line <= other.line)
        for other in compared.new
    )


def _failed(test: Node, outcome: bool | None, step: Act) -> bool:
    """Whether one outcome of a test says that a call which answers 0 or an error failed."""
    if outcome is None or test.expr is None:
        return False
    asked = bare(test.expr)
    if asked.kind == "binary" and asked.value in ("<", "!=") and asked.args[1].key == "0":
        asked = asked.args[0]
    kept = asked.key in target(step) and _STATUS.match(asked.key) is not None
    return (kept or (asked is step.expr and _MAY_FAIL.search(step.word) is not None)) and outcome is not negated(
        test.expr
    )


def _about(compared: Comparison, act: Act) -> bool:
    """Whether a call before it, that stays, is about the same thing."""
    order = reach(compared.before)
    return any(
        other.expr.kind == "call"
        and id(other) in compared.pairs
        and act.names & other.names
        and order.before(other.node, act.node)
        for other in compared.old
    )


def _partner(compared: Comparison, act: Act) -> Iterator[Undone]:
    """The call of which the act is the other half by its name, with the same first argument."""
    order = reach(compared.before)
    if any(a.expr.kind == "call" and a.names & act.names for a in compared.added):
        return  # which may do it as well
    for other in compared.old:
        now = compared.pairs.get(id(other))
        if now is None or now.word != other.word or not order.before(other.node, act.node):
            continue
        same = [a.key for a in other.expr.args[:1]] == [a.key for a in act.expr.args[:1]]
        if same and halves(other.word, act.word):
            yield Undone(act, now)
            return
