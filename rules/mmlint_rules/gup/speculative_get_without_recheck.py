"""GUP106 speculative-get-without-recheck: a lockless walk takes the page of an entry and does not look again.

## What it does
Takes each walker that reads entries without the page-table lock and tries to take a reference on the page that an
entry leads to, and reports the try if a successful way never compares the entry with what stands in the table now.

## Why it matters
Between the read of the entry and the reference the page can be unmapped, freed and given to somebody else: the walker
then hands out a page that this address never mapped.

## Bad
```c
pte_t pte = ptep_get_lockless(ptep);
page = pte_page(pte);
if (!folio_try_get(page_folio(page)))
        return 0;
pages[*nr] = page;
```

## Good
```c
if (!folio_try_get(folio))
        return 0;
if (pte_val(pte) != pte_val(ptep_get(ptep))) {
        folio_put(folio);
        return 0;
}
```

## Limits
The try must be on the page itself, in the tables or in a helper of the file; a walk whose caller compares afterwards is
reported as well. Silent on mm/ of 6.1 and 6.12, where fast GUP looks again at every level.

## Sources
mm/gup.c, gup_fast_pte_range; digest of the ZONE_DEVICE reference thread, rule R-FG5.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.grabs import unchecked
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG5


def check(function: Function) -> Iterator[Hit]:
    """Report each try after which the entry is not compared again."""
    for grab in unchecked(function):
        entry = function.step(grab.entry.line, f"the page comes from `{grab.entry.key}`")
        yield function.hit(
            grab.call, f"`{grab.call.value}` is not followed by a second look at `{grab.entry.key}`", steps=(entry,)
        )


RULE = Rule(
    code="GUP106",
    name="speculative-get-without-recheck",
    summary="a lockless walk takes the page of an entry and does not compare the entry again",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unchecked,),
    check=check,
    tokens=("pte_page", "pmd_page", "pud_page", "p4d_page", "pgd_page"),
    scenario=FG5,
)
