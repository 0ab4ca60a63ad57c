"""PAT108 flush-removed: a TLB flush, drain or wait for lockless walkers is gone.

## What it does
Compares each function before and after the patch. A flush of the TLB stood between a change of entries and the unlock,
the end of the notifier range or the free; a wait for lockless walkers stood before a table was freed; a drain before
references were counted. After the patch the second is still there and the first is not, on some path that had it. Or
a flush is made only where another CPU owes one, or that is asked for only in some state of one's own, or not where one
of several answers asked for it, though the others still do; or it stands in one arm of a test now, both of which change
entries; or a function that is such a flush does nothing on one of
its ways.

## Why it matters
Another CPU writes through its old translation after the page was given to somebody else. It takes a TLB that kept the
entry for some microseconds, so tests see it as corruption far away.

## Bad
```diff
 ptep_get_and_clear(mm, addr, ptep);
-flush_tlb_range(vma, addr, end);
 pte_unmap_unlock(ptep, ptl);
```

## Good
```diff
-ptep_get_and_clear(mm, addr, ptep);
-flush_tlb_page(vma, addr);
+ptep_clear_flush(vma, addr, ptep);
 pte_unmap_unlock(ptep, ptl);
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count.

## Sources
Documentation/core-api/cachetlb.rst; mm/rmap.c; mm/mmu_gather.c; eb66ae030829 (mremap); kernel/steps.toml.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.onlyif import flushes_only_if
from mmlint.changes.weaker.idleflush import idle_flush
from mmlint.changes.weaker.unforced import unforced
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM6

from mmlint_rules.pat.lost import cut, reporter

_by_the_tables = reporter("PAT108")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the flushes that are gone, else what is flushed, or asked of other CPUs, only sometimes now."""
    found = list(_by_the_tables(change))
    yield from found
    only = None if found else flushes_only_if(change)
    if only is not None:
        assert change.after is not None
        assert only.test.expr is not None
        steps = (change.after.step(only.test.line, "this tells nothing of what was changed"),)
        message = f"`{only.act.word}` is only called where `{cut(only.test.expr.key)}` says so now"
        yield change.after.hit(only.act.expr, message, steps=steps, anchor=f"only if {only.act.key}")
    less = None if found or only is not None else unforced(change)
    if less is not None:
        assert change.after is not None
        message = f"`{less.flush.word}` is not called any more where `{cut(less.term)}` alone says so"
        yield change.after.hit(less.flush.expr, message, anchor=f"unforced {less.flush.word} {less.term}")
    idle = None if found else idle_flush(change)
    if idle is not None and idle.expr is not None:
        assert change.after is not None
        message = f"`{change.after.name}` does nothing on one side of this any more, and did something on both"
        yield change.after.hit(idle.expr, message, anchor=f"idle {change.after.name}")


RULE = Rule(
    code="PAT108",
    name="flush-removed",
    summary="a TLB flush, drain or wait for lockless walkers is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=HM6,
    partial=True,
)
