"""PAT126 test-inverted: a test asks what it asked before, and its answers lead the other way.

## What it does
Compares each function before and after the patch. A condition is still there with its negation lost or gained, and all
that stood on one side of it, untouched by the patch, now stands on the other; or the result of a function that answers
yes or no is the opposite of what it was, with no caller changed.

## Why it matters
One character. `return vma->vm_flags & VM_SOFTDIRTY` where the flag means that tracking is off makes every writable
entry escape the tracking, and nothing else changes.

## Bad
```diff
-	return !(vma->vm_flags & VM_SOFTDIRTY);
+	return vma->vm_flags & VM_SOFTDIRTY;
```

## Good
```diff
-	if (!folio_test_dirty(folio))
-		return 0;
-	write_back(folio);
+	if (folio_test_dirty(folio))
+		write_back(folio);
```

## Limits
Conditions that the patch changes alone of their text; silent where a function that calls this one changes too.

## Sources
include/linux/mm.h, mm/internal.h (predicates); review rules RR-63.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.change import FunctionChange
from mmlint.facts.inverted import inverted
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import SOFT1

from mmlint_rules.pat.lost import shown


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each test that is turned round."""
    after = change.after
    for found in inverted(change):
        assert after is not None
        assert found.now.expr is not None
        if found.act is None:
            message = f"`{after.name}` answers the opposite of what it did"
        else:
            message = f"{shown(found.act)} stands on the other side of this test now"
        steps = () if found.act is None else (after.step(found.act.line, "it is made for the other answer"),)
        yield after.hit(found.now.expr, message, steps=steps, anchor=f"inverted {found.now.expr.key}")


RULE = Rule(
    code="PAT126",
    name="test-inverted",
    summary="a test asks what it asked before, and its answers lead the other way",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=SOFT1,
)
