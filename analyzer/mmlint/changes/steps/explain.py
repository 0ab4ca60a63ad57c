"""What a patch makes of a function, and which steps it is believed to have lost, for people who doubt a finding."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.steps.removal import losses
from mmlint.facts.views.explain import describe


def left(change: FunctionChange) -> str:
    """What the analysis knows of a function as the patch leaves it."""
    if change.after is None:
        return f"{change.name}  {change.file.path}: the patch takes it away\n"
    return "\n".join(describe(change.after)) + "\n"


def lost_steps(change: FunctionChange) -> str:
    """A change for people who doubt a finding: which step of before became which of after, what is left over on either
    side, and what was judged to be lost.
    """
    compared = comparison(change)
    if compared is None:
        return f"{change.file.path} {change.name}: one side only\n"
    steps = compared.before.tables.steps
    words = {act.word for act in (*compared.old, *compared.new)}
    speaks = {word for word in words if steps.done_by(word) or steps.guarding(word)}
    head = f"{change.file.path} {change.name}: "
    lines = [f"{head}line before, line after, step"]
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if act.word in speaks and id(act) not in compared.still:
            lines.append(f"  {act.line:>6} {now.line if now else '-':>6}  {act.expr.key[:80]}")
    lines += [f"  {'-':>6} {act.line:>6}  {act.expr.key[:80]}" for act in compared.added if act.word in speaks]
    for loss in losses(change):
        sink = f"{loss.sink.word} (line {loss.sink.line})"
        lines.append(f"  lost: {loss.row.name}: {loss.step.word} {loss.how}, {sink} stands without it")
    if len(lines) == 1:
        return f"{head}no protocol step changes; without --steps its locks and sleeping calls are shown\n"
    return "\n".join(lines) + "\n"
