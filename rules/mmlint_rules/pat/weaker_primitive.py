"""PAT114 weaker-primitive: a call is exchanged for one that does less, or loses a flag it needs.

## What it does
Compares each function before and after the patch. In the place of a call, or about the same thing, the patch makes one
that an order of the step tables puts below it: a clear with its flush becomes a plain clear, a get that may fail one
that may not, an unpin a put, a pin a get, a test for pins a count, the vma of an address the next vma with nobody to
compare the two. Flags count too: a pin that no longer gets `FOLL_LONGTERM` on any path, a call of GUP that is not
handed `FOLL_WRITE` any more, or might have asked for it and cannot, an allocation without `__GFP_NOFAIL` that nobody
asks for its result. So does a call about one entry of a batch in the place of one about all of them, and the helper of
a present entry where the entry is known not to be present; and a call that only tried (`..._try_get_...`) becomes the
one that takes for sure, or a helper that does; an atomic operation that answered becomes one that does not, and a
second one asks, with no lock held at both; a count that reaches zero with the lock held, which is taken behind that
now; and a flag that is chosen by another answer of the same question. So do a put that became what its body does for
the last reference only, an allocator that zeroes and one that does not where a part is read or handed on that nothing
fills, a new release of one page of a block, a constant that may sleep in the place of the caller's gfp mask, one that
permits what `GFP_ATOMIC`, `GFP_NOFS` or the like did not, in a patch that has no word of masks, a lock that became an
RCU section around a look into objects which the folder frees with no grace period, a page of a user that is marked
dirty without the folio lock and then given up, an entry point for pins that is made of one for gets, a `spinlock_t`
that was a raw one, in a patch that has no word of PREEMPT_RT, and an operator in the place of an accessor that does
more in some configurations (`page + i` for `nth_page`, `*pte` for `ptep_get`).

## Why it matters
Conversions and clean-ups exchange primitives by the dozen, and the weaker one nearly always works: the difference is a
race, or a counter that ends one reference short.

## Bad
```diff
-unpin_user_page(page);
+put_page(page);
```

## Good
```diff
-unpin_user_page(page);
+unpin_user_pages(&page, 1);
```

## Limits
Only orders that the tables name are judged. Orders that hold only where nothing may sleep (`GFP_ATOMIC`, trylocks) are
judged only where the function itself holds the lock; sleep-under-ptl reports the rest. `_irq` for `_irqsave`, or for a
plain lock, is a warning where a caller (or who calls it by pointer) has interrupts off or the function is reached from
one that may be called anywhere (`folio_put`); a plain lock for `_irq`, where others of the file go on taking that lock
with interrupts off, or none does any more in a patch that has no word of interrupts, and nothing says that they are off
here. Silent when the stronger call is made about the same thing elsewhere in the function. Orders without a scenario
(interrupts left on, `mmap_read_lock` for `mmap_write_lock`) are said at info.

## Sources
Documentation/core-api/pin_user_pages.rst; include/linux/page_ref.h; mm/pgtable-generic.c; kernel/steps.toml.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.values.unflagged import asked_for_others, fewer_passed
from mmlint.changes.weaker.byhand import by_hand
from mmlint.changes.weaker.flagless import handed_no_more, never_writing
from mmlint.changes.weaker.oneoforder import one_of_order
from mmlint.changes.weaker.ownmask import enters_now, own_mask
from mmlint.changes.weaker.weaken import NOTHING, Weaker, weakened
from mmlint.facts.pins.direction import WRITE
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import MIX1, S2, find

from mmlint_rules.pat.lost import cut

_MAX_HITS = 6


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each primitive that became weaker, at the weaker one."""
    after = change.after
    if after is None:
        return
    for found in weakened(change)[:_MAX_HITS]:
        scenario = find(found.row.scenario) if found.row.scenario else None
        hit = after.hit(
            found.now.expr,
            _message(found),
            severity=None if scenario is not None else Severity.INFO,
            anchor=f"{found.row.name} {found.step.word} {found.lost or found.now.word}",
        )
        yield replace(hit, scenario=scenario)
    told = {id(found.now) for found in weakened(change)}
    for _, now, flag in fewer_passed(change):
        if id(now) not in told:
            yield after.hit(now.expr, f"`{now.word}` no longer gets `{flag}`", anchor=f"flag {now.word} {flag}")
    for now, mask, constant in own_mask(change):
        if id(now) not in told:
            message = f"`{now.word}` gets `{cut(constant.key)}` now, whatever `{cut(mask.key)}` permits"
            yield after.hit(now.expr, message, anchor=f"mask {now.word} {mask.key}")
    for now, mask, constant in enters_now(change):
        if id(now) not in told:
            message = f"`{now.word}` gets `{cut(constant.key)}` now: reclaim may do what `{cut(mask.key)}` kept it from"
            yield after.hit(now.expr, message, anchor=f"enters {now.word} {mask.key}")
    yield from _for_reading(change)
    single = one_of_order(change)
    if single is not None and id(single[0]) not in told:
        message = f"`{single[0].word}` frees one page of a block of order `{cut(single[1])}`"
        yield after.hit(single[0].expr, message, anchor=f"order {single[0].key}")
    for by in by_hand(change):
        message = f"`{by.was.word}` became `{cut(by.now.key)}`: {by.row.what} is lost"
        hit = after.hit(by.now, message, anchor=f"{by.row.name} {by.was.word}")
        yield replace(hit, scenario=find(by.row.scenario))
    for now, flag, was, asked in asked_for_others(change):
        message = f"`{now.word}` gets `{flag}` if `{cut(asked)}` now, no longer if `{cut(was)}`"
        severity = Severity.INFO if change.patch.mends else None
        yield after.hit(now.expr, message, severity=severity, anchor=f"choice {now.word} {flag}")


def _for_reading(change: FunctionChange) -> Iterator[Hit]:
    """Report the calls of GUP that asked for write access and do not any more."""
    compared = comparison(change)
    if compared is None:
        return
    told = {id(each.now.expr) for each in weakened(change)} | {id(now.expr) for _, now, _ in fewer_passed(change)}
    for now, flag in handed_no_more(compared, (WRITE,)):
        if id(now.expr) not in told:
            told.add(id(now.expr))
            hit = compared.after.hit(now.expr, f"`{now.word}` is no longer handed {flag}", anchor=f"{flag} {now.word}")
            yield replace(hit, scenario=S2)
    for call in never_writing(compared):
        if id(call) not in told:
            message = f"`{call.value}` might ask for write access, and does not any more"
            yield replace(compared.after.hit(call, message, anchor=f"{WRITE} {call.value}"), scenario=S2)


def _message(found: Weaker) -> str:
    if found.lost and found.row.calls[0] == NOTHING:
        return f"`{found.now.word}` gets `{found.lost}` now: {found.row.what} is lost"
    if found.lost:
        return f"`{found.now.word}` no longer gets `{found.lost}`: {found.row.what} is lost"
    return f"`{found.step.word}` became `{found.now.word}`: {found.row.what} is lost"


RULE = Rule(
    code="PAT114",
    name="weaker-primitive",
    summary="a call is exchanged for one that does less, or loses a flag it needs",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=MIX1,
    partial=True,
)
