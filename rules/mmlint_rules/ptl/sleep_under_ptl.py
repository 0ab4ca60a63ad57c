"""PTL101 sleep-under-ptl: a call that may sleep is made while a page-table lock or another atomic context is held.

## What it does
Follows the locks of a function on every path (page-table locks, spinlocks, RCU read sections, lazy MMU mode, disabled
preemption or interrupts) and reports a call that may sleep there: an allocation whose gfp mask allows direct reclaim, a
mutex or rwsem, a folio lock, a wait, a copy from or to user memory, at any depth below the call.

## Why it matters
A page-table lock is a spinlock. Direct reclaim walks the reverse map and may take the very lock that is held; on a
preemptible kernel the task is scheduled away with the lock. It needs memory pressure to hang, so tests do not see it.

## Bad
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, addr);
```

## Good
```c
pte_unmap_unlock(pte, ptl);
folio = vma_alloc_folio(GFP_HIGHUSER_MOVABLE, 0, vma, addr);
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
if (!pte || !pte_same(ptep_get(pte), orig)) ...
```

## Limits
A mask that is not known, or that differs by path, is not reported. Helpers that take the lock only after allocating
(`pte_alloc_map_lock`) are known as such. A sleep that only large folios reach is reported at medium confidence, one
that depends on what the caller passes in and that cannot be told from the call as info, and so is one that only the
last reference reaches (unless the code says `might_sleep`), that stands behind two conditions on the way, that is for
one kind of object, or that the callee reaches in some contexts only. Disabled interrupts or preemption alone make a
warning, and at boot (`__init`) info. Calls of one function that sleeps inside, in one section, are one finding. A
release that only a name tells of (a macro, a method) is believed. Read on mm/, fs/, kernel/ and arch/x86 of 6.12 and
6.1: docs/audit-6.12.md. In hunks without a tree, functions that the kernel always calls under a page-table lock are
known by name.

## Sources
digest of the fork/COW thread of August 2020, L5990 and L6247-6281; Documentation/mm/split_page_table_lock.rst;
include/linux/gfp_types.h (`__GFP_DIRECT_RECLAIM`).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.atomicsleep import AtomicSleep, atomic_sleeps
from mmlint.facts.locks.entered import CALLERS, entered_sleeps
from mmlint.facts.views.looked import ATOMIC_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S12

_CONTEXT = {
    "ptl": "the page-table lock",
    "rcu": "an RCU read section",
    "pte_map": "a mapped page table (an RCU read section)",
    "walk": "a page-table walk that holds its lock",
    "preempt": "disabled preemption",
    "irq": "disabled interrupts",
    "lazy_mmu": "lazy MMU mode",
}
_NO_LOCK = frozenset({"irq", "preempt"})
"""Sections that callees and callers open and close for each other: which of them a call is in is known less surely."""
_MAX_HITS = 8


def check(function: Function) -> Iterator[Hit]:
    """Report each call that may sleep in an atomic context of this function, once for each lock."""
    for found in (*atomic_sleeps(function), *entered_sleeps(function))[:_MAX_HITS]:
        sleeper = found.sleeper
        name = found.call.value or sleeper.name
        via = "" if sleeper.name == name else f", through `{sleeper.name}`"
        enters = "is called inside" if found.context == CALLERS else "enters"
        steps = (function.step(found.lock_line, f"`{found.lock_name}` {enters} {_context(found)}"), *sleeper.steps)
        origin = f" (from `{found.lock_name}`, line {found.lock_line})"
        severity = Severity.INFO if sleeper.requires else Severity.WARNING if found.kind in _NO_LOCK else None
        confidence = Confidence.MEDIUM if sleeper.large or sleeper.requires or len(sleeper.steps) > 2 else None
        yield function.hit(
            found.call,
            f"`{name}` may sleep{via} inside {_context(found)}{origin}",
            steps=steps,
            severity=severity,
            confidence=confidence,
            anchor=f"{found.call.key} {'perhaps ' if sleeper.requires else ''}under {found.lock_name}",
            cause=found.cause,
        )


def _context(found: AtomicSleep) -> str:
    named = _CONTEXT.get(found.kind)
    return named or (
        f"the spinlock `{found.context}`" if found.context else f"a section that may not sleep ({found.kind})"
    )


RULE = Rule(
    code="PTL101",
    name="sleep-under-ptl",
    summary="a call that may sleep is made under a page-table lock or in another atomic context",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(atomic_sleeps, entered_sleeps),
    check=check,
    partial=True,
    places=ATOMIC_CALLS,
    scenario=S12,
)
