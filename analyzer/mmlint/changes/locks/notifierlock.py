"""Allocations that a patch lets reclaim under a lock which the MMU notifier of the folder takes: reclaim unmaps pages,
calls the notifier, and waits for its own task.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.changes.locks.sleepsnow import sleep_since
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.lockclass import class_of, takes_itself
from mmlint.facts.locks.locks import locks
from mmlint.facts.pins.notified import folder_notifier
from mmlint.frozen import dataclass

_WAITED_FOR = frozenset({"mutex", "rwsem"})
_LEVELS = 2


@dataclass(frozen=True, slots=True)
class WaitsForItself:
    """`call` may reclaim since the patch, under `lock`, which `holder` holds for it and `notifier` takes."""

    call: Expr
    lock: Held
    holder: Function
    notifier: Function


def waits_for_itself(change: FunctionChange) -> WaitsForItself | None:
    """The first such call."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    after = compared.after
    for call in sleep_since(compared):
        notifier = folder_notifier(after)
        held = next(_held(after, call, notifier, _LEVELS), None) if notifier is not None else None
        if held is not None and notifier is not None:
            return WaitsForItself(call, *held, notifier)
    return None


def _held(function: Function, call: Expr, notifier: Function, level: int) -> Iterator[tuple[Held, Function]]:
    """The locks of the notifier that are held at a call, by the function or by who calls it; with the holder."""
    for prop in locks(function).held(call):
        for lock in sorted(prop):
            kind = class_of(function, lock.key) if lock.kind in _WAITED_FOR and not lock.gone else None
            if kind is not None and takes_itself(notifier, kind):
                yield lock, function
    for caller in callers(function) if level else ():
        for _, each in caller.calls.get(function.name, ()):
            yield from _held(caller, each, notifier, level - 1)
