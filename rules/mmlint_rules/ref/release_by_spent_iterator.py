"""REF120 release-by-spent-iterator: pages are given back in a walk by an iterator that completion has used up.

## What it does
Reports a loop over a bio, a request or an integrity payload by its own iterator (`bio_for_each_segment`,
`bip_for_each_vec`) that unpins or puts the pages it comes by.

## Why it matters
Pages are given back when the request is done. By then its iterator stands at the end: the loop runs no time, and every
page stays pinned. Nothing is seen to fail until memory cannot be moved or unplugged any more.

## Bad
```c
bip_for_each_vec(bv, bip, iter)
        unpin_user_page(bv.bv_page);
```

## Good
```c
bio_for_each_segment_all(bvec, bio, iter_all)
        unpin_user_page(bvec->bv_page);
```

## Limits
A walk that gives pages back before the request was ever sent would be right, and is reported too; neither 6.1 nor 6.12
has one. Nothing on both trees (block, drivers, fs, mm, net, io_uring).

## Sources
include/linux/bio.h, the comments at bio_for_each_segment_all and bio_for_each_segment; block/bio-integrity.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.spent import spent_releases
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK2


def check(function: Function) -> Iterator[Hit]:
    """Report each walk whose iterator is spent when it is to give pages back."""
    for walk, release in spent_releases(function):
        message = f"completion has used up the iterator of `{walk.value}`: `{release.value}` gives back nothing"
        yield function.hit(walk, message, steps=(function.step(release.line, "what would be given back"),))


RULE = Rule(
    code="REF120",
    name="release-by-spent-iterator",
    summary="pages are given back in a walk by an iterator that completion has used up",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(spent_releases,),
    check=check,
    tables=("spent_walks",),
    partial=True,
    scenario=LEAK2,
)
