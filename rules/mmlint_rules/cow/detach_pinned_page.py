"""COW114 detach-pinned-page: a page is taken from its mapping with no check whether it is pinned.

## What it does
Reports three places in the life of an anonymous page that a check for pins (`folio_maybe_dma_pinned`) has to stand
before on every way: the call that puts it into the swap cache, the clearing of its entry where it is moved to another
mapping (UFFDIO_MOVE), and the release of its private data after reclaim has unmapped it.

## Why it matters
A pinned page has to stay where it is mapped. Taken away from there, the process gets another page at its next access,
and what the device writes to the pinned one is lost.

## Bad
```c
if (!folio_test_swapcache(folio) && !add_to_swap(folio))
        goto activate;
```

## Good
```c
if (folio_maybe_dma_pinned(folio))
        goto keep;
if (!folio_test_swapcache(folio) && !add_to_swap(folio))
        goto activate;
```

## Limits
A check made by a caller is not seen. No finding in mm/ of 6.1 and 6.12 nor in fs/, kernel/ and arch/x86 of 6.12; six
edits that take one of the checks there out are all found.

## Sources
Commits feb889fb40fa, d824ec2a1546 and adef440691ba; mm/vmscan.c shrink_folio_list; mm/userfaultfd.c move_present_pte;
digest of the review rules, RR-48.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.detach import unguarded_detaches
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PIN1


def check(function: Function) -> Iterator[Hit]:
    """Report the first place of each kind."""
    for what, call in {what: call for _, call, what in reversed(unguarded_detaches(function))}.items():
        yield function.hit(call, f"`{call.value}`: the page {what} with no check whether it is pinned")


RULE = Rule(
    code="COW114",
    name="detach-pinned-page",
    summary="a page is taken from its mapping with no check whether it is pinned",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unguarded_detaches,),
    tokens=(
        "add_to_swap",
        "filemap_release_folio",
        "try_to_release_page",
        "folio_move_anon_rmap",
        "page_move_anon_rmap",
    ),
    check=check,
    scenario=PIN1,
)
