"""GUP113 foll-force-for-cow: FOLL_FORCE is added to pins that outlive the call, to break COW for reading.

## What it does
Reports a pin with FOLL_LONGTERM, or one kept beyond the call, whose flags may contain FOLL_FORCE, in trees of 6.2 and
later.

## Why it matters
Up to 6.1 a read-only long-term pin needed `FOLL_FORCE | FOLL_WRITE` to get the right side of copy-on-write. Since 6.2
FOLL_LONGTERM itself unshares the page; FOLL_FORCE now only lets a driver write where the user may not.

## Bad
```c
gup_flags |= FOLL_WRITE;
if (!writable)
        gup_flags |= FOLL_FORCE;
```

## Good
```c
if (writable)
        gup_flags |= FOLL_WRITE;
```

## Limits
Debuggers (uprobes, ptrace) force short accesses on purpose; pins given back in the same call are not reported.

## Sources
commits b40656aa7d55 and 84209e87c696; digest of the fork/COW thread, rule C2.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.gup import LONGTERM
from mmlint.facts.pins.pins import Lifetime, lifetime, pin_sites
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FORCE1

_KEPT = (Lifetime.USER, Lifetime.HANDED, Lifetime.IO)


def check(function: Function) -> Iterator[Hit]:
    """Report each kept pin that may be forced, in a tree where FOLL_LONGTERM breaks COW by itself."""
    if not function.tables.foll.get("FOLL_INTERRUPTIBLE"):
        return
    for pin in pin_sites(function):
        flags = pin.site.flags
        if "FOLL_FORCE" in flags.may and (LONGTERM in flags.may or lifetime(function, pin) in _KEPT):
            yield function.hit(
                pin.call, f"`{pin.call.value}` pins with FOLL_FORCE; since 6.2 FOLL_LONGTERM breaks COW by itself"
            )


RULE = Rule(
    code="GUP113",
    name="foll-force-for-cow",
    summary="a pin that outlives the call is forced with FOLL_FORCE",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(pin_sites,),
    check=check,
    tokens=("FOLL_FORCE",),
    places=GUP_CALLS,
    scenario=FORCE1,
)
