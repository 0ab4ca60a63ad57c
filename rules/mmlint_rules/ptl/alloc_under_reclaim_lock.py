"""PTL120 alloc-under-reclaim-lock: memory is allocated with direct reclaim under a lock that reclaim waits for.

## What it does
Follows `i_mmap_rwsem` and the anon_vma lock through a function and reports an allocation whose gfp mask allows direct
reclaim while one of them is held, in the function itself or in what it calls.

## Why it matters
Both are sleeping locks, so nothing complains at once. When memory is short the allocation reclaims, `try_to_unmap()`
walks the reverse map of a page, and waits for the lock that its own task holds. lockdep knows the order; a kernel
without it hangs under load.

## Bad
```c
i_mmap_lock_write(mapping);
node = kmalloc(sizeof(*node), GFP_KERNEL);
```

## Good
```c
node = kmalloc(sizeof(*node), GFP_KERNEL);
i_mmap_lock_write(mapping);
```

## Limits
A mask that is not known, that the caller passes in, or that differs by path is not reported, and neither is an
allocation that depends on what the caller asks for. Functions that call hugetlb helpers are left alone: reclaim does
not touch those pages, and lockdep has a class of its own for their mappings. Under a spinlock as well it is PTL101.

## Sources
Comment on top of mm/rmap.c; dma_resv_lockdep() in drivers/dma-buf/dma-resv.c; hugetlbfs_i_mmap_rwsem_key in
fs/hugetlbfs/inode.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.reclaimed import reclaiming_calls
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK6

from mmlint_rules.ptl.lock_rank_inversion import named

_MAX_HITS = 4


def check(function: Function) -> Iterator[Hit]:
    """Report each allocation that may reclaim into a lock of this function."""
    for found in reclaiming_calls(function)[:_MAX_HITS]:
        held, name = found.held, found.call.value
        lock = named(held.kind)
        via = "" if found.sleeper.name == name else f", through `{found.sleeper.name}`,"
        yield function.hit(
            found.call,
            f"`{name}` may reclaim{via} under {lock} (line {held.line}), for which reclaim waits",
            steps=(function.step(held.line, f"`{held.name}` takes {lock}"), *found.sleeper.steps),
            anchor=f"{found.call.key} under {held.name}",
        )


RULE = Rule(
    code="PTL120",
    name="alloc-under-reclaim-lock",
    summary="memory is allocated with direct reclaim under a lock that reclaim waits for",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(reclaiming_calls,),
    tables=("takes",),
    check=check,
    scenario=LK6,
)
