"""REF114 error-pointer-put: an error pointer or NULL is handed to a put of a page.

## What it does
Reports `folio_put`, `put_page` and their kin on a path on which the variable is known to hold an error pointer or NULL.

## Why it matters
Neither is checked by the put: it decrements the count of whatever lies at that address, or oopses.

## Bad
```c
folio = filemap_get_folio(mapping, index);
if (IS_ERR(folio))
        goto out;
...
out:
folio_put(folio);
```

## Good
```c
if (IS_ERR(folio))
        return PTR_ERR(folio);
```

## Limits
Only what the tests on the path say; a variable that was never tested is not judged.

## Sources
digest-review-rules RR-32; include/linux/mm.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.leaks import bad_puts
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ERRP1


def check(function: Function) -> Iterator[Hit]:
    """Report each put of a known error pointer or NULL."""
    for call, name, what in bad_puts(function):
        yield function.hit(call, f"`{call.value}` is reached with {what} in `{name}`")


RULE = Rule(
    code="REF114",
    name="error-pointer-put",
    summary="an error pointer or NULL is handed to a put of a page",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(bad_puts,),
    tables=("page_puts",),
    check=check,
    partial=True,
    scenario=ERRP1,
)
