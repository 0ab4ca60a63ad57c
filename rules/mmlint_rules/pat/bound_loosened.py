"""PAT123 bound-loosened: a comparison turns fewer cases away than before, by its operator alone.

## What it does
Compares the conditions of each function before and after the patch. One whose operands stay and whose operator changes
(`>=` to `>`, `>=` to `==`, `<` to `<=`) leads out of the function in a part of the cases only. So does one of the
number of pages that were pinned, or an error, with a member, if it loses the cast that made it one of signed numbers;
and so does what was undone for any answer of a call but zero, and is undone for answers above zero now.

## Why it matters
An offset that is equal to the number of entries is one behind the last of them. The test looks the same to a reader.

## Bad
```diff
        offset = swp_offset(entry);
-	if (offset >= si->max)
+	if (offset > si->max)
                goto put_out;
```

## Good
```diff
-	if (offset > si->max)
+	if (offset >= si->max)
                goto put_out;
```

## Limits
Conditions of loops are left alone, and those that no way out hangs on. Whether the bound was right is not asked, nor
whether a member that lost its cast has a sign.

## Sources
mm/swapfile.c get_swap_device; include/linux/hugetlb.h huge_pte_lockptr;
drivers/misc/vmw_vmci/vmci_queue_pair.c qp_host_get_user_memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.bounds import loosened
from mmlint.changes.questions.negative import negative
from mmlint.changes.questions.unsigned import unsigned
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG9

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each comparison that turns fewer cases away."""
    after = change.after
    for found in loosened(change):
        if after is None or found.now.expr is None:
            continue
        message = f"`{found.now.expr.value}` turns fewer cases away than `{found.was.value}` did"
        yield after.hit(found.now.expr, message, anchor=f"bound {found.was.key}")
    lost = unsigned(change)
    if lost is not None and after is not None:
        message = f"an error of `{lost.call.value}` need not be less than `{cut(lost.bound.key)}` without the cast"
        yield after.hit(lost.node, message, anchor=f"unsigned {lost.bound.key}")
    errors = negative(change)
    if errors is not None and after is not None:
        message = f"`{errors.act.word}` is not called any more where `{errors.call.value}` returns an error"
        yield after.hit(errors.act.expr, message, anchor=f"negative {errors.act.word}")


RULE = Rule(
    code="PAT123",
    name="bound-loosened",
    summary="a comparison turns fewer cases away than before, by its operator alone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=FG9,
)
