"""How a lost protocol step is told: shared by the rules that compare a function before and after a patch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.loss import Loss
from mmlint.changes.releases.lifediff import settled
from mmlint.changes.steps.removal import losses
from mmlint.facts.steps import Act
from mmlint.finding import Hit, Severity
from mmlint.sim.scenarios import find

_MAX_HITS = 6
_MAX_KEY = 48


def reporter(code: str) -> Callable[[FunctionChange], Iterator[Hit]]:
    """The `compare` of one rule."""

    def compare(change: FunctionChange) -> Iterator[Hit]:
        found = [loss for loss in losses(change) if rule_of(loss) == code and not _settled(change, loss)]
        for loss in found[:_MAX_HITS]:
            yield hit(change, loss)

    return compare


def _settled(change: FunctionChange, loss: Loss) -> bool:
    """Whether a release that is gone is accounted for by what becomes of its thing, or came to stand elsewhere."""
    if loss.row.role != "release" or loss.how not in ("removed", "gone"):
        return False
    compared = comparison(change)
    fresh = () if compared is None else (a for a in compared.new if id(a) not in compared.still)
    moved = loss.how == "gone" and any(a.word == loss.step.word for a in fresh)
    return moved or settled(change, loss.step.expr)


def rule_of(loss: Loss) -> str:
    """The rule that reports a loss: a step that only moved is a matter of order."""
    return "PAT113" if loss.how == "order" else loss.row.rule


def hit(change: FunctionChange, loss: Loss) -> Hit:
    """A loss as a hit at the sink that stands without it now; its scenario is the one that breaks without the step."""
    after = change.after
    assert after is not None
    steps = [after.step(loss.sink.line, f"{shown(loss.sink)} stands without it")]
    if loss.now is not None:
        steps.insert(0, after.step(loss.now.line, f"{shown(loss.now)} is here now"))
    scenario = find(loss.row.scenario) if loss.row.scenario else None
    decided = not loss.firm and loss.how in ("removed", "gone") and change.converts(loss.step.word)
    found = after.hit(
        loss.sink.expr,
        _message(loss),
        steps=tuple(steps),
        severity=None if scenario is not None and not decided else Severity.INFO,
        anchor=f"{loss.how} {loss.row.name} {loss.step.key} {loss.sink.word}",
    )
    return replace(found, scenario=scenario)


def shown(act: Act) -> str:
    """An act in words: a call by its name, a comparison by its text."""
    word, key = act.word, act.expr.key
    if word == "field:null":
        return f"the NULL test of `{cut(key.removesuffix(' == NULL').removesuffix(' != NULL'))}`"
    if word.startswith(("compare:", "field:")):
        return f"the comparison `{cut(key)}`"
    if word.startswith("read:"):
        return f"the reading of `{word.removeprefix('read:')}`"
    if word.startswith("set:"):
        return f"setting `{word.removeprefix('set:')}`"
    if word.startswith("clear:"):
        return f"clearing `{word.removeprefix('clear:')}`"
    if word.startswith("is:"):
        return f"the test of `{key}`"
    if word.startswith("flag:"):
        return f"the test of `{word.removeprefix('flag:')}`"
    if word == "return":
        return f"the result `{cut(key)}`"
    return f"`{word.removeprefix('ptl:')}`"


def cut(text: str) -> str:
    """The beginning of a text that is too long for a message."""
    return text if len(text) <= _MAX_KEY else text[: _MAX_KEY - 3] + "..."


def _message(loss: Loss) -> str:
    step, sink, row = shown(loss.step), shown(loss.sink), loss.row
    if loss.how == "order":
        side = "before" if row.side == "before" else "after"
        other = "after" if side == "before" else "before"
        return f"{step} stood {side} {sink} and now comes {other} it"
    if loss.how == "gone":
        return f"{step} is gone from here"
    if loss.how == "ignored":
        return f"{sink} no longer depends on {step}"
    if row.role == "check":
        return f"{step} no longer guards {sink}" if row.side == "before" else f"{step} no longer follows {sink}"
    if row.role == "release":
        return f"{step} is gone, what {sink} takes is still taken"
    return f"{step} is gone {'after' if row.side == 'after' else 'before'} {sink}"
