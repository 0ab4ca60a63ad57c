"""COW107 upgrade-without-pfn-check: an entry that is there already is made writable without a look at what it maps.

## What it does
Looks at functions that are handed a page frame to map (`insert_pfn` and its kin at every level). Where they find an
entry that is not empty and make it dirty or writable, the frame in the entry has to be compared with theirs before
(`pte_pfn(entry) != pfn`), or the entry with one they know (`pte_same`). A comparison of the frame of an entry that is
not empty, but not known to be present either, is said at info: a swap or migration entry has no frame there.

## Why it matters
The entry may map something else: the zero page or a copy of the page from a read fault, or a block that was freed and
given out again meanwhile. Making it writable lets the process write to the zero page of all others, or to another
file's block.

## Bad
```c
if (!pmd_none(*pmd)) {
        entry = maybe_pmd_mkwrite(pmd_mkdirty(*pmd), vma);
        pmdp_set_access_flags(vma, addr, pmd, entry, 1);
}
```

## Good
```c
if (!pmd_none(*pmd)) {
        if (pmd_pfn(*pmd) != pfn_t_to_pfn(pfn))
                goto out_unlock;
        entry = maybe_pmd_mkwrite(pmd_mkdirty(*pmd), vma);
        pmdp_set_access_flags(vma, addr, pmd, entry, 1);
}
```

## Limits
The kernel's own `insert_pfn()`, `insert_pfn_pmd()` and `insert_pfn_pud()` do not test for present: they map what is
never swapped out, so the comparison only fails to match. That is why it is no more than info.

A comparison in a helper is not seen. Fault handlers that work on the entry of the fault and have compared it with
`pte_same` are not looked at: they are not handed a frame.

## Sources
Seed thread on the DAX fault path (digest 001, R-PI1 and R-PI2, DX2, DX3, DX6); commit c6f3c5ee40c1;
mm/memory.c insert_pfn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.facts.entries.upgrade import unchecked_upgrades, undecoded_frames
from mmlint.facts.function import Function
from mmlint.facts.views.looked import FRAMES
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import DX2, DX6


def check(function: Function) -> Iterator[Hit]:
    """Report the call that sets the entry, or else the first one that prepares it, and frames read too early."""
    found = unchecked_upgrades(function)
    setting = [(node, call) for node, call in found if call.value in function.tables.set_entries]
    for node, call in (setting or found)[:1]:
        steps = tuple(function.step(c.line, f"`{c.value}` takes the entry as it is") for n, c in found if n is not node)
        yield function.hit(
            call,
            f"`{call.value}` gives rights to an entry that was there, without comparing the page frame",
            steps=steps,
        )
    for call in undecoded_frames(function):
        hit = function.hit(
            call,
            f"`{call.value}` reads the frame of an entry that may not be present",
            severity=Severity.INFO,
            confidence=Confidence.MEDIUM,
        )
        yield replace(hit, scenario=DX6)


RULE = Rule(
    code="COW107",
    name="upgrade-without-pfn-check",
    summary="an existing entry is made writable without comparing the page frame it maps",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(unchecked_upgrades, undecoded_frames),
    check=check,
    places=FRAMES,
    scenario=DX2,
)
