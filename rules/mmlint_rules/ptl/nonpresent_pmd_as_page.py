"""PTL115 nonpresent-pmd-as-page: a locked huge PMD is turned into its page without a test that it is present.

## What it does
`pmd_trans_huge_lock()` also succeeds for a PMD that is a migration entry. Reports `pmd_page()`, `pmd_folio()`,
`pmd_pfn()` behind it on a way on which no test tells the two apart.

## Why it matters
The bits of a migration entry read as a page frame number name some other page, or none.

## Bad
```c
ptl = pmd_trans_huge_lock(pmd, vma);
if (ptl)
        folio = pmd_folio(*pmd);
```

## Good
```c
if (ptl && pmd_present(*pmd))
        folio = pmd_folio(*pmd);
```

## Limits
Any test of the kind of an entry counts, not only one of this PMD. Conversions inside a callee are not seen.

## Sources
Review practice RR-9, RR-10.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.entries import nonpresent_as_page
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM10


def check(function: Function) -> Iterator[Hit]:
    """Report each place once for the call that takes the lock."""
    for found in nonpresent_as_page(function):
        yield function.hit(
            found.use,
            f"`{found.use.value}` on a PMD that may be a migration entry: no test since `{found.taken.value}`",
            steps=(function.step(found.taken.line, "succeeds for migration entries too"),),
            anchor=f"{found.use.key} after {found.taken.value}",
        )


RULE = Rule(
    code="PTL115",
    name="nonpresent-pmd-as-page",
    summary="a locked huge PMD is turned into its page without a test that it is present",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(nonpresent_as_page,),
    tokens=("pmd_trans_huge_lock", "__pmd_trans_huge_lock"),
    check=check,
    scenario=HM10,
)
