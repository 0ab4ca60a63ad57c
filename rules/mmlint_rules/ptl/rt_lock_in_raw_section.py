"""PTL114 rt-lock-in-raw-section: a spinlock_t is taken where PREEMPT_RT may not sleep.

## What it does
Reports `spin_lock()` and its relatives, page-table locks included, taken while a raw spinlock is held or preemption is
off (`preempt_disable()`, `get_cpu()`, `get_cpu_var()`, `get_cpu_ptr()`).

## Why it matters
On PREEMPT_RT a `spinlock_t` is a sleeping lock. Inside a raw section it schedules with preemption off, which that
kernel answers with a warning at best.

## Bad
```c
mf_cpu = &get_cpu_var(memory_failure_cpu);
spin_lock_irqsave(&mf_cpu->lock, flags);
```

## Good
```c
mf_cpu = &get_cpu_var(memory_failure_cpu);
raw_spin_lock_irqsave(&mf_cpu->lock, flags);
```

## Limits
Sections with interrupts off by `local_irq_disable()` are not looked at: much of the kernel that does so never runs on
PREEMPT_RT. A lock taken in a called function is not seen.

## Sources
Documentation/locking/locktypes.rst; commit d75abd0d0bc2 (memory-failure: raw_spinlock_t).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import RT1

_RAW = frozenset({"raw_spin", "preempt"})


def check(function: Function) -> Iterator[Hit]:
    """Report each taking of a sleeping spinlock in a raw section, once for a section."""
    if not lock_tokens(function):
        return
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated:
        return
    seen: set[tuple[int, str]] = set()
    for name, calls in sorted(function.calls.items()):
        takes = [t for t in function.tables.takes.get(name, ()) if t.mode != "try"]
        if not any((kind := function.tables.kinds.get(t.kind)) is not None and kind.rt_sleeps for t in takes):
            continue
        for _, call in calls:
            states = facts.held(call)
            sections = [h for h in states[0] if h.kind in _RAW and not h.gone] if states else []
            outer = next((h for h in sorted(sections) if all(h in prop for prop in states)), None)
            if outer is None or (outer.line, outer.name) in seen:
                continue
            seen.add((outer.line, outer.name))
            yield function.hit(
                call,
                f"`{name}` takes a `spinlock_t` in the raw section of `{outer.name}` (line {outer.line}): sleeps on RT",
                steps=(function.step(outer.line, f"`{outer.name}` begins a section in which RT may not sleep"),),
                anchor=f"{call.key} in {outer.name}",
            )


RULE = Rule(
    code="PTL114",
    name="rt-lock-in-raw-section",
    summary="a spinlock_t is taken where PREEMPT_RT may not sleep",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(locks,),
    tables=("takes",),
    check=check,
    scenario=RT1,
)
