"""GUP104 foll-pin-by-caller: FOLL_PIN or another internal flag is passed by a caller of GUP.

## What it does
Reports a call of an entry point outside mm with FOLL_PIN, FOLL_TOUCH, FOLL_TRIED or FOLL_FAST_ONLY in its
flags, and FOLL_GET together with a pin.

## Why it matters
The kind of reference is the entry point's to choose. FOLL_PIN given to `get_user_pages` takes pins that its callers
release as references; FOLL_PIN with FOLL_GET is refused with a warning and -EINVAL.

## Bad
```c
get_user_pages(addr, 1, FOLL_PIN | FOLL_WRITE, &page);
```

## Good
```c
pin_user_pages(addr, 1, FOLL_WRITE, &page);
```

## Limits
The entry points themselves build these flags and are not judged. FOLL_GET alone is superfluous, not wrong.

## Sources
mm/gup.c `is_valid_gup_args`; digest of the fork/COW thread, rule C4.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.gup import argument_flags, gup_calls
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S33

_INTERNAL = frozenset({"FOLL_PIN", "FOLL_TOUCH", "FOLL_TRIED", "FOLL_FAST_ONLY"})


def check(function: Function) -> Iterator[Hit]:
    """Report each call with a flag that belongs to the entry points."""
    for site in gup_calls(function):
        if site.entry.flags is None or site.entry.flags >= len(site.call.args):
            continue
        given = argument_flags(function, site.node, site.call.args[site.entry.flags]).may
        internal = given & _INTERNAL
        if site.kind == "pin":
            internal |= given & {"FOLL_GET"}
        if internal:
            flags = ", ".join(sorted(internal))
            message = f"`{site.call.value}` is given {flags}, which only mm may set"
            yield function.hit(site.call, message, anchor=f"internal {flags}")


RULE = Rule(
    code="GUP104",
    name="foll-pin-by-caller",
    summary="an internal flag such as FOLL_PIN is passed by a caller of GUP",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(gup_calls,),
    tables=("gup",),
    check=check,
    partial=True,
    places=GUP_CALLS,
    scenario=S33,
)
