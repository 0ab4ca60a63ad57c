"""PAT110 release-removed: a release of what is still taken, or the get behind a put, is gone.

## What it does
Compares each function before and after the patch. A reference, pin, lock, isolation, table mapping, charge or iterator
was given back on a path; the path and what it took are still there, the release is not. A get is reported if the put
that gave its reference back stays. So is a call that by its name undid another one (`get_`, `put_`), or that was made
where a step failed and nowhere else, if the patch adds nothing for it; and what undid in one half of a pair of
functions (`x_exit`) what the other (`x_init`) goes on doing; and what was given up on another arm of a test than the
code which moves into a new function, where neither does it now.

## Why it matters
A leaked reference or pin keeps the page from being freed, migrated or offlined for ever; a lock that is kept hangs the
next one who comes. One exit of many is enough, and it is the exit that tests do not take.

## Bad
```diff
 if (!folio_isolate_lru(folio)) {
-	folio_unlock(folio);
        result = SCAN_DEL_PAGE_LRU;
        goto out;
```

## Good
```diff
 if (!folio_isolate_lru(folio)) {
-	folio_unlock(folio);
        result = SCAN_DEL_PAGE_LRU;
-	goto out;
+	goto out_unlock;
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone. A step that the tables give no
scenario for is said at info, and so is one that three functions of the patch lose, unless it only deletes and does not
name it. With hunks alone only sinks that the hunk shows count. What is handed on to a call that is not known counts as
given back.

## Sources
include/linux/mm.h, include/linux/pagemap.h; review rules RR-33, RR-39, RR-55; kernel/resources.toml.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.undone import undone
from mmlint.changes.releases.halfleft import half_left
from mmlint.changes.releases.leftbehind import left_behind
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK1

from mmlint_rules.pat.lost import reporter

_by_the_tables = reporter("PAT110")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the steps of the tables that are lost, else the first call that a name or a failure tells to undo one."""
    found = list(_by_the_tables(change))
    yield from found
    told = undone(change) if not found else []
    for each in told:
        assert change.after is not None
        message = f"`{each.undo.word}` undid what `{each.step.word}` does, and is gone"
        yield change.after.hit(each.step.expr, message, anchor=f"undone {each.undo.key}")
    left = left_behind(change) if not (found or told) else None
    if left is not None and change.after is not None:
        message = f"`{left.release.word}` is not in `{left.helper.name}`, which the code around it became"
        yield change.after.hit(left.call.expr, message, anchor=f"left {left.release.key}")
    half = half_left(change) if not (found or told or left) else None
    if half is not None and change.after is not None:
        message = f"`{half.undo.word}` undid what `{half.step.value}` does in `{half.other.name}`, and is gone"
        severity = Severity.INFO if change.patch.mends else None
        yield change.after.hit(half.node, message, severity=severity, anchor=f"half {half.undo.key}")


RULE = Rule(
    code="PAT110",
    name="release-removed",
    summary="a release of what is still taken, or the get behind a put, is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=LEAK1,
    partial=True,
)
