"""PTL112 lock-rank-inversion: a lock is waited for against mm's documented order.

## What it does
Reports a blocking acquisition while the function holds a sleeping lock that comes later in the order: inode lock,
mmap_lock, invalidate_lock, folio lock, vma lock, i_mmap, anon_vma.

## Why it matters
Truncation takes the folio lock and then i_mmap. A walker that takes i_mmap and then waits for the folio lock closes the
circle, and both wait for ever.

## Bad
```c
i_mmap_lock_read(mapping);
folio_lock(folio);
```

## Good
```c
folio_lock(folio);
i_mmap_lock_read(mapping);
```

## Limits
Trylocks are exempt. Sleeping under a spinlock is PTL101. Functions that call hugetlb helpers have another order and are
left alone. Locks taken in callees are not seen.

## Sources
Comment on top of mm/rmap.c; review practice RR-25, RF-29, RF-30.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.order import inversions
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK2


def check(function: Function) -> Iterator[Hit]:
    """Report each pair of locks taken in the wrong order."""
    for found in inversions(function):
        held = found.held
        wanted, kept = named(found.kind), named(held.kind)
        yield function.hit(
            found.call,
            f"`{found.call.value}` waits for {wanted} under {kept} (line {held.line})",
            steps=(function.step(held.line, f"`{held.name}` takes what comes later in mm's order"),),
            anchor=f"{found.call.key} after {held.name}",
        )


_NAMES = {
    "folio_lock": "the folio lock",
    "i_mmap": "`i_mmap_rwsem`",
    "anon_vma": "the `anon_vma` lock",
}


def named(kind: str) -> str:
    """A sleeping lock of mm's order in words."""
    return _NAMES.get(kind, f"`{kind}`")


RULE = Rule(
    code="PTL112",
    name="lock-rank-inversion",
    summary="a lock is waited for against mm's documented order",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(inversions,),
    tables=("takes",),
    check=check,
    scenario=LK2,
)
