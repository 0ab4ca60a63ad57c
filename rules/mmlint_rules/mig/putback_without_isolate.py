"""MIG105 putback-without-isolate: a folio is put back on the LRU though this function did not take it off.

## What it does
Follows each folio that a function isolates (`folio_isolate_lru()`, `isolate_lru_page()`, `isolate_movable_page()`) and
reports a put-back, or a `list_add(&folio->lru, ...)`, on a way on which isolating it failed, was skipped, or which has
put it back already. Which result means success is read from the release of the tree: it changed in 6.3.

## Why it matters
A put-back drops the reference that isolating took. Without one it drops somebody else's: the page is freed while it is
mapped, or twice. A page on two lists by one `lru` member breaks both.

## Bad
```c
if (!folio_isolate_lru(folio))
        ret = -EBUSY;
else
        ret = move_account(folio, from, to);
folio_putback_lru(folio);
```

## Good
```c
if (!folio_isolate_lru(folio))
        return -EBUSY;
ret = move_account(folio, from, to);
folio_putback_lru(folio);
```

## Limits
A folio known by two variables (a page and its folio) is not followed from one to the other, nor into called functions.
That a folio is isolated and kept is REF108's business.

## Sources
Seed thread on HMM migration (digest 001-004, R-MG6, J39, HM4); review practice RR-81; mm/vmscan.c folio_isolate_lru.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.isolation import BACK, REFUSED, UNTRIED, unisolated
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ISO1

_WHY = {
    UNTRIED: "on a way on which it was not isolated",
    REFUSED: "though `{tried}` (line {line}) failed",
    BACK: "again, after `{tried}` (line {line})",
}
_STEP = {REFUSED: "the folio stays where it is when this fails", BACK: "put back here already"}


def check(function: Function) -> Iterator[Hit]:
    """Report each put-back of a folio that is not isolated."""
    for found in unisolated(function):
        tried = found.tried
        why = _WHY[found.why].format(tried=tried.value if tried else "", line=tried.line if tried else 0)
        yield function.hit(
            found.call,
            f"`{found.call.value}` takes `{found.key}` for isolated {why}",
            steps=(function.step(tried.line, _STEP[found.why]),) if tried is not None else (),
            severity=Severity.WARNING if found.why == UNTRIED else None,
            confidence=Confidence.MEDIUM if found.why == UNTRIED else None,
        )


RULE = Rule(
    code="MIG105",
    name="putback-without-isolate",
    summary="a folio is put back on the LRU on a way on which it was not isolated",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(unisolated,),
    tokens=(
        *("folio_isolate_lru", "isolate_lru_page", "isolate_hugetlb", "folio_isolate_hugetlb"),
        "isolate_movable_page",
    ),
    check=check,
    scenario=ISO1,
)
