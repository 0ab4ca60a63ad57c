"""PAT133 exit-lost: an early exit is deleted, test and all, and nothing else.

## What it does
Compares each function before and after the patch. One test is gone with the return or jump that it led to, and that is
all that the patch does to the function, save that a variable which served the test goes with it. Who was turned away
there goes on now.

## Why it matters
What follows was written for those who got past. A vma that cannot be write-protected is write-protected, a page that is
no longer mapped is migrated, and nothing near the deleted lines looks wrong.

## Bad
```diff
-	if (args->flags & SCAN_PROTECT)
-		return SKIP;
        return scan(args, vma);
```

## Good
```diff
-	if (args->flags & SCAN_PROTECT)
-		return SKIP;
-	return scan(args, vma);
+	return args->flags & SCAN_PROTECT ? SKIP : scan(args, vma);
```

## Limits
Silent where another rule says more of the function; where all callers, a call behind the test, or a call before it ask
the same; where the exit only saved work, or kept a lock; for tests of what a variable holds. Told at info where the
changelog names what was asked, and in a patch that says what it mends (`Fixes:`).

## Sources
fs/proc/task_mmu.c pagemap_scan_test_walk; Documentation/process/submitting-patches.rst (Fixes:).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.exitgone import exit_gone
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import SOFT1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the exit that is gone."""
    found = exit_gone(change)
    if found is None or change.after is None:
        return
    quiet = change.patch.mends or change.patch.speaks_of(found.term)
    message = f"who was turned away by `{cut(found.term)}` goes on here now"
    yield change.after.hit(found.node, message, severity=Severity.INFO if quiet else None, anchor=f"exit {found.term}")


RULE = Rule(
    code="PAT133",
    name="exit-lost",
    summary="an early exit is deleted, test and all, and nothing else",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    last=True,
    by_steps=True,
    scenario=SOFT1,
)
