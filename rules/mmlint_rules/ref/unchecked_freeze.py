"""REF104 unchecked-freeze: the result of a reference freeze is ignored.

## What it does
Reports `folio_ref_freeze` or `page_ref_freeze` as a statement of its own.

## Why it matters
The freeze fails when somebody else holds a reference. Going on as if it had worked changes a page under its users, and
the unfreeze that follows overwrites their count.

## Bad
```c
folio_ref_freeze(folio, 1);
```

## Good
```c
if (!folio_ref_freeze(folio, 1))
        return -EBUSY;
```

## Limits
A result that is stored and not read is not seen.

## Sources
digest of the fork/COW thread, rule A7; include/linux/page_ref.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.owned import ignored_freezes
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import FRZ1


def check(function: Function) -> Iterator[Hit]:
    """Report each freeze that nobody checks."""
    for call in ignored_freezes(function):
        yield function.hit(call, f"the result of `{call.value}` is ignored; it fails while others hold references")


RULE = Rule(
    code="REF104",
    name="unchecked-freeze",
    summary="the result of a reference freeze is ignored",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(ignored_freezes,),
    tables=("ref_helpers",),
    check=check,
    partial=True,
    scenario=FRZ1,
)
