"""REF117 hook-not-in-all: some primitives of the page count have a hook, others change the same count without it.

## What it does
Looks at the primitives that change `_refcount` in one header (`page_ref_inc`, `page_ref_freeze`, `set_page_count` and
their kin). Where some of them make a call for device pages beside counting and others do not, the first hook is
reported.

## Why it matters
Whatever the hook counts is then out of step with the page: the count is set to 1 at initialisation without it, and
`page_ref_freeze(page, 1)` gives back by its hook what nobody had taken.

## Bad
```c
static inline void set_page_count(struct page *page, int v)
{
        atomic_set(&page->_refcount, v);
}
static inline void page_ref_inc(struct page *page)
{
        atomic_inc(&page->_refcount);
        if (is_zone_device_page(page))
                percpu_ref_get(page->pgmap->ref);
}
```

## Good
```c
static inline void page_ref_inc(struct page *page)
{
        atomic_inc(&page->_refcount);
}
```

## Limits
That every primitive has its hook does not say that the hooks fit together. By hunks alone those that initialise the
count may not be shown: if the patch leaves them alone the confidence is low. Silent on the whole of 6.1 and 6.12, which
have no hook.

## Sources
digest of the ZONE_DEVICE reference thread, ZD3 and rule R-RC5.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.counthooks import uneven_hooks
from mmlint.facts.views.looked import KIND_LOOKS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD3


def check(function: Function) -> Iterator[Hit]:
    """Report the first hook of a file that others lack."""
    for found in uneven_hooks(function):
        names = " and ".join(f"`{name}`" for name in found.others[:2])
        lack = "change the same count without it" if found.shown else "are not in the patch"
        yield function.hit(
            found.look.call,
            f"`{found.look.call.value}` goes with the count here, and {names} {lack}",
            steps=(function.step(found.look.test.line, f"`{found.look.test.value}` decides on it"),),
            confidence=None if found.shown else Confidence.LOW,
            cause="a hook of some primitives of the count",
        )


RULE = Rule(
    code="REF117",
    name="hook-not-in-all",
    summary="some primitives of the page count have a hook that others lack",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(uneven_hooks,),
    check=check,
    partial=True,
    places=KIND_LOOKS,
    scenario=ZD3,
)
