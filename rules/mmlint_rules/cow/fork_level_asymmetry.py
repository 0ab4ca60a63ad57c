"""COW103 fork-level-asymmetry: a patch brings the pinned check to one level of the fork copy and leaves out another.

## What it does
Fork copies entries at three levels, each in a function of its own: pages (`copy_present_pte*`), huge pages
(`copy_huge_pmd`) and hugetlb (`copy_hugetlb_page_range`). A patch that adds a pinned check to one of them while
another write-protects with no check at all is reported at the one that was left.

## Why it matters
Whether a pinned buffer is copied early then depends on whether its memory happens to be huge, which neither the user
nor the test decides.

## Bad
```diff
 copy_present_pte():
+if (unlikely(page_needs_cow_for_dma(src_vma, page)))
+\treturn copy_present_page(...);
 (nothing in copy_huge_pmd)
```

## Good
```diff
 copy_present_pte():
+if (unlikely(page_needs_cow_for_dma(src_vma, page)))
 copy_huge_pmd():
+if (unlikely(page_needs_cow_for_dma(src_vma, src_page)))
```

## Limits
Silent if the changelog names the other level or says that it follows: staged work was accepted. `copy_huge_pud` is
not asked for, there are no anonymous pages at that level. By hunks alone a level that the patch does not show may have
had the check before: then the confidence is low.

## Sources
Fork-time early copy of 2020 (digest-000 B4, S28); 70e806e4e645 (pte), d042035eaf5f (pmd).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange, PatchView
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function
from mmlint.facts.steps import Act, acts, performed
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S28

_LEVELS = {
    "page": ("copy_present_ptes", "copy_present_pte", "copy_one_pte"),
    "huge page": ("copy_huge_pmd",),
    "hugetlb": ("copy_hugetlb_page_range",),
}
_FOLDER = "mm"
_SAID = {"page": r"\bptes?\b|copy_present", "huge page": r"\bthp|huge_pmd|\bpmds?\b|huge page", "hugetlb": r"hugetlb"}


def check(view: PatchView) -> Iterator[Hit]:
    """Report each level of the fork copy that has no pinned check, if the patch adds one to another level."""
    pinned = view.tables.with_class("pinned")
    gained = {
        level: act for change in view.changes if (level := _level(change.name)) and (act := _gain(change, pinned))
    }
    if not gained:
        return
    hidden = []
    for level, names in _LEVELS.items():
        if level in gained or re.search(_SAID[level], f"{view.subject}\n{view.body}", re.I):
            continue
        function = _find(view, names)
        if function is None:
            hidden.append(level)
        if function is None or not performed(function).isdisjoint(pinned):
            continue
        for act in acts(function):
            row = view.tables.wrprotects.get(act.word)
            if row is not None and row.arg is not None:
                told = f"`{act.word}` for a {level} has no pinned check, which this patch gives to another level"
                yield Hit(act.line, told, act.expr.column, anchor=act.key, path=function.path)
                break
    if view.partial and hidden:
        yield _left_out(view, gained, hidden)


def _left_out(view: PatchView, gained: dict[str, Act], levels: list[str]) -> Hit:
    """What hunks alone can say: these levels do not change, so they have no check unless they had one before."""
    level, act = next(iter(gained.items()))
    path = next(change.file.path for change in view.changes if _level(change.name) == level)
    told = (
        f"`{act.word}` comes in for {level} entries, and the patch shows no such check for {' and '.join(levels)} ones"
    )
    return Hit(act.line, told, act.expr.column, anchor=act.key, path=path, confidence=Confidence.LOW)


def _level(name: str) -> str:
    return next((level for level, names in _LEVELS.items() if name in names), "")


def _gain(change: FunctionChange, pinned: frozenset[str]) -> Act | None:
    """The pinned check that a change brings to a function that lost none."""
    compared = comparison(change)
    if compared is None or any(act.word in pinned for act in compared.removed):
        return None
    return next((act for act in compared.added if act.word in pinned), None)


def _find(view: PatchView, names: tuple[str, ...]) -> Function | None:
    files = [f.new_path for f in view.files if f.new_path]
    start = files[0] if files else f"{_FOLDER}/memory.c"
    found = (view.after.resolve(name, start) for name in names)
    return next((function for function in found if function is not None), None)


RULE = Rule(
    code="COW103",
    name="fork-level-asymmetry",
    summary="a patch brings the pinned check to one level of the fork copy and leaves out another",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    check_patch=check,
    partial=True,
    scenario=S28,
)
