"""REF102 pin-bias-leak: GUP_PIN_COUNTING_BIAS is used outside mm.

## What it does
Reports an expression with GUP_PIN_COUNTING_BIAS in a function outside mm and its headers.

## Why it matters
How pins are counted is mm's to change: large folios count them apart, and the zero page not at all.
`folio_maybe_dma_pinned` is the question that others may ask.

## Bad
```c
pinned = page_count(page) >= GUP_PIN_COUNTING_BIAS;
```

## Good
```c
pinned = folio_maybe_dma_pinned(page_folio(page));
```

## Limits
On 6.12 one place does it, the self test of iommufd, which knows mm's counting on purpose.

## Sources
digest of the fork/COW thread, rule A2 and L3764.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S33

_BIAS = "GUP_PIN_COUNTING_BIAS"


def check(function: Function) -> Iterator[Hit]:
    """Report the first use in a function that is no part of mm."""
    if function.path.endswith(".h") or _is_gup(function):
        return
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "name" and expr.value == _BIAS:
                yield function.hit(expr, f"`{_BIAS}` is mm's way to count pins; ask `folio_maybe_dma_pinned`")
                return


def _is_gup(function: Function) -> bool:
    """Whether the file is the one that defines the entry points, which hunks alone may not show."""
    if function.program.partial and function.path.startswith("mm/"):
        return True
    return any(other.name in function.tables.gup for other in function.program.functions(function.path))


RULE = Rule(
    code="REF102",
    name="pin-bias-leak",
    summary="the bias that counts pins is used outside mm",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    check=check,
    tokens=(_BIAS,),
    partial=True,
    scenario=S33,
)
