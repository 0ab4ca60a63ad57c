"""PTL111 lazy-mmu-left-on: a way out of the function does not leave lazy MMU mode.

## What it does
Reports a way out between `arch_enter_lazy_mmu_mode()` and `arch_leave_lazy_mmu_mode()` in a function that leaves the
mode elsewhere.

## Why it matters
Entry updates are held back while the mode is on, and some architectures keep preemption off in it. Left on, later page
table writes of the CPU stay in a queue that nobody flushes.

## Bad
```c
arch_enter_lazy_mmu_mode();
if (fatal_signal_pending(current))
        return -EINTR;
arch_leave_lazy_mmu_mode();
```

## Good
```c
if (fatal_signal_pending(current)) {
        arch_leave_lazy_mmu_mode();
        return -EINTR;
}
```

## Limits
A function that only enters the mode is taken for half of a pair. Nothing is reported on mm/ of 6.12 and 6.1.

## Sources
Review practice RR-20, RF-27; include/linux/pgtable.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.balance import left_held
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK1

from mmlint_rules.ptl.imbalance import report


def check(function: Function) -> Iterator[Hit]:
    """Report ways out with the mode on."""
    for left in left_held(function):
        if left.lock.kind == "lazy_mmu" and left.drops:
            yield report(function, left)


RULE = Rule(
    code="PTL111",
    name="lazy-mmu-left-on",
    summary="a way out of the function does not leave lazy MMU mode",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(left_held,),
    tokens=("arch_enter_lazy_mmu_mode",),
    check=check,
    scenario=LK1,
)
