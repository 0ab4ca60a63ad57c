"""MIG107 nested-page-locks: a folio lock is waited for while another folio is locked.

## What it does
Reports `folio_lock()` or `lock_page()` on a folio while the function holds the lock of another one.

## Why it matters
Two tasks that lock the same two folios in different order wait for each other for ever.

## Bad
```c
folio_lock(a);
folio_lock(b);
```

## Good
```c
folio_lock(a);
if (!folio_trylock(b))
        goto retry;
```

## Limits
Trylocks are exempt, and functions that call hugetlb helpers. A page that the function itself
allocated may be locked. That the order is fixed by address is not understood.

## Sources
Rule R-HM3; review practice RF-29; the HMM migration thread (HM3).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.order import nested_folio_locks
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM3


def check(function: Function) -> Iterator[Hit]:
    """Report each folio lock that is waited for under another one."""
    for found in nested_folio_locks(function):
        yield function.hit(
            found.call,
            f"`{found.call.value}` waits for a second folio lock under that of `{found.held.key}`",
            steps=(function.step(found.held.line, f"`{found.held.name}` locks `{found.held.key}`"),),
            anchor=f"{found.call.key} inside {found.held.key}",
        )


RULE = Rule(
    code="MIG107",
    name="nested-page-locks",
    summary="a folio lock is waited for while another folio is locked",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(nested_folio_locks,),
    tables=("takes",),
    check=check,
    scenario=HM3,
)
