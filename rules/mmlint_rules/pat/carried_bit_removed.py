"""PAT111 carried-bit-removed: a bit of the old entry is no longer carried to the new one.

## What it does
Compares each function before and after the patch. A soft-dirty, uffd-wp, exclusive, young, dirty or write bit was put
into the value of an entry (`pte_mkuffd_wp`, `pte_swp_mksoft_dirty`, `pte_swp_mkexclusive`); the value is still written,
or given back, without it. The same for a helper that makes one entry of another (`pte_wrprotect` of an architecture)
and leaves a bit alone that it set or cleared. And a call that sets two bits (`pte_mkdirty` also sets soft-dirty) is
made only where one of them is not set.

## Why it matters
A lost uffd-wp bit lets a write pass that the user asked to see, a lost soft-dirty bit makes a checkpoint miss a page, a
lost exclusive bit makes the next write copy a page that is pinned.

## Bad
```diff
 pte = swp_entry_to_pte(entry);
-if (pte_uffd_wp(old))
-	pte = pte_swp_mkuffd_wp(pte);
 set_pte_at(mm, addr, ptep, pte);
```

## Good
```diff
 pte = swp_entry_to_pte(entry);
-if (pte_uffd_wp(old))
-	pte = pte_swp_mkuffd_wp(pte);
+pte = carry_bits(pte, old);
 set_pte_at(mm, addr, ptep, pte);
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count.

## Sources
Documentation/admin-guide/mm/soft-dirty.rst and userfaultfd.rst; review rules RR-61, RR-63, RR-76, RR-78.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.onlyif import set_only_if
from mmlint.changes.values.accessors import bits_left_alone
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UFFD1

from mmlint_rules.pat.lost import reporter

_lost = reporter("PAT111")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the bits that are not carried, and those that a helper leaves alone."""
    lost = list(_lost(change))
    yield from lost
    for bit, result in bits_left_alone(change) if not lost else ():
        assert change.after is not None
        message = f"`{change.after.name}` leaves `{bit}` alone now"
        yield change.after.hit(result, message, anchor=f"left alone {bit}")
    only = set_only_if(change)
    if only is not None:
        assert change.after is not None
        message = f"`{only.act.word}` sets {only.lost}, too, and is left out where only the other bit is set"
        yield change.after.hit(only.act.expr, message, anchor=f"only if {only.act.key}")


RULE = Rule(
    code="PAT111",
    name="carried-bit-removed",
    summary="a bit of the old entry is no longer carried to the new one",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=UFFD1,
    partial=True,
)
