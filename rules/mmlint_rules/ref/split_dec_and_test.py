"""REF103 split-dec-and-test: a count is changed and read in two steps.

## What it does
Reports a decrement (`put_page`, `page_ref_dec`) or an increment of the count that is followed at once by a condition on
`page_count` or `page_ref_count` of the same page.

## Why it matters
Between the two steps another task may lower or raise the count: two tasks see the last (or the first) value, or none
does. After a put the page may be gone altogether.

## Bad
```c
page_ref_dec(page);
if (page_ref_count(page) == 1)
        wake_up_var(&page->_refcount);
```

## Good
```c
if (page_ref_dec_return(page) == 1)
        wake_up_var(&page->_refcount);
```

## Limits
Only with nothing but straight code between the two.

## Sources
rule R-RC7 of the ZONE_DEVICE digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.owned import split_tests
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PUT1


def check(function: Function) -> Iterator[Hit]:
    """Report each change whose outcome is read separately."""
    for changed, read in split_tests(function):
        step = function.step(read.line, f"`{read.value}` reads it")
        message = f"`{changed.value}` and the test by `{read.value}` are two steps; others change the count in between"
        yield function.hit(changed, message, steps=(step,))


RULE = Rule(
    code="REF103",
    name="split-dec-and-test",
    summary="a count is changed and read in two steps",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(split_tests,),
    tables=("ref_helpers",),
    check=check,
    partial=True,
    scenario=PUT1,
)
