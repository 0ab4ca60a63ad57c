"""PAT129 level-left-out: a call is gone from a function, and its twins for other levels of the page tables make it.

## What it does
Compares each function before and after the patch. It was like another function of the file but for the level in the
names (`pmd_wrprotect` and `pte_wrprotect`): both made the same calls, or nearly so. After the patch one of the calls is
gone from the one, and the other still makes it. So is a table that the patch has allocated for, or put into, an entry
of another level than the one above it (`pmd_alloc` where `pmd_none` holds).

## Why it matters
What holds for an entry holds for a huge one. Where the hardware must not see a clean entry that is marked dirty, a
helper for one level that only clears a bit lets it see just that, for huge pages alone, which few tests use.

## Bad
```diff
 static inline pmd_t pmd_wrprotect(pmd_t pmd)
 {
-	pmd = pmd_clear_flags(pmd, _PAGE_RW);
-
-	return pmd_mksaveddirty(pmd);
+	return pmd_clear_flags(pmd, _PAGE_RW);
 }
```

## Good
```diff
 static inline pmd_t pmd_wrprotect(pmd_t pmd)
 {
-	pmd = pmd_clear_flags(pmd, _PAGE_RW);
-
-	return pmd_mksaveddirty(pmd);
+	return pmd_mksaveddirty(pmd_clear_flags(pmd, _PAGE_RW));
 }
```

## Limits
Only where the two called the same before (three quarters of it), where the patch adds no call, and takes the one out of
no other function. Assertions and trace points do not count.

## Sources
arch/x86/include/asm/pgtable.h (saved dirty bits and shadow stacks); include/linux/pgtable.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.levels import left_out
from mmlint.changes.questions.wronglevel import wrong_level
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import DIRTY2


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the first call that one level goes without, and the first table of a wrong level."""
    after = change.after
    wrong = wrong_level(change)
    if wrong is not None and after is not None:
        message = (
            f"`{wrong.call.value}` is for a table of `{wrong.level}` entries here, `{wrong.below}` ones are needed"
        )
        yield after.hit(wrong.call, message, anchor=f"wrong level {wrong.call.key}")
    for found in left_out(change):
        assert after is not None
        message = f"`{found.step.word}` is gone, while `{found.twin.name}` still makes its `{found.still}`"
        yield after.hit(found.beside.node, message, anchor=f"level {found.step.word}")


RULE = Rule(
    code="PAT129",
    name="level-left-out",
    summary="a call is gone from a function, and its twins for other levels of the page tables make it",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    last=True,
    by_steps=True,
    scenario=DIRTY2,
)
