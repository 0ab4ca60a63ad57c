"""GUP101 missing-longterm: pages pinned without FOLL_LONGTERM are kept until somebody asks for their release.

## What it does
Takes every call of `pin_user_pages*` and `get_user_pages*` whose flags are known (through locals, `|=`, ternaries,
struct fields, and the flags parameter of a wrapper, where the wrapper's callers are judged) and lack FOLL_LONGTERM, and
asks how long the pages stay: given back on every successful way through the function or its callers, at the completion
of an I/O, under an MMU notifier (of the file, or of a folder in which nothing pins for longer), or until another
function of the driver (an ioctl, a close, a deregistration) gives them back. The last is reported.

## Why it matters
FOLL_LONGTERM moves pages out of CMA and ZONE_MOVABLE before pinning them and refuses file-system DAX. Without it a user
can keep memory from being migrated or unplugged for ever, and a DAX file system from truncating.

## Bad
```c
region->pinned = pin_user_pages_fast(addr, nr, FOLL_WRITE, region->pages);
```

## Good
```c
region->pinned = pin_user_pages_fast(addr, nr, FOLL_WRITE | FOLL_LONGTERM, region->pages);
```

## Limits
Flags that are not known, `iov_iter_extract_pages` and fast GUP of up to 5.1 (`int write`) are never reported. A
`get_user_pages*` into an array of an object that lives that long is info: it should be a pin first (GUP103).
An object that its maker's every caller gives up before it returns counts as that caller's. On 6.12 it names dfl-afu,
genwqe, spapr_tce, orangefs and oradax, and all five keep the pages until close or an ioctl.

## Sources
Documentation/core-api/pin_user_pages.rst, cases 1 and 2; commit 932f4a630a69; digest of the fork/COW thread, rule C1.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.pins import Lifetime, PinSite, lifetime, pin_sites, releasers
from mmlint.facts.views.looked import PIN_SITES
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import S21


def check(function: Function) -> Iterator[Hit]:
    """Report each site that is known to lack the flag and whose pages stay at the user's will."""
    for pin in pin_sites(function):
        site = pin.site
        if not site.lacks_longterm or site.kind == "extract" or lifetime(function, pin) is not Lifetime.USER:
            continue
        if site.kind == "get" and (site.pages is None or "->" not in site.pages.key):
            continue
        what = "pins" if site.kind == "pin" else "gets"
        message = f"`{pin.call.value}` {what} pages that stay beyond the call, without FOLL_LONGTERM"
        steps = (*pin.through, *_released(function, pin))
        severity = None if site.kind == "pin" else Severity.INFO
        # To pin what was only got mends another fault: this one stays what it was.
        anchor = pin.call.key.replace("get_user_pages", "pin_user_pages", 1)
        yield function.hit(pin.call, message, steps=steps, severity=severity, anchor=anchor)


def _released(function: Function, pin: PinSite) -> Iterator[Step]:
    for other in releasers(function, pin)[:2]:
        yield Step(other.path, other.line, f"`{other.name}` gives them back")


RULE = Rule(
    code="GUP101",
    name="missing-longterm",
    summary="pages pinned without FOLL_LONGTERM are kept beyond the call",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(pin_sites,),
    check=check,
    places=PIN_SITES,
    scenario=S21,
)
