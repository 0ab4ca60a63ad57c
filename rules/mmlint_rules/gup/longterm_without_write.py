"""GUP102 longterm-without-write: a long-term pin is taken for reading only, from memory that may be copy-on-write.

## What it does
Reports each pin whose flags are known to have FOLL_LONGTERM and known to lack FOLL_WRITE, unless the function or its
callers give the pages back before they return.

## Why it matters
Up to 6.1 a read-only pin of a private mapping pins the shared page. The first write of the process then moves it to a
copy, and the device goes on reading the old page for ever.

## Bad
```c
pin_user_pages_fast(addr, nr, FOLL_LONGTERM, pages);
```

## Good
```c
pin_user_pages_fast(addr, nr, FOLL_LONGTERM | FOLL_WRITE, pages);
```

## Limits
Since 6.2 the kernel breaks COW for such a pin by itself: there it is info, a hint for who carries the code to an older
kernel. Flags that differ by path are not judged, and a function is reported once. On the whole of 6.1 three are (sev.c,
whose FOLL_WRITE a stable update took away as if 6.1 were 6.2; vmwgfx_msg.c; qib_user_sdma.c), and the same as info
on 6.12. Whether the memory was written before, so that nothing is left to copy, is up to user space.

## Sources
digest of the fork/COW thread, rule C2; mm/gup.c, gup_must_unshare; commit 84209e87c696.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.gup import LONGTERM
from mmlint.facts.pins.pins import Lifetime, lifetime, pin_sites
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S2


def check(function: Function) -> Iterator[Hit]:
    """Report each pin that is long-term and never for writing."""
    row = function.tables.foll.get(LONGTERM)
    severity = Severity.INFO if row is not None and row.unshares else None
    for pin in pin_sites(function):
        flags = pin.site.flags
        known = pin.site.kind == "pin" and pin.site.takes_flags and flags.exact
        if not (known and LONGTERM in flags.must and "FOLL_WRITE" not in flags.may):
            continue
        if lifetime(function, pin) not in (Lifetime.CALL, Lifetime.CALLER):
            message = f"`{pin.call.value}` pins for long without FOLL_WRITE: COW may leave the device with the old page"
            cause = f"pins for long of {function.name}"
            yield function.hit(pin.call, message, steps=pin.through, severity=severity, cause=cause)


RULE = Rule(
    code="GUP102",
    name="longterm-without-write",
    summary="a long-term pin is taken for reading only",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(pin_sites,),
    check=check,
    tokens=(LONGTERM,),
    places=GUP_CALLS,
    scenario=S2,
)
