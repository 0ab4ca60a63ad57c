"""MIG106 address-stride-shift: an address or a size advances by a shift count instead of a size.

## What it does
Reports `x += PAGE_SHIFT` and the same with PMD, PUD, HPAGE and HPAGE_PMD shifts: the step is 12 where 4096 was meant.

## Why it matters
The loop visits the same page many times and never reaches the rest of the range: entries stay unmigrated, pages locked.

## Bad
```c
for (; addr < end; addr += PAGE_SHIFT)
```

## Good
```c
for (; addr < end; addr += PAGE_SIZE)
```

## Limits
A variable whose name says that it counts bits (shift, order, bits) is left alone. No kernel code matches today.

## Sources
Rule R-MG7; the HMM migration thread (HM5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM5

_SHIFTS = frozenset({"PAGE_SHIFT", "PMD_SHIFT", "PUD_SHIFT", "HPAGE_SHIFT", "HPAGE_PMD_SHIFT", "HPAGE_PUD_SHIFT"})
_STEP = re.compile(rb"[+-]=[^;]*_SHIFT\b")
_COUNTS = ("shift", "order", "bit", "log", "width")


def check(function: Function) -> Iterator[Hit]:
    """Report each step by a shift count."""
    if not _STEP.search(function.text):
        return
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if _steps_by_shift(expr):
                yield function.hit(
                    expr, f"`{expr.args[0].key}` advances by the shift count `{expr.args[1].key}`, not by a size"
                )


def _steps_by_shift(expr: Expr) -> bool:
    if expr.kind != "assign" or expr.value not in ("+=", "-="):
        return False
    target, step = expr.args
    return step.kind == "name" and step.value in _SHIFTS and not any(word in target.key.lower() for word in _COUNTS)


RULE = Rule(
    code="MIG106",
    name="address-stride-shift",
    summary="an address or a size advances by a shift count instead of a size",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    tokens=("PAGE_SHIFT", "PMD_SHIFT", "PUD_SHIFT", "HPAGE_SHIFT", "HPAGE_PMD_SHIFT", "HPAGE_PUD_SHIFT"),
    shape=r"[+-]=\s*\(?\s*[A-Z_]*_SHIFT\b",
    check=check,
    scenario=HM5,
)
