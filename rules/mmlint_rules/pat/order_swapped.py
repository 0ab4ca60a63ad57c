"""PAT113 order-swapped: two steps whose order matters are swapped.

## What it does
Compares each function before and after the patch. Two steps that the step tables put in an order (the flush before the
unlock, the contents before the entry, the check before the write-protect, the lock before the recheck, the unlock of a
folio before its put) are both still there, and the second now comes first on every path with both. So are a test for
NULL, for an error pointer or for an index out of bounds and the use that it kept safe; and a lock and the question
asked under it that sends back to try again (`-EAGAIN`), or that is about an entry which the lock guards.

## Why it matters
Each of them is right and there, so nothing is missing to the eye. A flush after the unlock leaves a moment in which
another CPU uses the old translation of a page that is free; an entry that is set before its page is filled shows what
the page held before.

## Bad
```diff
-flush_tlb_range(vma, addr, end);
 pte_unmap_unlock(ptep, ptl);
+flush_tlb_range(vma, addr, end);
```

## Good
```diff
-add_mm_counter(mm, MM_ANONPAGES, -nr);
 flush_tlb_range(vma, addr, end);
+add_mm_counter(mm, MM_ANONPAGES, -nr);
 pte_unmap_unlock(ptep, ptl);
```

## Limits
Only orders that the step tables name are judged, and those of a test and a use of the same value: all other reordering
is silent. A step that is done a second time at the old place keeps the order, unless a way that the patch parts
from the others does the other one first. A callee counts as a use if it is in the tree, looks into what it gets and
does not ask.

## Sources
Documentation/core-api/cachetlb.rst; eb66ae030829 (mremap); mm/memory.c pmd_install; digest-001-004 R-MG1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.askedfirst import asked_first
from mmlint.changes.questions.askedlate import asked_late
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ERRP1, FG9, HM6, RETRY1

from mmlint_rules.pat.lost import cut, reporter

_steps = reporter("PAT113")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the steps that are swapped, and the uses that come before their test."""
    swapped = list(_steps(change))
    yield from swapped
    after = change.after
    for late in asked_late(change):
        assert after is not None
        message = f"`{cut(late.what)}` is used here before it is tested"
        steps = (after.step(late.test.line, "this comes behind the use now"),)
        hit = after.hit(late.use, message, steps=steps, anchor=f"late {late.what}")
        yield replace(hit, scenario=FG9 if late.bound else ERRP1)
    early = asked_first(change) if not swapped else None
    if early is not None and after is not None:
        message = f"`{early.question.word}` was asked under `{cut(early.lock)}`, which is taken behind it now"
        steps = (after.step(early.take.line, "the lock is taken here now"),)
        hit = after.hit(early.question.expr, message, steps=steps, anchor=f"early {early.question.key}")
        yield replace(hit, scenario=RETRY1)


RULE = Rule(
    code="PAT113",
    name="order-swapped",
    summary="two steps whose order matters are swapped",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=HM6,
    partial=True,
)
