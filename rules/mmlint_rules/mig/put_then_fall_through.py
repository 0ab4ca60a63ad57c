"""MIG104 put-then-fall-through: the branch of a failure puts the page's reference and then goes on with the page.

## What it does
Reports a put of a page or folio in the branch that a failed call leads to (a refused isolation, a trylock, an error),
where that branch does not leave and what follows uses the same page.

## Why it matters
The branch has given the page up, and the code behind it still believes in it: it checks it, counts it a second time,
restores or puts it again. The reference may have been the last one, and the second put takes somebody else's.

## Bad
```c
if (!folio_isolate_lru(folio)) {
        pfns[i] &= ~MIGRATE_PFN_MIGRATE;
        folio_put(folio);
}
if (folio_mapped(folio))
        try_to_migrate(folio, 0);
```

## Good
```c
if (!folio_isolate_lru(folio)) {
        pfns[i] &= ~MIGRATE_PFN_MIGRATE;
        continue;
}
folio_put(folio);
```

## Limits
Whether somebody else's reference keeps the page is not known. Pages that the function looked up itself are REF105's,
and one whose reference it took by `folio_get()` before has its own to put.

## Sources
Seed thread on HMM migration (digest 001-004, R-MG5, R-MG4, J38, HM4).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.fallen import fall_throughs
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM4


def check(function: Function) -> Iterator[Hit]:
    """Report each put of a failure branch that does not end there."""
    for found in fall_throughs(function):
        what = found.use.value if found.use.kind == "call" else found.use.key
        yield function.hit(
            found.put,
            f"`{found.put.value}` gives `{found.key}` up on failure, and line {found.use.line} goes on with it",
            steps=(
                function.step(found.test.line, "the failure is tested here"),
                function.step(found.use.line, f"reached from there: `{what}`"),
            ),
        )


RULE = Rule(
    code="MIG104",
    name="put-then-fall-through",
    summary="a failure branch puts the page's reference and then goes on with the page",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(fall_throughs,),
    tokens=("folio_put", "put_page", "folio_put_refs", "folio_putback_lru", "putback_lru_page"),
    check=check,
    scenario=HM4,
)
