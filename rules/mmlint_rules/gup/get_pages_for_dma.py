"""GUP103 get-pages-for-dma: pages of get_user_pages are handed to a device.

## What it does
Reports `get_user_pages*` whose pages the same function maps for DMA (`dma_map_page`, `dma_map_sg`, a scatterlist
that is mapped), where a pin is due.

## Why it matters
A plain reference does not tell the mm that the content is being accessed: fork shares the page, writeback cleans it,
and what the device writes ends up in the wrong copy.

## Bad
```c
get_user_pages_fast(addr, nr, FOLL_WRITE, pages);
dma_map_page(dev, pages[0], 0, PAGE_SIZE, DMA_FROM_DEVICE);
```

## Good
```c
pin_user_pages_fast(addr, nr, FOLL_WRITE, pages);
```

## Limits
Only mappings in the same function are seen. Where the driver has an MMU notifier, which gives the pages back when
the mapping changes, it is info: no pin is needed then, if that is what the notifier is for. On the whole of 6.12 two
places are reported (qaic, bcm-vk), on 6.1 one (bcm-vk), all true; radeon is info.

## Sources
Documentation/core-api/pin_user_pages.rst, case 1; digest of the fork/COW thread, rule C3.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.owners.gup import GupSite, gup_calls
from mmlint.facts.pins.notified import folder_notifier
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S33

_MAPPERS = ("dma_map_page", "dma_map_sg", "dma_map_sgtable", "dma_map_sg_attrs", "pci_map_page", "pci_map_sg")


def check(function: Function) -> Iterator[Hit]:
    """Report each get whose pages are mapped for DMA in this function."""
    mapped = [call for name in _MAPPERS for _, call in function.calls.get(name, ())]
    for site in gup_calls(function) if mapped else ():
        if site.kind == "get" and site.entry.result == "count" and site.pages is not None:
            dma = next((call for call in mapped if call.line > site.call.line), None)
            if dma is not None:
                steps = [function.step(dma.line, f"`{dma.value}` maps them")]
                notified = folder_notifier(function)
                if notified is not None:
                    steps.append(notified.step(notified.line, f"`{notified.name}` hears of changes of the mapping"))
                severity = Severity.INFO if notified is not None else None
                yield function.hit(site.call, _says(site, dma), steps=tuple(steps), severity=severity)


def _says(site: GupSite, dma: Expr) -> str:
    return f"`{site.call.value}` gets pages that `{dma.value}` hands to a device; `pin_user_pages` is due"


RULE = Rule(
    code="GUP103",
    name="get-pages-for-dma",
    summary="pages of get_user_pages are handed to a device",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(gup_calls,),
    check=check,
    tokens=_MAPPERS,
    shape=r"user_page|iov_iter_|memfd_pin|follow_page|get_dump_page",
    places=GUP_CALLS,
    scenario=S33,
)
