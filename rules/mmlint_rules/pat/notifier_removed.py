"""PAT109 notifier-removed: an MMU notifier call around a change of entries is gone.

## What it does
Compares each function before and after the patch. A start, end or invalidate call of the MMU notifiers belonged to a
change of entries, or to the other call of its pair, that is still there. A flush that told secondary TLBs and tells
none any more is reported as well.

## Why it matters
A secondary MMU (KVM, an IOMMU, a GPU) keeps its own translations. Without the start call it may map the old page again
while the entry changes, without the end call its faults wait for ever.

## Bad
```diff
-mmu_notifier_invalidate_range_start(&range);
 entry = ptep_clear_flush(vma, addr, ptep);
 ...
-mmu_notifier_invalidate_range_end(&range);
```

## Good
```diff
 mmu_notifier_invalidate_range_start(&range);
-entry = ptep_clear_flush(vma, addr, ptep);
+entry = clear_entry(vma, addr, ptep);
 mmu_notifier_invalidate_range_end(&range);
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count.

## Sources
include/linux/mmu_notifier.h; Documentation/mm/mmu_notifier.rst; kernel/steps.toml.
"""

from __future__ import annotations

from mmlint.finding import Confidence, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import NOTIF1

from mmlint_rules.pat.lost import reporter

RULE = Rule(
    code="PAT109",
    name="notifier-removed",
    summary="an MMU notifier call around a change of entries is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=reporter("PAT109"),
    scenario=NOTIF1,
    partial=True,
)
