"""PAT112 mark-removed: a mark on a page, folio or mm is gone.

## What it does
Compares each function before and after the patch. A page or folio was marked dirty, accessed, exclusive or uptodate, or
an mm as one that has had pins; the code around it is still there, the mark is not.

## Why it matters
A page that is not marked dirty is dropped with what was written to it; without the exclusive mark a pinned page is
copied on the next write; an mm that is not marked as having pins is forked as if there were none.

## Bad
```diff
 pteval = ptep_clear_flush(vma, addr, ptep);
-if (pte_dirty(pteval))
-	folio_mark_dirty(folio);
 folio_remove_rmap_pte(folio, page, vma);
```

## Good
```diff
 pteval = ptep_clear_flush(vma, addr, ptep);
-if (pte_dirty(pteval))
-	set_page_dirty(page);
+if (pte_dirty(pteval))
+	folio_mark_dirty(folio);
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count.

## Sources
Documentation/core-api/pin_user_pages.rst; include/linux/page-flags.h; mm/gup.c (`MMF_HAS_PINNED`); kernel/steps.toml.
"""

from __future__ import annotations

from mmlint.finding import Confidence, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import DIRTY1

from mmlint_rules.pat.lost import reporter

RULE = Rule(
    code="PAT112",
    name="mark-removed",
    summary="a mark on a page, folio or mm is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=reporter("PAT112"),
    by_steps=True,
    scenario=DIRTY1,
    partial=True,
)
