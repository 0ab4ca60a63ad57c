"""GUP117 one-walk-widened: a patch asks more callers for a writable entry in one walk of GUP and not in the other.

## What it does
GUP looks pages up by two walks, one under the page-table lock (`follow_page_pte`) and one without locks
(`gup_pte_range`). Both let a caller who writes have a page only if the entry is writable. A patch that adds a flag to
that test (FOLL_PIN beside FOLL_WRITE) in one of them is reported if the other has it nowhere.

## Why it matters
Both walks answer the same call: which one gives the page depends on timing. What one refuses in order to break COW
first, the other hands out as it is, still shared with a child.

## Bad
```diff
 follow_page_pte():
-if ((flags & FOLL_WRITE) && !can_follow_write_pte(pte, flags))
+if ((flags & (FOLL_WRITE | FOLL_PIN)) && !can_follow_write_pte(pte, flags))
 (nothing in gup_pte_range)
```

## Good
```diff
 follow_page_pte():
+if ((flags & (FOLL_WRITE | FOLL_PIN)) && !can_follow_write_pte(pte, flags))
 gup_pte_range():
+if (!pte_access_permitted(pte, flags & (FOLL_WRITE | FOLL_PIN)))
```

## Limits
One level that asks is enough for a walk; levels of one walk are held against each other by GUP109. By hunks alone the
other walk may not be shown, and may have had the test before: then the confidence is low.

## Sources
mm/gup.c; the two versions of enforced COW for FOLL_PIN of September 2020 (digest-000 C6, S25).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import PatchView
from mmlint.changes.weaker.walkmask import widened
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S25


def check(view: PatchView) -> Iterator[Hit]:
    """Report the first test of a walk that asks for more than the other walk does."""
    for found in widened(view):
        flags, function = " and ".join(f"`{flag}`" for flag in sorted(found.flags)), found.function
        asks = "has no such test" if found.shown else "is not in the patch"
        yield Hit(
            found.expr.line,
            f"{flags} asks for a writable entry in this walk, and the {found.other} walk {asks}",
            found.expr.column,
            anchor=f"{function.name} {found.expr.key}",
            path=function.path,
            confidence=None if found.shown else Confidence.LOW,
        )


RULE = Rule(
    code="GUP117",
    name="one-walk-widened",
    summary="a patch asks for a writable entry in one walk of GUP and not in the other",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    check_patch=check,
    partial=True,
    scenario=S25,
)
