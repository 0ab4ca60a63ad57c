"""PAT125 done-on-other-ways: a release or mark hangs on another test than before.

## What it does
Compares each function before and after the patch. A reference was put, a page marked or counted whatever the outcome of
a test that stands beside it; after the patch call and test are both still there, and the call is made on one outcome
only, itself or with the test that decides about it (`else if`); so for a bit of an entry that nothing else tells of,
and for a flush that both arms of a test need. Or a reference was put on one outcome only of a test that the patch takes
away, or something was done only where a flag permitted it (`HMM_PFN_WRITE`). Or what the function did not take itself
was put in one of two arms, and is put behind both now. Or all that a patch does is to take the test for one value of a
member away from around a call, or from around a release the question about the very thing. Or what a call hands out
through a pointer is put wherever the pointer is set, and was put where the call had answered that it did. Or a jump
leads to another label and comes by what undoes a step that is only made further down. Or the exit that led past a
release is a condition around a part of the function now, and who left there comes to the release. Or a loop asks behind
its body now (`do while`), and on some way to it there is nothing to do. Or what was done once an atomic exchange had
succeeded is done in front of it. Or two things were done on a test of their own each, both of them if both held, and
one of them is left for where the other is not done.

## Why it matters
Two steps that stand one after the other look as if they belonged together. `put_page()` under the test that asks
whether the page is to be marked dirty leaks every page that is not. And where the caller said by a parameter that it
keeps its reference, it is put twice.

## Bad
```diff
-	if (dirty)
-		set_page_dirty_lock(page);
-	put_page(page);
+	if (dirty) {
+		set_page_dirty_lock(page);
+		put_page(page);
+	}
```

## Good
```diff
-	if (dirty)
-		set_page_dirty_lock(page);
-	put_page(page);
+	if (dirty)
+		unpin_user_pages_dirty_lock(&page, 1, true);
+	else
+		put_page(page);
```

## Limits
Silent where something else is done to the same thing, where the test is about the thing itself, and for marks behind a
test for errors. The last two kinds are not told of a patch that names the commit it mends. Needs the tree.

## Sources
fs/ceph/file.c put_bvecs; mm/khugepaged.c __collapse_huge_page_copy_succeeded.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.jumps import jumps
from mmlint.changes.releases.byanswer import not_by_answer
from mmlint.changes.releases.letby import let_by
from mmlint.changes.releases.onceanyway import once_anyway
from mmlint.changes.releases.oneofboth import one_of_both
from mmlint.changes.releases.otherways import other_ways
from mmlint.changes.releases.regardless import regardless
from mmlint.changes.releases.unwon import unwon
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the act that some ways leave out now, or have now."""
    after = change.after
    only = regardless(change) or let_by(change) or not_by_answer(change) or unwon(change) or one_of_both(change)
    for found in other_ways(change) or ([] if only is None else [only]):
        assert after is not None
        assert found.test.expr is not None
        word, test = found.act.word, found.test.expr.key
        if found.more:
            message = f"`{word}` is made whatever `{test}` would say"
        else:
            message = f"`{word}` is left out on one outcome of `{test}`"
        steps = () if found.more else (after.step(found.test.line, "it was made whatever this says"),)
        yield after.hit(found.act.expr, message, steps=steps, anchor=f"other ways {found.act.key}")
    for jump in jumps(change):
        if after is not None and jump.more:
            step = after.step(jump.other.line, "this says that it is too early")
            message = f"the way from here comes by `{jump.act.word}` now, too early"
            yield after.hit(jump.start, message, steps=(step,), anchor=f"jump {jump.act.key}")
    once = once_anyway(change)
    if once is not None and after is not None and once.asked.expr is not None:
        message = f"`{once.call.value}` is done once before `{cut(once.asked.expr.key)}` is asked, which need not hold"
        yield after.hit(once.call, message, anchor=f"once {once.call.key}")


RULE = Rule(
    code="PAT125",
    name="done-on-other-ways",
    summary="a release or mark hangs on another test than before",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=LEAK1,
)
