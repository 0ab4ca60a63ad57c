"""PTL106 mixed-return-protocol: one return value carries a swap entry on one way and an errno on another.

## What it does
Reports the return of an errno (`return -ENOMEM`) by a function that elsewhere returns the raw value of a swap entry
(`return entry.val`).

## Why it matters
The fork copy tells its caller by a non-zero value that a swap count must be continued once the page-table locks are
dropped. An errno in the same value is taken for a slot: the caller goes on with a swap entry that does not exist
instead of failing.

## Bad
```c
if (swap_duplicate(entry) < 0)
        return entry.val;
if (!new_page)
        return -ENOMEM;
```

## Good
```c
if (swap_duplicate(*entry) < 0)
        return -EIO;
if (!new_page)
        return -EAGAIN;
```

## Limits
Seen are errnos by name, and those of a function of the same file that returns nothing but them and 0, straight or by
way of the variable that is returned. Hunks alone do not always show what else is returned: then the tables say it.

## Sources
linux-mm thread of August 2020, the FIXME on copy_one_pte (digest 000, D5, I19 and S15);
mm/memory.c copy_nonpresent_pte.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.mixedreturn import mixed_returns
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S15


def check(function: Function) -> Iterator[Hit]:
    """Report each errno that shares its way out with a swap entry."""
    for found in mixed_returns(function):
        value, callee = found.value, found.callee
        what = f"`{found.error.key}`" if callee is None else f"the errno of `{callee.name}`"
        told = f"`{value.key}` is returned in line {value.line}" if value else f"`{function.name}` returns its value"
        steps = [callee.step(callee.line, f"`{callee.name}` returns 0 or an errno")] if callee else []
        if value is not None:
            steps.append(function.step(value.line, f"`{value.key}` is returned here, by its value"))
        yield function.hit(
            found.error,
            f"{what} goes the way of a swap entry: {told}",
            steps=tuple(steps),
            anchor=f"returns {found.error.key} and {value.key if value else 'a swap entry'}",
        )


RULE = Rule(
    code="PTL106",
    name="mixed-return-protocol",
    summary="one return value carries a swap entry on one way and an errno on another",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(mixed_returns,),
    tokens=("swp_entry_t",),
    check=check,
    partial=True,
    scenario=S15,
)
