"""REF109 get-on-maybe-zero: a try_get of a page whose count may be zero becomes a plain get.

## What it does
Compares a function before and after a patch: a page on which the reference was tried (`folio_try_get`,
`get_page_unless_zero`) is now taken unconditionally (`get_page`, `folio_get`, `page_ref_inc`).

## Why it matters
A page found by PFN, through a page table without its lock, or in a cache without its lock may be free. A plain get
revives it: the allocator hands it out a second time.

## Bad
```c
-	if (!folio_try_get(folio))
-		return 0;
+	folio_get(folio);
```

## Good
```c
if (!folio_try_get(folio))
        return 0;
```

## Limits
Only what a patch changes: whether a page in front of a plain get may be free cannot be seen from the function alone.
A page that `vm_normal_page()` found is mapped while its lock is held: then it is a warning.

## Sources
commits f8be156be163 and 7c7b962938dd; digest-review-rules RR-40.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.assignments import assigned_values
from mmlint.facts.owners.owned import references
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZERO1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each plain get on a page that was tried before and is not tried any more."""
    before, after = change.before, change.after
    if before is None or after is None:
        return
    tried, still = references(before, "try"), references(after, "try")
    old, new = references(before, "inc"), references(after, "inc")
    for page, calls in new.items():
        lost = len(tried.get(page, ())) - len(still.get(page, ()))
        if lost > 0 and len(calls) > len(old.get(page, ())):
            was = tried[page][0].value
            message = f"`{calls[0].value}` takes `{page}` for granted where `{was}` allowed for a count of zero"
            sources = assigned_values(after).get(page, ())
            mapped = bool(sources) and all(source.value.startswith("vm_normal_") for source in sources)
            yield after.hit(
                calls[0],
                message,
                severity=Severity.WARNING if mapped else None,
                confidence=Confidence.MEDIUM if mapped else None,
            )


RULE = Rule(
    code="REF109",
    name="get-on-maybe-zero",
    summary="a try_get of a page whose count may be zero becomes a plain get",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(references,),
    compare=compare,
    partial=True,
    instead_of=("PAT114",),
    scenario=ZERO1,
)
