"""GUP109 sibling-mask-mismatch: one level of a walk tests the caller's flags otherwise than the others.

## What it does
Takes the functions of a file that grab the page of an entry by the same helper (the PTE, PMD, PUD and PGD level of fast
GUP), and reports a level that leaves out a test of the caller's flags, or hands it another mask, where all of at
least two others agree.

## Why it matters
A permission that only the small pages check is no permission: whoever maps the range huge gets the page without it.

## Bad
```c
if (!pmd_access_permitted(orig, flags & FOLL_FORCE))
        return 0;
```

## Good
```c
if (!pmd_access_permitted(orig, flags & FOLL_WRITE))
        return 0;
```

## Limits
Tests are matched by name without the level, and only those that are handed the flags count. Silent on
6.12; on 6.1 it names gup_huge_pgd, which lacks gup_must_unshare, as was mended in 6.6.

## Sources
mm/gup.c; digest of the fork/COW thread, rule C6; review of the devmap tests in the ZONE_DEVICE reference thread.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.grabs import Odd, odd_tests
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S25


def check(function: Function) -> Iterator[Hit]:
    """Report each test in which this level differs from the others."""
    for odd in odd_tests(function):
        there = odd.sibling.step(odd.sibling.line, f"`{odd.sibling.name}` is a level of the same walk")
        yield function.hit(odd.grab.call, _says(odd), steps=(there,), anchor=f"{odd.grab.call.key} {odd.test}")


def _says(odd: Odd) -> str:
    if odd.own is None:
        return f"this level grabs the page without the `{odd.test}` test that the other levels make"
    masks = [" | ".join(sorted(mask)) or "flags" for mask in (odd.own, odd.mask)]
    return f"`{odd.test}` looks at `{masks[0]}` here, and at `{masks[1]}` in the other levels"


RULE = Rule(
    code="GUP109",
    name="sibling-mask-mismatch",
    summary="one level of a page-table walk tests the caller's flags otherwise than the others",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(odd_tests,),
    check=check,
    tokens=("pte_page", "pmd_page", "pud_page", "p4d_page", "pgd_page"),
    scenario=S25,
)
