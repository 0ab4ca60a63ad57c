"""PTL110 notifier-range-unpaired: an MMU notifier invalidation is started and not ended on one way out.

## What it does
Reports a way out on which `mmu_notifier_invalidate_range_start()` (or a successful `_nonblock` form) has no
`mmu_notifier_invalidate_range_end()`.

## Why it matters
Secondary MMUs (KVM, RDMA ODP, GPUs) refuse to map anything in the range until the end comes:
their faults retry for ever.

## Bad
```c
mmu_notifier_invalidate_range_start(&range);
if (!pmd_present(*pmd))
        return -EFAULT;
```

## Good
```c
if (!pmd_present(*pmd)) {
        mmu_notifier_invalidate_range_end(&range);
        return -EFAULT;
}
```

## Limits
A start whose end stands in another function of the same file (`pre_vma`, `post_vma`) is right. Nothing is reported
on mm/ of 6.12 and 6.1.

## Sources
Review practice RR-24, RF-26, RF-39; include/linux/mmu_notifier.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.balance import left_held
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import NOTIF1

from mmlint_rules.ptl.imbalance import report


def check(function: Function) -> Iterator[Hit]:
    """Report invalidations that are not ended."""
    for left in left_held(function):
        if left.lock.kind == "notifier":
            yield report(function, left)


RULE = Rule(
    code="PTL110",
    name="notifier-range-unpaired",
    summary="an MMU notifier invalidation is started and not ended on one way out",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(left_held,),
    tokens=("mmu_notifier_invalidate_range_start", "mmu_notifier_invalidate_range_start_nonblock"),
    check=check,
    scenario=NOTIF1,
)
