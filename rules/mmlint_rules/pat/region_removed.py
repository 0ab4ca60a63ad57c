"""PAT119 region-removed: both ends of a protected section are gone, what ran inside is still there.

## What it does
Compares each function before and after the patch. A section of mm's own kinds (page-table lock, folio lock, rmap locks,
the write side of a seqcount, page faults disabled) was entered and left; after the patch neither call is there any
more, and what stood between them is. A lock that was taken and dropped at once, to wait for its holder, counts too; so
does a section whose end has moved up to its begin. References that were taken and given back are such sections: of a
parameter between two calls that get it, of what was only looked up before a call that may give up what others hold of
it, or of what a call finds now that takes none; and so is what stands between a `..._save()` and its `..._restore()`,
and the RCU section or the time with interrupts or preemption off around a call that needs it, by what its callees read
or by its name. So is the section of any lock around what is done to a member, or to a list, that the file touches under
this lock alone, around one operation on a list that the folder fills under it, or around a call that all others make in
it; so is another lock in the place of the one under which the file touches a member. The sequence of an interval
notifier that is set under no lock any more has left the section that its readers compare it in. A member that was
copied before the unlock and is read behind it now has left its section as well, and so has a statement about the locked
object that changes places with the lock or the unlock, and a look into a vma behind a drop of the mmap lock, or behind
a visit or fault handler that may drop it. So has what a callee did under a lock that it was always told to take, and
that a variable decides about now.

## Why it matters
Balanced calls look right after such a patch, and no tool that counts them complains. But the readers of
`write_protect_seq` no longer see that fork is under way, and a copy from user space that used to fail under the mmap
lock now faults and takes that lock again.

## Bad
```diff
-	raw_write_seqcount_begin(&src_mm->write_protect_seq);
        ret = copy_entries(dst_vma, src_vma);
-	raw_write_seqcount_end(&src_mm->write_protect_seq);
```

## Good
```diff
-	pagefault_disable();
-	left = copy_from_user(kaddr, src, PAGE_SIZE);
-	pagefault_enable();
+	left = copy_from_user_nofault(kaddr, src, PAGE_SIZE);
```

## Limits
Silent when another lock is taken in the function instead, when a callee or a function that the patch changes takes this
one now, when the callers do (`_locked` in the name, a lockdep assertion), and for other locks that nothing ties to what
stood between: those go for too many reasons. Needs the tree.

## Sources
mm/memory.c copy_page_range (57efa1fe5957); mm/userfaultfd.c mfill_atomic_pte_copy; Documentation/mm/process_addrs.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.askedlock import left_to_caller
from mmlint.changes.locks.calledunder import called_bare
from mmlint.changes.locks.crossed import outside
from mmlint.changes.locks.lockset import unlocked
from mmlint.changes.locks.otherlock import under_another
from mmlint.changes.locks.outlived import outlived
from mmlint.changes.locks.outsidenow import uncovered
from mmlint.changes.locks.regions import Unprotected, unprotected
from mmlint.changes.locks.setseq import set_bare
from mmlint.changes.locks.uncopied import uncopied
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S36

from mmlint_rules.pat.lost import cut, shown


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the first thing done without the section that it was done in, by each way to tell that it was."""
    if change.after is not None:
        for section in _SECTIONS:
            yield from section(change, change.after)


def _whole(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for found in unprotected(change):
        yield after.hit(found.inside.expr, _says(found), anchor=f"region {found.begin.word} {found.inside.word}")


def _left(change: FunctionChange, after: Function) -> Iterator[Hit]:
    """What stood in a section that is still there."""
    for late in uncopied(change):
        message = f"`{late.read.key}` is read behind {shown(late.unlock)}, `{late.variable}` kept it from before"
        yield after.hit(late.read, message, anchor=f"uncopied {late.read.key}")
    for used in outlived(change):
        drop = used.drop.value
        message = (
            f"`{cut(used.use.key)}` comes behind `{drop}`, which drops the mmap lock that `{used.vma}` was found under"
        )
        steps = (after.step(used.drop.line, "the mmap lock may be dropped here"),)
        yield after.hit(used.use, message, steps=steps, anchor=f"outlived {used.vma}")
    for left in outside(change):
        place = "behind" if left.late else "in front of"
        message = f"this ran in the section of `{cut(left.lock.key)}`, and stands {place} it now"
        yield after.hit(left.node, message, anchor=f"outside {left.lock.key}")


def _as_others_do(change: FunctionChange, after: Function) -> Iterator[Hit]:
    """What all others do in such a section."""
    for open_ in unlocked(change):
        others = "others add by" if open_.alone else "others touch"
        how = "under that lock" if open_.alone else "only under that lock"
        message = f"the section of {shown(open_.begin)} is gone, {others} `{open_.member}` {how}"
        yield after.hit(open_.node, message, anchor=f"unlocked {open_.member}")
    other = under_another(change)
    if other is not None:
        message = f"`{other.member}` is under `{other.now}` here, and others touch it under `{other.was}`, as this did"
        yield after.hit(other.node, message, anchor=f"other lock {other.member}")
    called = called_bare(change)
    if called is not None:
        message = f"the section of {shown(called.begin)} is gone, in which all others call {shown(called.call)}"
        yield after.hit(called.call.expr, message, anchor=f"called bare {called.call.word}")
    sequence = set_bare(change)
    if sequence is not None:
        message = f"`{sequence.act.word}` is called outside of `{cut(sequence.lock)}`, which its readers hold"
        yield after.hit(sequence.act.expr, message, anchor=f"set bare {sequence.lock}")


def _context(change: FunctionChange, after: Function) -> Iterator[Hit]:
    """What a callee needs, or took itself as long as it was told to."""
    for bare in uncovered(change):
        what = {"rcu": "RCU", "irq": "interrupts off", "preempt": "preemption off"}[bare.kind]
        why = f" (for `{bare.why}`)" if bare.why != bare.call.value else ""
        message = f"`{cut(bare.call.value)}` needs {what}{why}, and the section that it ran in is gone"
        severity = Severity.INFO if bare.meant else None
        yield after.hit(bare.call, message, severity=severity, anchor=f"uncovered {bare.kind} {bare.call.value}")
    for skipped in left_to_caller(change):
        message = (
            f"`{skipped.call.word}` called `{skipped.lock}` always, and now only if `{cut(skipped.told.key)}` says so"
        )
        yield after.hit(skipped.call.expr, message, anchor=f"left to {skipped.told.key} {skipped.lock}")


_SECTIONS = (_whole, _left, _as_others_do, _context)


def _says(found: Unprotected) -> str:
    begin, end, inside = shown(found.begin), shown(found.end), shown(found.inside)
    if found.empty:
        return f"{inside} stands outside now: nothing is left in the section of {begin}"
    if found.found:
        return f"{begin} and {end} are gone, {inside} gets what is found without a reference"
    what = "no longer waits for the holder" if found.waits else "between them is not"
    return f"{begin} and {end} are gone, {inside} {what}"


RULE = Rule(
    code="PAT119",
    name="region-removed",
    summary="both ends of a protected section are gone, what ran inside is still there",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=S36,
)
