"""COW109 stale-reference-after-substitution: fork copies a pinned page but keeps the reference taken for sharing it.

## What it does
Follows the functions that copy page tables at fork: a reference on the parent's page that was taken for the child's
mapping, a check that says the page may be pinned, and a return on that way on which the reference was neither given
back nor the page shared after all.

## Why it matters
The child maps the copy. Nobody will ever drop the reference on the original: the page is never freed, cannot be
migrated, and looks shared to every test that counts.

## Bad
```c
get_page(page);
if (page_maybe_dma_pinned(page))
        return copy_page_now(dst_vma, addr, page, dst_pte);
```

## Good
```c
get_page(page);
if (page_maybe_dma_pinned(page)) {
        put_page(page);
        return copy_page_now(dst_vma, addr, page, dst_pte);
}
```

## Limits
Only references on a page or folio, in one function. A helper that gives the reference back is not known as such
unless the tables name it.

## Sources
linux-mm thread of August 2020: the first version of the early copy (L5454-5740) and its review (digest 000, A8 and
S16).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.forkref import stale_references
from mmlint.facts.function import Function
from mmlint.facts.views.looked import FORK_COPIES
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S16


def check(function: Function) -> Iterator[Hit]:
    """Report each reference that a way with a pinned page keeps to the end."""
    for found in stale_references(function):
        steps = (
            function.step(
                found.check.line, f"`{found.check.value}` says that the page may be pinned: it is not shared"
            ),
            function.step(found.end.line, "the function ends with the reference held"),
        )
        yield function.hit(
            found.call, f"`{found.call.value}` is not undone where the pinned page is copied, not shared", steps=steps
        )


RULE = Rule(
    code="COW109",
    name="stale-reference-after-substitution",
    summary="fork copies a pinned page but keeps the reference it took for sharing it",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(stale_references,),
    check=check,
    partial=True,
    places=FORK_COPIES,
    scenario=S16,
)
