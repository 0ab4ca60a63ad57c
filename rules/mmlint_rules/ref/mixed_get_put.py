"""REF106 mixed-get-put: pages that were pinned are released by put_page, or pages that were got by unpin_user_page.

## What it does
Follows the pages of each `pin_user_pages*` and `get_user_pages*` call to where the file keeps them (locals, parameters,
struct fields, scatterlists, accessors) and reports a release of the other kind on the same place. Where all of several
releases are of the other kind, it is the call that takes the pages that is reported, once.

## Why it matters
A pin on a small page is 1024 references, on a large folio also a separate count. `put_page` on a pin leaks 1023
references and leaves the page looking pinned for ever; `unpin_user_page` on a plain reference frees it under its users.

## Bad
```c
pin_user_pages_fast(addr, nr, FOLL_LONGTERM, buf->pages);
...
put_page(buf->pages[i]);
```

## Good
```c
unpin_user_pages(buf->pages, nr);
```

## Limits
Only pages of which every way into the place is known to be of one kind are judged; a field that also holds allocated
or looked-up pages is not. Places are matched within one file.

## Sources
Documentation/core-api/pin_user_pages.rst; digest-review-rules RR-67; rule R-RC3; commits ea996974589e, 37f6b4d5f47b.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.doors import PIN, Door, WayIn, mixed, ways_in
from mmlint.facts.views.looked import PAGE_CALLS
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import MIX1

_MAX_STEPS = 6


def check(function: Function) -> Iterator[Hit]:
    """Report each release by the wrong door, and each way in that no release fits."""
    for door in mixed(function):
        yield function.hit(door.call, _says(door))
    for way in ways_in(function):
        steps = tuple(Step(f.path, door.call.line, f"`{door.call.value}` gives them back") for f, door in way.out)
        yield function.hit(way.call, _taken(way), steps=steps[:_MAX_STEPS])


def _taken(way: WayIn) -> str:
    name, out = way.call.value, way.out[0][1].call.value
    if way.kind == PIN:
        return f"`{name}` pins pages that are all given back by `{out}` and its kin, as if they were not"
    return f"`{name}` takes plain references to pages that are all unpinned (`{out}`)"


def _says(door: Door) -> str:
    if door.kind == PIN:
        return f"`{door.call.value}` unpins pages that were not pinned but got by `get_user_pages`; `put_page` is due"
    return f"`{door.call.value}` puts pages that were pinned by `pin_user_pages`; `unpin_user_page` is due"


RULE = Rule(
    code="REF106",
    name="mixed-get-put",
    summary="pinned pages are released by put_page, or got pages by unpin_user_page",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(mixed, ways_in),
    check=check,
    places=PAGE_CALLS,
    scenario=MIX1,
)
