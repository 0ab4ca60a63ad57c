"""PTL104 ptl-imbalance: a way out of the function keeps a lock that its siblings give up, or gives one up twice.

## What it does
Follows every lock, mapped page table and RCU section that a function takes to all its exits. It reports an exit that
still holds what the other exits release, an unlock of what is no longer held or, on that way, never was, and a
page-table lock taken again while held; and an inner unlock, of its own or in a callee, that turns interrupts on though
the outer lock was taken with them off, or a nested `..._irqsave()` into the variable of the outer one. What a contract
explains is left alone: annotations, a name with "lock" in it, a result that says so, a lock that is returned or stored,
a caller that releases it.

## Why it matters
The next fault in the range waits for a page-table lock whose owner is long gone. A missing `pte_unmap()` leaves an RCU
read section open (since 6.6) or a kmap slot in use, on a path that tests seldom take.

## Bad
```c
pte = pte_offset_map_lock(mm, pmd, addr, &ptl);
if (!pte_present(ptep_get(pte)))
        return -EFAULT;
pte_unmap_unlock(pte, ptl);
```

## Good
```c
if (!pte_present(ptep_get(pte))) {
        pte_unmap_unlock(pte, ptl);
        return -EFAULT;
}
```

## Limits
Folio locks count only on error returns. Of spinlocks and mutexes that are not mm's own only exits that other exits
contradict are reported; that a patch takes the only release away is PTL117. On hunks alone a function must be shown
whole, but for two releases in a row and for a way round the taking call of which every line is shown. Where a callee
changes locks in a way that its result does not tell, or where a method gets the object that the lock lies in, the rule
is silent. On mm/, fs/, kernel/ and arch/x86 of 6.12 it reports three places, all right; locks that are not mm's own are
warnings, for their contracts are not in the tables.

## Sources
Documentation/mm/split_page_table_lock.rst; review practice RR-4, RR-5, RR-8, RF-3, RF-8 to RF-10.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmlint.facts.function import Function
from mmlint.facts.locks.balance import Left, left_held
from mmlint.facts.locks.irqnest import Overwritten, TurnedOn, overwritten, turned_on
from mmlint.facts.locks.relock import Twice, dropped_in_a_row, twice
from mmlint.facts.locks.skipped import Skipped, released_untaken
from mmlint.facts.views.looked import LOCK_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FG13, LK1

_OTHERS = frozenset({"walk", "notifier", "lazy_mmu"})
"""Kinds with a rule of their own."""


def check(function: Function) -> Iterator[Hit]:
    """Report each taking call whose lock stays behind on an exit, and each release or taking that comes twice."""
    for left in left_held(function) if function.whole else ():
        if left.lock.kind not in _OTHERS:
            yield report(function, left)
    again = tuple(found for found in twice(function) if found.ours) if function.whole else ()
    for found in again or dropped_in_a_row(function):
        yield _twice(function, found)
    known = {found.call.key for found in again}
    for skipped in released_untaken(function):
        if skipped.call.key not in known:
            yield _skipped(function, skipped)
    for on in turned_on(function) if function.whole else ():
        yield _turned_on(function, on)
    for lost in overwritten(function) if function.whole else ():
        yield _overwritten(function, lost)


def report(function: Function, left: Left) -> Hit:
    """A lock left behind, with the places that take it, release it elsewhere, and leave with it."""
    lock = left.lock
    steps = [function.step(lock.line, f"`{lock.name}` takes {describe(lock.kind, lock.key)}")]
    steps += [function.step(line, "released here on another way out") for line in left.drops[:3]]
    steps.append(function.step(left.exit.line, "leaves the function with it"))
    return function.hit(
        left.at,
        f"{describe(lock.kind, lock.key)} from `{lock.name}` (line {lock.line}) is still held when it returns",
        steps=tuple(steps),
        severity=None if left.ours else Severity.WARNING,
        confidence=None if left.sure and left.ours else Confidence.MEDIUM,
        anchor=f"left {lock.kind} {lock.key} {lock.name}",
    )


def _twice(function: Function, found: Twice) -> Hit:
    what = describe(found.kind, found.key)
    text = (
        f"`{found.call.value}` takes {what} again"
        if found.again
        else f"`{found.call.value}` releases {what}, not held here"
    )
    return function.hit(
        found.call,
        f"{text} (taken in line {found.taken})",
        steps=(function.step(found.taken, f"takes {what}"),),
        confidence=Confidence.MEDIUM,
        anchor=f"{'again' if found.again else 'twice'} {found.call.key}",
    )


def _skipped(function: Function, found: Skipped) -> Hit:
    return function.hit(
        found.call,
        f"`{found.call.value}` releases `{found.key}`, which the way from line {found.jump.line} never took",
        steps=(
            function.step(found.jump.line, "the way to the release parts here"),
            function.step(found.taken.line, "from the only place that takes it"),
        ),
        severity=Severity.WARNING,
        confidence=Confidence.MEDIUM,
        anchor=f"untaken {found.call.key}",
    )


def _turned_on(function: Function, found: TurnedOn) -> Hit:
    what, line = describe(found.outer.kind, found.outer.key), found.outer.line
    hit = function.hit(
        found.call,
        f"`{found.call.value}` turns interrupts on, {what} (line {line}) is held with them off",
        steps=(function.step(line, f"takes {what}, interrupts off"),),
        confidence=Confidence.MEDIUM,
        anchor=f"irqs on {found.call.key}",
    )
    return replace(hit, scenario=FG13)


def _overwritten(function: Function, found: Overwritten) -> Hit:
    what, line = describe(found.outer.kind, found.outer.key), found.outer.line
    hit = function.hit(
        found.call,
        f"`{found.call.value}` overwrites `{found.variable}`, which {what} (line {line}) is to be given up with",
        steps=(function.step(line, f"saves what interrupts were in `{found.variable}`"),),
        severity=Severity.WARNING,
        confidence=Confidence.MEDIUM,
        anchor=f"overwrites {found.variable} {found.call.key}",
    )
    return replace(hit, scenario=FG13)


def describe(kind: str, key: str) -> str:
    """A lock in words."""
    named = {
        "ptl": "the page-table lock",
        "pte_map": "the mapped page table",
        "rcu": "the RCU read section",
        "walk": "the page-table walk",
        "notifier": "the range",
        "lazy_mmu": "lazy MMU mode",
    }.get(kind)
    return f"{named} `{key}`" if named and key else named or (f"`{key}`" if key else f"the {kind}")


RULE = Rule(
    code="PTL104",
    name="ptl-imbalance",
    summary="a way out of the function keeps a lock that its siblings give up, or gives one up twice",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(left_held, twice, released_untaken, turned_on),
    check=check,
    partial=True,
    places=LOCK_CALLS,
    scenario=LK1,
)
