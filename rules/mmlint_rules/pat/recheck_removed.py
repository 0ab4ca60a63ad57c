"""PAT107 recheck-removed: the recheck after a lock was retaken, or after a lockless step, is gone.

## What it does
Compares each function before and after the patch. A recheck (`pte_same` and its kin, the pmd and pte values in
GUP-fast, the swap cache or the mapping of a folio, a seqcount, an interval notifier, the vma) stood between taking the
lock, or the lockless step, and the change; after the patch the change is still there without it. A jump back that was
made where something had changed meanwhile (`if (pfn != args.pfn) goto retry;`), or where a callee said so (`-EAGAIN`
below zero), is a recheck, too, and so is the test for NULL of what was read again from a member behind the lock, or one
for which the caller had to try again (`-EAGAIN`), or that kept a loop going; or a look, right behind the lock, at a
member of what the lock lies in, which led to the unlock; or a look at a member that goes on to be asked in front of the
lock alone; or a call made once more under a lock that is gone with it, where it had said no without. So is a comparison
of a sequence number with the one read before, where the patch asks for some state of now in its place, and a value that
was read once (`READ_ONCE`) and asked about, where a call reads the place anew with no lock held; and the last value of
a member, where a call gets the one which the member is about to have.

## Why it matters
What was read before the lock was taken may be about another page by now. The recheck is the only thing that ties the
two together: without it a fault installs its copy over a page that another thread has just mapped, and GUP-fast keeps a
page whose table was freed.

## Bad
```diff
 vmf->pte = pte_offset_map_lock(mm, vmf->pmd, vmf->address, &vmf->ptl);
-if (likely(vmf->pte && pte_same(ptep_get(vmf->pte), vmf->orig_pte))) {
+if (likely(vmf->pte)) {
        ptep_clear_flush(vma, vmf->address, vmf->pte);
```

## Good
```diff
-if (likely(vmf->pte && pte_same(ptep_get(vmf->pte), vmf->orig_pte))) {
+if (likely(vmf->pte) && likely(pte_same(vmf->orig_pte, ptep_get(vmf->pte)))) {
        ptep_clear_flush(vma, vmf->address, vmf->pte);
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count.

## Sources
mm/memory.c, mm/gup.c gup_fast_pte_range (70cbc3cc78a9); Documentation/mm/hmm.rst; kernel/steps.toml.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.anew import read_anew
from mmlint.changes.locks.lookedonce import looked_once
from mmlint.changes.locks.rechecks import lost_rechecks
from mmlint.changes.locks.reloads import lost_reloads, unasked
from mmlint.changes.locks.retries import lost_backouts, lost_retries, lost_turns
from mmlint.changes.locks.sequence import lost_sequence
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import RT1

from mmlint_rules.pat.lost import cut, reporter, shown

_steps = reporter("PAT107")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the rechecks that are gone, and the retries."""
    steps = list(_steps(change))
    yield from steps
    after = change.after
    reloads, nulls = lost_reloads(change), unasked(change)
    for found in (*lost_retries(change), *lost_turns(change)) if not steps else ():
        assert after is not None
        assert found.test.expr is not None
        message = f"{shown(found.again)} is not done again any more: the jump back is gone"
        step = after.step(found.again.line, f"before, it was done again for `{found.test.expr.key}`")
        yield after.hit(
            found.again.expr, message, steps=(step,), anchor=f"retry {found.again.word} {found.test.expr.key}"
        )
    for gone in lost_backouts(change) if not steps else ():
        assert after is not None
        assert gone.test.expr is not None
        asked = gone.test.expr.key
        message = f"{shown(gone.again)} is done at once, where the caller had to try again for `{cut(asked)}`"
        yield after.hit(gone.again.expr, message, anchor=f"backout {gone.again.word} {asked}")
    for lost in reloads if not steps else ():
        assert after is not None
        assert lost.reader.expr is not None
        message = f"`{lost.variable}` is what it was before {shown(lost.lock)}: `{lost.value.key}` is not done again"
        step = after.step(lost.lock.line, "what it stands for may have changed until here")
        yield after.hit(lost.reader.expr, message, steps=(step,), anchor=f"reload {lost.variable} {lost.value.key}")
    for null in nulls if not steps else ():
        assert after is not None
        assert null.reader.expr is not None
        message = f"`{null.value.key}` may be NULL since {shown(null.lock)}: `{null.variable}` is not asked any more"
        yield after.hit(null.reader.expr, message, anchor=f"null {null.variable}")
    outdated = lost_sequence(change)
    if outdated is not None and not steps:
        assert after is not None
        assert outdated.now.expr is not None
        message = f"{shown(outdated.asked)} compared `{cut(outdated.sequence.key)}`, this only asks how things are now"
        yield after.hit(outdated.now.expr, message, anchor=f"sequence {outdated.sequence.key}")
    for look in lost_rechecks(change) if not (steps or reloads or nulls) else ():
        assert after is not None
        message = f"`{look.member}` is not asked again behind {shown(look.taken)}"
        yield after.hit(look.taken.expr, message, anchor=f"look {look.member}")
    once = looked_once(change)
    if once is not None and after is not None and once.test.expr is not None:
        message = f"`{once.variable}` is not looked up again under {shown(once.lock)}, which is gone"
        yield after.hit(once.test.expr, message, anchor=f"once {once.variable}")
    for each in read_anew(change) if not steps else ():
        assert after is not None
        name = each.call.value
        message = f"`{name}` gets `{cut(each.place)}` read anew, `{each.kept}` was asked about"
        if each.successor:
            message = f"`{name}` gets what `{cut(each.place)}` will hold, no longer what it held"
        severity = Severity.INFO if change.patch.mends else None
        yield after.hit(each.call, message, severity=severity, anchor=f"anew {each.kept}")


RULE = Rule(
    code="PAT107",
    name="recheck-removed",
    summary="the recheck after a lock was retaken, or after a lockless step, is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=RT1,
    partial=True,
)
