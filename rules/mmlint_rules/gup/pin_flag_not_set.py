"""GUP110 pin-flag-not-set: pages are pinned on a way that does not mark the mm as having pinned pages.

## What it does
In the file that defines the pin entry points, follows each of them down to the walkers that grab the page of an entry,
and reports a way that passes no function that marks the mm (`mm_set_has_pinned_flag`).

## Why it matters
Fork asks the mm's flag first, and copies pinned pages early only where it is set. A way without it pins pages that
fork then shares: the next write goes to a copy, and the device keeps the old page.

## Bad
```c
int pin_user_pages_fast(unsigned long start, int nr, unsigned int flags, struct page **pages)
{
        return walk_fast(start, nr, flags | FOLL_PIN, pages);
}
```

## Good
```c
if (flags & FOLL_PIN)
        mm_set_has_pinned_flag(&current->mm->flags);
return walk_fast(start, nr, flags, pages);
```

## Limits
Calls are followed within the file; that the mark comes before the walk is PAT106's to see. A tree without the mark is
not judged. Silent on 6.1 and 6.12, which mark the mm on the fast and on the slow way.

## Sources
mm/gup.c, gup_fast_fallback and __get_user_pages_locked; digest of the fork/COW thread, rule C5 and scenario S25b.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.pins.pinflag import untold
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import GATE1


def check(function: Function) -> Iterator[Hit]:
    """Report a function that lets pins through to a walk without the mark, once."""
    entries = untold(function)
    if entries:
        message = f"pins of `{entries[0]}` reach the walk through `{function.name}` without a mark on the mm"
        yield Hit(line=function.line, message=message, anchor=function.name)


RULE = Rule(
    code="GUP110",
    name="pin-flag-not-set",
    summary="pages are pinned on a way that does not mark the mm as having pinned pages",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(untold,),
    check=check,
    tokens=("FOLL_PIN",),
    scenario=GATE1,
)
