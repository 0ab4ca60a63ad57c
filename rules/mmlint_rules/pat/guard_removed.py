"""PAT106 guard-removed: a check that guarded a change of an entry or page is gone.

## What it does
Compares each function before and after the patch. A test of the state of a page, folio, entry or mapped table (pinned,
exclusive, KSM, anonymous, writable, its pfn, the references expected, the table's NULL) decided whether a sink was
reached (a write-protect, a write of an entry, an isolation, a reuse, a migration); after the patch the sink is still
there, and no such test decides about it.

A test of the state of a page, entry, vma or mapping that led out (return, goto, continue, or a flag set) guards what
stood behind it: also the answer of a function that only tests and answers, and also where a helper does the test, or
did until a patch that adds nothing deleted it. Two more ways to lose one are seen: a new condition that goes around it
(`level == PMD &&`), and a predicate in its place that holds for other states of the entry
(`is_writable_migration_entry` for `!is_readable_migration_entry`). So is a new condition around a call that none makes
needless (pages moved out of movable zones, `page_mkwrite`). What was done for one state (uffd-wp, dirty, mapped) and
goes together with the test is reported as well, and a test of each page in a loop that is made of the first one only.

## Why it matters
The code after such a patch looks like any other code: nothing in it says that a check is missing. A page that is pinned
for DMA is write-protected and copied away from its device, an entry is made writable over another page, a table that is
gone is dereferenced. Only the two states side by side show it.

## Bad
```diff
 if (!folio_test_swapcache(folio)) {
-	if (folio_maybe_dma_pinned(folio))
-		goto keep_locked;
        if (!add_to_swap(folio))
```

## Good
```diff
-	if (!(sc->gfp_mask & __GFP_IO))
-		goto keep_locked;
-	if (folio_maybe_dma_pinned(folio))
+	if (!(sc->gfp_mask & __GFP_IO) || folio_maybe_dma_pinned(folio))
                goto keep_locked;
```

## Limits
Silent when the step moved to another place on the path, to a callee, to a caller that the patch changes, or into a new
helper; when a call that the step tables hold for equal stands in its place; when the condition was merged, split,
inverted or put into a variable; when the early exit that needed the step is gone; when all callers of a file's own
function have made the test; when three functions of the patch lose the test, and it adds something or names the test:
that is a conversion. A step that the tables give no scenario for is said at info, and so is one that three functions of
the patch lose, unless it only deletes and does not name it. With hunks alone only sinks that the hunk shows count.

## Sources
Documentation/core-api/pin_user_pages.rst; digest of the fork/COW thread of August 2020, rules B1 to B6;
kernel/steps.toml names the source of every step.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.firstonly import of_first_only
from mmlint.changes.questions.onlyif import gone_around
from mmlint.changes.steps.disarmed import disarmed
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S1

from mmlint_rules.pat.lost import cut, reporter

_by_the_tables = reporter("PAT106")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the checks that are gone, else what was done for one state and is not any more."""
    found = list(_by_the_tables(change))
    yield from found
    for each in disarmed(change) if not found else ():
        assert change.after is not None
        assert each.node.expr is not None
        message = f"`{each.act.word}` is not done any more where `{each.test.word}` says so"
        yield change.after.hit(each.node.expr, message, anchor=f"disarmed {each.act.key}")
    around = None if found else gone_around(change)
    if around is not None and around.test.expr is not None:
        assert change.after is not None
        message = f"`{around.act.word}` is only called where `{cut(around.test.expr.key)}` says so now"
        yield change.after.hit(around.act.expr, message, anchor=f"around {around.act.word}")
    first = None if found else of_first_only(change)
    if first is not None:
        assert change.after is not None
        message = f"`{first.now.word}` is asked of the first only, no longer of all `{first.count}`"
        yield change.after.hit(first.now.expr, message, anchor=f"first only {first.now.key}")


RULE = Rule(
    code="PAT106",
    name="guard-removed",
    summary="a check that guarded a change of an entry or page is gone",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=S1,
    partial=True,
)
