"""PAT117 accumulation-lost: `|=` or `+=` became `=`, and what was gathered so far is overwritten.

## What it does
Compares the assignments of a function before and after the patch: one that added to a variable or field overwrites it
now, while a value other than zero is there on some path, from an earlier assignment or from the last turn of the loop.
A count of what is done that was the result where the next one failed, and that only the error is told instead of now,
is reported as well, and so is a count that the function tells and that goes up on fewer ways than before: what was
tested behind it decides about it now; so is one that a caller is handed and that is set only at the end now, behind
ways out that come after some were done.

## Why it matters
A count of pinned pages that is set anew in each round leaves all but the last round pinned. A flags word that is set
anew loses FOLL_LONGTERM, and the pin that is taken somewhere else with those flags is a short one.

## Bad
```diff
        user->gup_flags = FOLL_LONGTERM;
        if (writable)
-		user->gup_flags |= FOLL_WRITE;
+		user->gup_flags = FOLL_WRITE;
```

## Good
```diff
-	unsigned int flags = 0;
-	flags |= FOLL_WRITE;
+	unsigned int flags = FOLL_WRITE;
```

## Limits
Only where the left and right sides stay as they are. Values that come from a caller are not known.

## Sources
C11 6.5.16.2; mm/gup.c (flags and counts of pins).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.values.accumulate import less_often, overwritten, told_late, untold
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PIN1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each assignment that overwrites now."""
    after = change.after
    for found in overwritten(change):
        assert after is not None
        target = found.now.args[0].key
        message = f"`{target}` was added to by `{found.was}` and is overwritten now"
        step = after.step(found.earlier, "what is lost was put there")
        yield after.hit(found.now, message, steps=(step,), anchor=f"overwritten {target}")
    for lost in untold(change):
        assert after is not None
        message = f"`{lost.count}` is not told any more where `{lost.result.key}` is: what is done so far is lost"
        yield after.hit(lost.result, message, anchor=f"untold {lost.count}")
    for late in told_late(change):
        assert after is not None
        message = f"`{late.place}` does not tell here any more what is done so far: it is set behind this way out"
        yield after.hit(late.exit, message, anchor=f"late {late.place}")
    for less in less_often(change):
        assert after is not None
        message = f"`{less.count}` counted before this test, and now only on some ways behind it"
        yield after.hit(less.test, message, anchor=f"less often {less.count}")


RULE = Rule(
    code="PAT117",
    name="accumulation-lost",
    summary="an accumulating assignment became a plain one",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=PIN1,
    partial=True,
)
