"""PTL118 sleep-brought-under-lock: a patch brings a call that may sleep under a spinlock or page-table lock.

## What it does
Compares a function before and after a patch. A call that may sleep was made without an atomic lock; after the patch it
is made inside one: the call moved, the lock is taken earlier or released later, or the callers' lock (or the page table
that they have mapped) is no longer given up around it. Or the function is one in which nothing may sleep, as the kernel
tables say of it or of the callback that it is, or that comes behind a callback which leaves a lock held (`show` of a
seq_file behind its `start`). Calls are followed into callees, release callbacks and operation tables.

A call whose gfp mask lets it sleep since the patch is reported where a caller reaches it under an atomic lock, and one
that a parameter (`atomic`) kept from such callers where `in_task()` or its kin lets them through. So is one that
reclaims since the patch under a mutex which the folder's MMU notifier takes.

A call that now stands under a global lock which it takes itself, up to three calls deep, is reported too, and one that
takes locks which the tables put before the mmap lock, where that is held now. So is a work function that was queued for
a worker and is called under the lock now.

## Why it matters
The old code dropped the lock for this very call. On a preemptible kernel the task is scheduled away with a spinlock;
under a page-table lock reclaim may wait for the lock that is held.

## Bad
```diff
-	spin_unlock(&queue->lock);
        flush_and_free(work);
-	spin_lock(&queue->lock);
```

## Good
```diff
        spin_unlock(&queue->lock);
+	trace_done(work);
        flush_and_free(work);
        spin_lock(&queue->lock);
```

## Limits
PTL101 speaks where the sleep is certain from the code alone. This rule also speaks where a gfp mask is not known, where
the sleep depends on a condition deep in a callee, or on the function behind a pointer, for which it takes those that
initialisers of the folder give to the field.

## Sources
Documentation/locking/locktypes.rst; Documentation/mm/split_page_table_lock.rst; digest of the fork/COW thread of
August 2020, L5990 and L6247-6281.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.brought import Brought, brought_under
from mmlint.changes.locks.bytask import by_task
from mmlint.changes.locks.forbidden import Forbidden, forbidden_sleeps
from mmlint.changes.locks.notifierlock import WaitsForItself, waits_for_itself
from mmlint.changes.locks.sleepsnow import SleepsNow, sleeps_now
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK6, S12

from mmlint_rules.ptl.imbalance import describe

_MAX_HITS = 4


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each call that the change brings under an atomic lock."""
    after = change.after
    if after is None:
        return
    for found in brought_under(change)[:_MAX_HITS]:
        yield _hit(after, found)
    for banned in forbidden_sleeps(change)[:_MAX_HITS]:
        yield _banned(after, banned)
    for now in sleeps_now(change)[:_MAX_HITS]:
        yield _sleeps_now(after, now)
    itself = waits_for_itself(change)
    if itself is not None:
        yield replace(_waits(after, itself), scenario=LK6)
    told = by_task(change)
    if told is not None and told.test.expr is not None:
        message = f"`{told.test.expr.key}` does not tell of locks, as `{told.param}` did: `{told.act.word}` may sleep"
        steps = (after.step(told.test.line, "this lets callers through who hold a lock"),)
        yield after.hit(told.act.expr, message, steps=steps, anchor=f"by task {told.act.key}")


def _hit(after: Function, found: Brought) -> Hit:
    lock = describe(found.held.kind, found.held.key)
    name = found.call.value or found.call.key.partition("(")[0]
    whose = f"{lock} of its callers" if found.callers else lock
    first = (
        after.step(found.held.line, f"`{found.held.name}` takes {lock}")
        if not found.callers
        else after.step(after.line, f"`{after.name}` is entered with {lock}")
    )
    return after.hit(
        found.call,
        _says(after, found, name, whose),
        steps=(first, *(found.sleeper.steps if found.sleeper is not None else ())),
        anchor=f"brought {found.call.key} under {found.held.key}",
    )


def _says(after: Function, found: Brought, name: str, whose: str) -> str:
    if found.sleeper is None and found.left:
        return f"`{name}` was left to a worker, which may sleep, and is called under {whose} now"
    if found.sleeper is None and name in after.tables.outside:
        kind = found.held.kind.replace("_", " ")
        return f"`{name}` takes locks that come before the {kind} of {whose}, under which it is called now"
    if found.sleeper is None and found.call.value:
        return f"`{name}` may take {whose} itself, under which it is called now"
    if found.sleeper is None:
        return f"`{name}` is now called under {whose}, which was given up for it"
    via = "" if found.sleeper.name == name else f" (through `{found.sleeper.name}`)"
    before = "was called without it" if found.moved else "is new there"
    return f"`{name}` may sleep{via} and is now under {whose}; it {before}"


def _banned(after: Function, found: Forbidden) -> Hit:
    context = found.context
    name = found.call.value
    via = "" if found.sleeper.name == name else f" (through `{found.sleeper.name}`)"
    return after.hit(
        found.call,
        f"`{name}` may sleep{via} in `{context.root.name}`: {context.why}",
        steps=(context.root.step(context.root.line, context.why), *context.steps, *found.sleeper.steps),
        anchor=f"forbidden {found.call.key}",
    )


def _sleeps_now(after: Function, found: SleepsNow) -> Hit:
    below = found.below
    named = below.context or below.kind in ("rcu", "pte_map", "walk")
    lock = describe(below.kind, below.context) if named else f"a section that may not sleep ({below.kind})"
    return after.hit(
        found.call,
        f"`{found.call.value}` may sleep since the patch: `{found.caller.name}` gets here under {lock}",
        steps=(found.caller.step(below.lock_line, f"`{below.lock_name}` takes {lock}"), *below.sleeper.steps),
        anchor=f"sleeps now {found.call.value}",
    )


def _waits(after: Function, found: WaitsForItself) -> Hit:
    lock, holder, notifier = found.lock, found.holder, found.notifier
    steps = (
        holder.step(lock.line, f"`{holder.name}` takes `{lock.key}`"),
        notifier.step(notifier.line, f"`{notifier.name}` takes it when pages are unmapped"),
    )
    message = f"`{found.call.value}` may reclaim since the patch, under `{lock.key}`, which `{notifier.name}` waits for"
    return after.hit(found.call, message, steps=steps, anchor=f"waits for itself {found.call.value}")


RULE = Rule(
    code="PTL118",
    name="sleep-brought-under-lock",
    summary="a patch brings a call that may sleep under a spinlock or page-table lock",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=S12,
)
