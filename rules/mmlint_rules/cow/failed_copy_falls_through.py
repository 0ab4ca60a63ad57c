"""COW102 failed-copy-falls-through: fork finds a page that may be pinned, and write-protects it all the same.

## What it does
Looks at the functions that copy page tables at fork for a way from a check that says "this page may be pinned" to a
write-protection of the parent's entry for the same page: because the result is ignored, because the early copy failed
and the code carries on as before, or because it worked and nothing keeps the parent's entry out of what follows. The
steps name the failures of which a helper tells its caller no more than false.

## Why it matters
The check is there to keep the parent's mapping of a pinned page as it is. When memory is short the copy fails, the
parent's entry is made read-only after all, and its next write takes the page away from the device: a rare loss of DMA
data that no test sees, instead of a fork that fails with -ENOMEM.

## Bad
```c
if (page_maybe_dma_pinned(page) && copy_page_now(dst_vma, addr, page, &pte))
        wrprotect = false;
if (wrprotect)
        ptep_set_wrprotect(src_mm, addr, src_pte);
```

## Good
```c
if (page_maybe_dma_pinned(page))
        return copy_page_now(dst_vma, addr, page, dst_pte);
ptep_set_wrprotect(src_mm, addr, src_pte);
```

## Limits
The check and the write-protection must lie in one function, or the write-protection in a helper of its file. A page
looked up anew (the next turn of a loop) starts afresh. Where another way has no check at all, COW101 says so instead.

## Sources
linux-mm thread of August 2020: the first version of the early copy (L5454-5740) and its review (L5990, L6078-6246);
commit 70e806e4e645.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.entries.fork import PINNED, fork_sites, pin_checks
from mmlint.facts.function import Function
from mmlint.facts.merged import merged_failures
from mmlint.facts.reach import reach
from mmlint.facts.views.looked import FORK_COPIES
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import S18


def check(function: Function) -> Iterator[Hit]:
    """Report the write-protections that a page which was found to be pinned can reach."""
    for site in fork_sites(function):
        if site.state != PINNED:
            continue
        order = reach(function)
        asked = [
            call for node, call in pin_checks(function) if order.together(node, site.node) and node is not site.node
        ]
        steps = tuple(function.step(call.line, f"`{call.value}` says that the page may be pinned") for call in asked)
        steps += tuple(_unheard(function, site.node))
        yield function.hit(
            site.call,
            f"the parent's {site.entry} is write-protected although the page was found to be pinned",
            steps=(*steps, *site.steps),
        )


def _unheard(function: Function, sink: Node) -> Iterator[Step]:
    """The failures that a helper of the copy merges into false, with which the code carries on to `sink` as before."""
    for merged in merged_failures(function):
        if reach(function).before(merged.node, sink):
            told = f"`{merged.call.value}` says no more than false when this fails, and the code carries on"
            yield merged.helper.step(merged.failed.line, told)


RULE = Rule(
    code="COW102",
    name="failed-copy-falls-through",
    summary="fork write-protects an entry whose page it found to be pinned",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(fork_sites,),
    check=check,
    partial=True,
    places=FORK_COPIES,
    scenario=S18,
)
