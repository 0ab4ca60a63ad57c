"""DEV106 hook-above-page-ref: a reference of a device page is counted elsewhere, by a hook beside the page count.

## What it does
Reports a call made only for device pages (`if (is_zone_device_page(page))`) in a function that raises or lowers the
count of the same page by a primitive.

## Why it matters
Others use the primitive itself, or a speculative form of it, and miss the hook. The two counts drift apart, and the
device goes away under a page, or never.

## Bad
```c
page_ref_inc(page);
if (is_zone_device_page(page))
        get_zone_device_page(page);
```

## Good
```c
page_ref_inc(page);
```

## Limits
What is done when the count reaches its end (`put_page_testzero`) is no such hook, and only
functions of a page and perhaps a number are looked at. Silent on 6.1 and 6.12, which have no such hook.

## Sources
digest of the ZONE_DEVICE reference thread, rules R-RC2 and R-RC3; commit 71389703839e.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.devpage import hooks
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD1


def check(function: Function) -> Iterator[Hit]:
    """Report each hook beside a primitive."""
    for hook, count in hooks(function):
        step = function.step(count.line, f"`{count.value}` counts without it")
        message = f"`{hook.value}` counts device pages beside `{count.value}`, which others use alone"
        yield function.hit(hook, message, steps=(step,))


RULE = Rule(
    code="DEV106",
    name="hook-above-page-ref",
    summary="a hook for device pages stands beside a primitive that others use without it",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(hooks,),
    tables=("ref_helpers",),
    check=check,
    partial=True,
    scenario=ZD1,
)
