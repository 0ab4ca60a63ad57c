"""GUP118 plain-entry-read: a lockless walk reads an entry by a plain dereference.

## What it does
Reports `pmd = *pmdp` (any level) in a walk without the page-table lock, where the value then goes down to the function
of the next level.

## Why it matters
Nothing keeps the entry as it is. The compiler may load it again for each use, so that the test sees one value and the
walk goes down by another, and where an entry is two words it may be read in halves of two values.

## Bad
```c
pmd_t pmd = *pmdp;
if (pmd_none(pmd))
        return 0;
return walk_ptes(pmd, addr, end, pages);
```

## Good
```c
pmd_t pmd = pmdp_get_lockless(pmdp);
```

## Limits
A walk counts as lockless if its lowest level reads entries by a lockless primitive and no level takes a page-table
lock. Walks that hand down pointers only are not judged. Silent on the whole of 6.1 and 6.12.

## Sources
mm/gup.c (READ_ONCE, pmdp_get_lockless at each level); digest of the ZONE_DEVICE reference thread, J16 and R-FG2.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.plainread import plain_reads
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG6


def check(function: Function) -> Iterator[Hit]:
    """Report each plain read of an entry by which the walk goes down."""
    for found in plain_reads(function):
        down = function.step(found.call.line, f"`{found.call.value}` walks on by this value, without a lock")
        yield function.hit(found.read, f"`{found.read.key}` is read plainly in a lockless walk", steps=(down,))


RULE = Rule(
    code="GUP118",
    name="plain-entry-read",
    summary="a lockless walk reads an entry by a plain dereference",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(plain_reads,),
    check=check,
    partial=True,
    tokens=("pte_t", "pmd_t", "pud_t", "p4d_t", "pgd_t"),
    shape=r"(?s)\A(?=.*\b(?:p(?:te|md|ud|4d|gd)p_get_lockless|gup_get_p\w+|READ_ONCE|ACCESS_ONCE)\b).*=\s*\(*\*",
    scenario=FG6,
)
