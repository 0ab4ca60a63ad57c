"""PAT118 choice-lost: two arms excluded each other, and now the second one is taken after the first, too.

## What it does
Compares a function before and after the patch: two assignments to one variable or field stood on the two sides of a
test; the test and both assignments are still there, and the second one now comes behind the first as well.

## Why it matters
`else` is a guard. An entry that is armed for userfaultfd must not become writable in the next line; a flags word that
was set for one case must not be set for the other, too.

## Bad
```diff
        if (pte_swp_uffd_wp(orig))
                pte = pte_mkuffd_wp(pte);
-	else if (is_writable_device_exclusive_entry(entry))
+	if (is_writable_device_exclusive_entry(entry))
                pte = maybe_mkwrite(pte_mkdirty(pte), vma);
```

## Good
```diff
        if (pte_swp_uffd_wp(orig))
                pte = pte_mkuffd_wp(pte);
-	else if (is_writable_device_exclusive_entry(entry))
+	if (!pte_swp_uffd_wp(orig) && is_writable_device_exclusive_entry(entry))
                pte = maybe_mkwrite(pte_mkdirty(pte), vma);
```

## Limits
Only where each assignment stands once. Conditions that exclude each other by what they mean are not known to do so.

## Sources
include/linux/userfaultfd_k.h (write protection is kept where an entry is restored); review rule RR-14.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.choices import lost_choices
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UFFD1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each second arm once."""
    after = change.after
    told: set[str] = set()
    for both in lost_choices(change):
        assert after is not None
        target = both.second.args[0].key
        if both.second.key in told:
            continue
        told.add(both.second.key)
        message = f"`{target}` is changed here after the other arm set it, too: the two excluded each other before"
        step = after.step(both.test.line, "this test chose between the two")
        yield after.hit(both.node, message, steps=(step,), anchor=f"choice {target}")


RULE = Rule(
    code="PAT118",
    name="choice-lost",
    summary="two arms excluded each other, and the second is taken after the first now",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=UFFD1,
)
