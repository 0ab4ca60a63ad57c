"""PTL108 use-after-ptl-drop: a page found in an entry is used after the page-table lock went, with no own reference.

## What it does
Follows pages that come out of an entry under its lock (`vm_normal_page()`, `pmd_folio()`, `folio_walk_start()`) and
reports their use behind the call that drops the lock, if no reference, pin or isolation was taken in between. The lock
may be the caller's, and the call may be a function that drops it (`wp_page_reuse()`).

## Why it matters
Only the entry's reference kept the page. Once the lock is gone, another thread may zap the entry and free the page: the
unlock, the flag or the put then hits a page that is free or somebody else's.

## Bad
```c
wp_page_reuse(vmf);
unlock_page(vmf->page);
```

## Good
```c
unlock_page(vmf->page);
wp_page_reuse(vmf);
```

## Limits
A page handed to a function that is not known to leave its count alone is no longer followed. Neither is one whose entry
was cleared in between: the entry's reference is the function's then. The folio lock does not keep a page.
Trace events, which note the frame, and waits for the page lock are right. By hunks alone `vmf->page` counts as found,
and lines that are not shown end the search.

## Sources
Commit be068f29034f (misplaced unlock_page in do_wp_page); digest 000, A9 and S35; review practice, rule 7.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.lockedpage import unkept_uses
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S35


def check(function: Function) -> Iterator[Hit]:
    """Report the first use of each page that only the lock kept."""
    for found in unkept_uses(function):
        what = found.use.value if found.use.kind == "call" else found.use.key
        yield function.hit(
            found.use,
            f"`{what}` uses `{found.key}` after `{found.drop.value}` (line {found.drop.line}) let go of its entry",
            steps=(
                function.step(found.found.line, _kept(found.found)),
                function.step(found.drop.line, f"`{found.drop.value}` drops the lock, and no reference was taken"),
            ),
            anchor=f"{found.use.key} after {found.drop.value}",
        )


def _kept(found: Expr) -> str:
    if found.kind == "field":
        return f"`{found.key}` is the page of the entry, which the caller has locked"
    return f"`{found.value}` finds the page under the page-table lock"


RULE = Rule(
    code="PTL108",
    name="use-after-ptl-drop",
    summary="a page found in an entry is used after the page-table lock went, with no own reference",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unkept_uses,),
    tokens=(
        *("vm_normal_page", "vm_normal_folio", "vm_normal_page_pmd", "vm_normal_folio_pmd", "folio_walk_start"),
        *("pte_page", "pmd_page", "pud_page", "pte_folio", "pmd_folio", "pud_folio"),
    ),
    check=check,
    partial=True,
    instead_of=("PAT113",),
    scenario=S35,
)
