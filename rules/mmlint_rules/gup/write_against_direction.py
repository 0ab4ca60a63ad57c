"""GUP119 write-against-direction: FOLL_WRITE is asked for where user memory is only read, and not where it is written.

## What it does
Reports a function that names FOLL_WRITE only where a comparison with a direction (`rw == WRITE`, `iov_iter_rw(i) ==
WRITE`, `ITER_SOURCE`, `DMA_TO_DEVICE`) has said that the data goes from user memory to the device.

## Why it matters
A write to a file reads user memory, and a read writes it: the name of the request is the wrong way round for GUP. Pages
looked up for reading are the zero page or shared with other processes, and the device writes into those; what is only
read is copied for nothing, or refused.

## Bad
```c
nr = pin_user_pages_fast(addr, nr, rw == WRITE ? FOLL_WRITE : 0, pages);
```

## Good
```c
nr = pin_user_pages_fast(addr, nr, rw == READ ? FOLL_WRITE : 0, pages);
```

## Limits
Only comparisons with the constants of the tables; a variable that is called `write` may mean either. Silent as soon as
one place asks for the flag in another case. Nothing in 6.12 and 6.1 is reported.

## Sources
Documentation/core-api/pin_user_pages.rst; include/linux/uio.h iov_iter_rw; include/linux/dma-direction.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.direction import WRITE, against_direction
from mmlint.facts.views.looked import GUP_CALLS
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S2


def check(function: Function) -> Iterator[Hit]:
    """Report the first place that asks for the flag the wrong way round."""
    found = against_direction(function)
    if found is not None:
        says = "" if found.outcome else "not "
        message = f"FOLL_WRITE is asked for where `{found.test.key}` is {says}true: there user memory is only read"
        yield function.hit(found.flag, message)


RULE = Rule(
    code="GUP119",
    name="write-against-direction",
    summary="a GUP call asks for FOLL_WRITE where user memory is only read",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(against_direction,),
    check=check,
    tokens=(WRITE,),
    places=GUP_CALLS,
    scenario=S2,
)
