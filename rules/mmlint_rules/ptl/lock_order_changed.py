"""PTL119 lock-order-changed: a patch turns the order of two locks round, or drops the comparison that ordered them.

## What it does
Compares a function before and after a patch. Two locks of one kind were taken in the order of their addresses, and the
comparison is gone; or one lock was waited for with another held, and now it is the other way round, which nothing else
in the file does. Or both are still taken inside each other, and no longer told apart: if they are one, the task waits
for itself. So it does where the last reference was told apart, to let the lock go first that its release takes, and a
plain put with the lock held does for both.

## Why it matters
Two tasks that take the same two locks in different order wait for each other for ever. lockdep sees it only if both
orders run; of two locks of one class it sees nothing.

## Bad
```diff
-	if (a > b)
-		swap(a, b);
        spin_lock(a);
        spin_lock_nested(b, SINGLE_DEPTH_NESTING);
```

## Good
```diff
-	if (a > b)
+	if (b < a)
                swap(a, b);
        spin_lock(a);
        spin_lock_nested(b, SINGLE_DEPTH_NESTING);
```

## Limits
Locks are told apart by their text. Trylocks have no order. An order that the patch changes in all places of the file is
taken as meant. It is told at info where the patch says what it mends (`Fixes:`): one of the two orders is wrong, and
its author names it.

## Sources
Documentation/locking/lockdep-design.rst; comment on top of mm/rmap.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.locks.lastunder import last_under
from mmlint.changes.locks.nesting import order_lost, reversed_nesting
from mmlint.changes.locks.onelock import identity_lost
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LK2


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report two locks whose order the change turns round or leaves to chance."""
    after = change.after
    if after is None:
        return
    lost = order_lost(change)
    if lost is not None:
        yield after.hit(
            lost.call,
            f"`{lost.first}` and `{lost.second}` are locked without the comparison that gave them an order",
            anchor=f"unordered {lost.first} {lost.second}",
        )
    unasked = identity_lost(change) if lost is None else None
    if unasked is not None:
        yield after.hit(
            unasked.call,
            f"`{unasked.inner}` is taken inside `{unasked.outer}`, and nothing asks any more whether they are one lock",
            anchor=f"one lock {unasked.outer} {unasked.inner}",
        )
    turned = reversed_nesting(change)
    if turned is not None:
        yield after.hit(
            turned.call,
            f"`{turned.inner}` is now taken inside `{turned.outer}`; before the patch it was the other way round",
            steps=(after.step(turned.outer_line, f"takes `{turned.outer}`"),),
            severity=Severity.INFO if change.patch.mends else None,
            anchor=f"reversed {turned.outer} {turned.inner}",
        )
    under = last_under(change)
    if under is not None:
        yield after.hit(
            under.put.expr,
            f"`{under.last.word}` came behind `{under.drop.word}`; `{under.put.word}` may do it with that lock held",
            steps=(after.step(under.line, "the lock is taken here, and the last release takes it as well"),),
            anchor=f"last under {under.put.key}",
        )


RULE = Rule(
    code="PTL119",
    name="lock-order-changed",
    summary="a patch turns the order of two locks round, or drops the comparison that ordered them",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=LK2,
)
