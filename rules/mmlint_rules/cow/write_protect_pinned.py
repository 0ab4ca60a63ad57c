"""COW110 write-protect-pinned: an entry is write-protected outside fork with no check whether its page is pinned.

## What it does
Reports a write-protection of a present entry (`ptep_set_wrprotect` and the forms for batches, PMDs, PUDs and hugetlb)
in a function that is not part of fork, on ways on which no check for pins, no duplication of the anonymous reverse
map and no test that the mapping is shared was made.

## Why it matters
It is the third of the rules for copy-on-write that were proposed in 2021: who write-protects a private page that
somebody has pinned makes the next write copy it away. Maintainers did not agree on it: mprotect and userfaultfd do so
on purpose, and their callers ask for it. It is a review aid for new code, hence a preview and off by default.

## Bad
```c
if (pte_write(entry))
        ptep_set_wrprotect(mm, addr, pte);
```

## Good
```c
if (pte_write(entry) && !folio_maybe_dma_pinned(folio))
        ptep_set_wrprotect(mm, addr, pte);
```

## Limits
A check made by a caller is not seen; that only shared mappings come here is only known from a test of `VM_SHARED` or
of `is_cow_mapping`. Entries set to a read-only value in another way (mprotect) are not looked at. Eight findings on
the whole of 6.12 and seven on 6.1: three in the self-test of these functions (debug_vm_pgtable.c), the others in the
definitions of the write-protecting functions themselves (huge and batched forms of the generic headers, arm64 and
riscv), which are called with what their callers have checked.

## Sources
Thread on the rules of copy-on-write (digest 001-004, R-CW1, CW3, CW4); fs/proc/task_mmu.c clear_soft_dirty.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.fork import is_fork_copy
from mmlint.facts.entries.wrprotect import unguarded_write_protects
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import CW3


def check(function: Function) -> Iterator[Hit]:
    """Report each write-protection outside fork that no check stands before."""
    if is_fork_copy(function):
        return
    for call in unguarded_write_protects(function):
        yield function.hit(call, f"`{call.value}` on a page that may be pinned: its next write would be to a copy")


RULE = Rule(
    code="COW110",
    name="write-protect-pinned",
    summary="an entry is write-protected outside fork without a check for pins",
    severity=Severity.INFO,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unguarded_write_protects,),
    tables=("wrprotects",),
    check=check,
    scenario=CW3,
    status="preview",
)
