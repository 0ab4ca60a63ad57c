"""MIG103 entry-bits-dropped: an entry replaces another and does not take over its soft-dirty or uffd-wp bit.

## What it does
Looks at entries made from a swap, migration or device entry where a function has cleared or decoded the old one, and at
present entries made where a non-present one was decoded (`pte_to_swp_entry()`). Reports the write if some way to it
does not ask for the old entry's soft-dirty and uffd-wp bits. An entry that is made soft-dirty only if it is so already
is reported as well: the question was meant for the old one (COW108 for uffd-wp).

## Why it matters
A lost soft-dirty bit makes a checkpoint miss a page that changed. A lost uffd-wp bit lets a write through that the
monitor has asked to be told of.

## Bad
```c
swp_pte = swp_entry_to_pte(entry);
if (pte_soft_dirty(pteval))
        swp_pte = pte_swp_mksoft_dirty(swp_pte);
set_pte_at(mm, address, pte, swp_pte);
```

## Good
```c
swp_pte = swp_entry_to_pte(entry);
if (pte_soft_dirty(pteval))
        swp_pte = pte_swp_mksoft_dirty(swp_pte);
if (pte_uffd_wp(pteval))
        swp_pte = pte_swp_mkuffd_wp(swp_pte);
set_pte_at(mm, address, pte, swp_pte);
```

## Limits
Poison and marker entries carry nothing. hugetlb has no soft-dirty, device-private and device-exclusive entries need not
keep it, and what is made writable is not write-protected. The young and the exclusive bit are not followed; neither is
an entry that a called function makes or changes.

## Sources
Seed thread on HMM migration (digest 001-004, R-MG3, J36, HM10); review practice RR-63, RR-76; mm/rmap.c, mm/migrate.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.facts.entries.carried import bits_dropped, bits_of_itself
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM10, UFFD1


def check(function: Function) -> Iterator[Hit]:
    """Report each replacement with the bits that it lacks."""
    for found in bits_dropped(function):
        bits = " and ".join(found.missing)
        hit = function.hit(
            found.write,
            f"`{found.write.value}` replaces an entry without its {bits} bit{'s' if len(found.missing) > 1 else ''}",
            steps=(function.step(found.made.line, f"`{found.made.value}` makes the new entry"),),
        )
        yield replace(hit, scenario=UFFD1 if found.missing == ("uffd-wp",) else None)
    for call, test in bits_of_itself(function)["soft-dirty"]:
        yield function.hit(call, f"`{call.value}` gives the bit to an entry that `{test.value}` found to have it")


RULE = Rule(
    code="MIG103",
    name="entry-bits-dropped",
    summary="an entry replaces another and does not take over its soft-dirty or uffd-wp bit",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(bits_dropped, bits_of_itself),
    tokens=(
        *("swp_entry_to_pte", "swp_entry_to_pmd", "__swp_entry_to_pte", "__swp_entry_to_pmd"),
        *("pte_to_swp_entry", "pmd_to_swp_entry"),
        *("pte_swp_mksoft_dirty", "pmd_swp_mksoft_dirty", "pte_mksoft_dirty", "pmd_mksoft_dirty"),
    ),
    check=check,
    instead_of=("PAT111",),
    scenario=HM10,
)
