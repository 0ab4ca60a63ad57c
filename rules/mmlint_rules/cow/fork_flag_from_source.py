"""COW113 fork-flag-from-source: fork decides about the child's entry by a flag of the parent's mapping.

## What it does
Looks at the functions that copy page tables at fork for a test of a mapping flag that fork changes in the child
(`userfaultfd_wp(src_vma)` and its kin), read from the source mapping, which alone decides whether a userfaultfd bit
is cleared from or set in an entry that is written to the child, or whether the function copies at all.

## Why it matters
The child is usually not registered with the parent's userfaultfd: its mapping has lost the flag. An entry that keeps
the write-protect bit there makes the child fault to a listener that does not exist, or the bit is lost where it was
wanted.

## Bad
```c
if (!userfaultfd_wp(src_vma))
        pte = pte_clear_uffd_wp(pte);
set_pte_at(dst_mm, addr, dst_pte, pte);
```

## Good
```c
if (!userfaultfd_wp(dst_vma))
        pte = pte_clear_uffd_wp(pte);
set_pte_at(dst_mm, addr, dst_pte, pte);
```

## Limits
Where the bit is set in an entry that is first written back to the parent, the parent's flag is the right one.

## Sources
Digest of the review rules, RR-58 and RF-24; mm/memory.c copy_present_page, vma_needs_copy.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.forkflag import source_flags
from mmlint.facts.function import Function
from mmlint.facts.views.looked import FORK_COPIES
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UFFD1


def check(function: Function) -> Iterator[Hit]:
    """Report each such test."""
    for test, decided, vma in source_flags(function):
        steps = (function.step(decided.line, "this is done to the child by it"),)
        yield function.hit(
            test, f"`{test.value}` asks the parent's `{vma}` about what is written to the child", steps=steps
        )


RULE = Rule(
    code="COW113",
    name="fork-flag-from-source",
    summary="fork decides about the child's entry by a flag of the parent's mapping",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(source_flags,),
    check=check,
    partial=True,
    places=FORK_COPIES,
    scenario=UFFD1,
)
