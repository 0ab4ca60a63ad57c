"""PTL117 lock-release-removed: a patch takes away the release of a lock that the function still takes.

## What it does
Compares a function before and after a patch. Every way out gave the lock up before; after the patch one way keeps it,
and no caller, callee or twin function releases it. Or a lock of the callers came back held (given up) on all ways out
and on one of them no longer does; or a context of theirs (an RCU section) was always entered again and is left for
good. Or the release is gone from one arm of a branch, from which a way leads out or back to the taking of the lock. Or
the release no longer fits the taking call (`_irq` for `_irqsave`), or nothing looks at the result of a trylock any
more. Also reports a lock that the patch makes the function take or release twice, or release without having taken it.
Covers every lock that the tables know: page-table locks, spinlocks, RCU, mutexes, rwsems, mmap_lock, MMU notifier
ranges, lazy MMU mode.

## Why it matters
An early return added inside a locked section, a `goto` to a label below the unlock, a dropped unlock line: the function
worked, and after the patch it hangs the next user of the lock.

## Bad
```c
        spin_lock(&pool->lock);
+	if (!pool->nr)
+		return 0;
        spin_unlock(&pool->lock);
```

## Good
```c
+	if (!pool->nr) {
+		spin_unlock(&pool->lock);
+		return 0;
+	}
```

## Limits
A patch that moves a release to the caller is recognised if the caller is in the same folder; one that moves it to
another function of the file, called later, is info. Folio locks, whose release often belongs to a callee, are left to
PTL104.

## Sources
Review practice RR-8, RR-24; reviewer-found bugs on the lists: "a lock left held on one exit of a function whose other
exits are right".
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.arms import kept_on_arms
from mmlint.changes.locks.exits import changed_exits, given_up_elsewhere, newly_owed
from mmlint.changes.locks.unevenly import left_unevenly
from mmlint.changes.locks.variants import unused_trylocks, wrong_variants
from mmlint.facts.function import Function
from mmlint.facts.locks.balance import left_held, lost_releases
from mmlint.facts.locks.relock import gone_already, twice
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK1

from mmlint_rules.ptl.imbalance import describe

_BY_CALLEE = frozenset({"folio_lock", "kmap", "pagefault_off", "migrate_off", "migrate", "seqcount"})


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report locks that the patched function keeps, takes or releases once too often, and the old one did not."""
    before, after = change.before, change.after
    if before is None or after is None:
        return
    lost, exits = list(_lost(change, before, after)), list(_exits(change, after))
    yield from lost
    yield from _misused(change, after)
    yield from exits
    if not (left_held(after) or lost_releases(before, after) or exits):
        yield from _arms(change, after)
    yield from _twice(before, after)
    yield from _untaken(change, after)


def _lost(change: FunctionChange, before: Function, after: Function) -> Iterator[Hit]:
    said = {(left.lock.kind, left.lock.key) for left in left_held(after)}
    for lost in lost_releases(before, after):
        lock = lost.lock
        if lock.kind in _BY_CALLEE or (lock.kind, lock.key) in said:
            continue
        what = describe(lock.kind, lock.key)
        yield after.hit(
            lost.exit,
            f"{what} from `{lock.name}` (line {lock.line}) is held at this exit; before the patch it was released",
            steps=(after.step(lock.line, f"`{lock.name}` takes {what}"), after.step(lost.exit.line, "leaves with it")),
            severity=Severity.INFO if given_up_elsewhere(change, lock) else None,
            anchor=f"lost {lock.kind} {lock.key}",
        )


def _misused(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for call in unused_trylocks(change):
        yield after.hit(call, f"nothing looks at the result of `{call.value}` any more", anchor=f"unused {call.key}")
    for wrong in wrong_variants(change):
        yield after.hit(
            wrong.call,
            f"`{wrong.call.value}` does not fit `{wrong.taken}` (line {wrong.line})",
            steps=(after.step(wrong.line, f"`{wrong.taken}` takes it"),),
            anchor=f"variant {wrong.call.key} {wrong.taken}",
        )


def _exits(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for way in changed_exits(change) or left_unevenly(change):
        what = describe(way.lock.kind, way.lock.key)
        state = "is not held any more" if way.gone else "is still held"
        yield after.hit(
            way.exit,
            f"{what} of the callers {state} at this exit; before the patch all such exits "
            + ("came back with it" if way.gone else "gave it up"),
            steps=(after.step(after.line, f"`{after.name}` is entered with {what}"),),
            anchor=f"exit {way.lock.kind} {way.lock.key}",
        )


def _untaken(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for held in newly_owed(change):
        call = next(call for _, call in after.calls[held.name] if call.line == held.line)
        message = f"{describe(held.kind, held.key)} is given up here, and nothing takes it any more"
        yield after.hit(call, message, anchor=f"untaken {held.kind} {held.key}")


def _arms(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for arm in kept_on_arms(change):
        yield after.hit(
            arm.start.expr or arm.start,
            f"`{arm.release.value}` is gone here, and a way leads on with {describe(arm.kind, arm.key)}",
            confidence=Confidence.MEDIUM,
            anchor=f"arm {arm.release.key}",
        )


def _twice(before: Function, after: Function) -> Iterator[Hit]:
    old = {(found.kind, found.key, found.again) for found in (*twice(before), *gone_already(before))}
    new = [(found, "taken here") for found in twice(after) if not found.ours]
    for found, before_it in (*new, *((each, "given up here") for each in gone_already(after))):
        if (found.kind, found.key, found.again) not in old:
            verb = "takes" if found.again else "releases"
            yield after.hit(
                found.call,
                f"`{found.call.value}` {verb} {describe(found.kind, found.key)} once more than the function should",
                steps=(after.step(found.taken, before_it),),
                confidence=Confidence.MEDIUM,
                anchor=f"{verb} twice {found.call.key}",
            )


RULE = Rule(
    code="PTL117",
    name="lock-release-removed",
    summary="a patch takes away the release of a lock that the function still takes",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(left_held, twice),
    compare=compare,
    scenario=LK1,
)
