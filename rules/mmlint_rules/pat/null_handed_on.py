"""PAT127 null-handed-on: a patch hands a pointer that may be NULL to a helper that looks into it.

## What it does
Looks at the calls that a patch adds. Where a branch of the function found a pointer (a variable or a member) to be
NULL, and on that way, with nothing given to it since, the call gets it, and the helper's first lines read a member of
it without a question, the call is reported. So is a parameter that the function asked whether it is NULL, and no longer
does, where it is looked into, here or below, and a caller passes what a function gives that may give NULL; and a
variable that such a function fills, looked into with no question left, or on a way that none lies on any more, or asked
for by what the call puts through an argument; and a member that the tables know to be NULL in some objects (the mm of a
task, the file of a vma). So is the variable of a walk that is looked into where the walk has come to its end.

## Why it matters
`kfree(NULL)` and most puts do nothing, and error ways rely on it. The helper that takes their place often does not: the
exit for "no memory" then ends in an oops. So does the line added behind an `if (ctx->queue)` that only asks for one
call.

## Bad
```diff
        if (ctx->queue)
                queue_scrub(ctx->queue);
+	queue_close(ctx->queue);
```

## Good
```diff
+	if (ctx->queue)
+		queue_close(ctx->queue);
```

## Limits
The helper must be in the tree, or whole in the patch. Only what its straight beginning reads counts.

## Sources
Reviewer-found bugs on the lists: a queue closed that was never set up, a buffer freed by a helper that reads its size.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.nullasked import unasked_null
from mmlint.changes.questions.nullgap import null_gaps
from mmlint.changes.questions.nullways import handed_null
from mmlint.changes.questions.optional import unasked_member
from mmlint.changes.questions.othersanswer import by_other_answer
from mmlint.changes.questions.pastwalk import past_walk
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ERRP1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each added call that gets a pointer known to be NULL."""
    after = change.after
    for found in handed_null(change):
        if after is None:
            continue
        message = f"`{found.call.value}` gets `{found.pointer}`, which is NULL on one way, and looks into it"
        steps = (after.step(found.test.line, f"here `{found.pointer}` may be NULL"),)
        yield after.hit(found.call, message, steps=steps, anchor=f"null {found.call.value} {found.pointer}")
    for unasked in (*unasked_null(change), *null_gaps(change), *by_other_answer(change)):
        assert after is not None
        giver = unasked.giver
        passed = (
            f"`{unasked.source}` gives it" if giver is after else f"`{giver.name}` passes what `{unasked.source}` gives"
        )
        steps = (giver.step(unasked.call.line, f"`{unasked.source}` gives NULL where there is nothing"),)
        message = f"`{unasked.pointer}` may be NULL: {passed}"
        yield after.hit(unasked.use, message, steps=steps, anchor=f"passed {unasked.pointer}")
    for past in past_walk(change):
        assert after is not None
        message = f"`{past.pointer}` points to nothing where the walk has come to its end"
        steps = (after.step(past.walk.line, "the walk may end here"),)
        yield after.hit(past.use, message, steps=steps, anchor=f"past {past.pointer}")
    bare = unasked_member(change)
    if bare is not None:
        assert after is not None
        message = f"`{cut(bare.member)}` is looked into here, and nothing asks any more whether it is NULL"
        severity = Severity.INFO if change.patch.mends else None
        yield after.hit(bare.use, message, severity=severity, anchor=f"member {bare.member}")


RULE = Rule(
    code="PAT127",
    name="null-handed-on",
    summary="a pointer that may be NULL is handed to a helper that looks into it",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    partial=True,
    scenario=ERRP1,
)
