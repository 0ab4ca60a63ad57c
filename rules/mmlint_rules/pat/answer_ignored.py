"""PAT121 answer-ignored: a call is still made, what it says is not looked at any more.

## What it does
Compares each function before and after the patch. A call decided by its result, or by a variable whose address it gets,
what was done next; after the patch the call is still there, and nothing reads the answer, though a variable may still
keep it. The same for a call that was handed the answer to a question and is told `true` or `false` now.

## Why it matters
`fixup_user_fault` says in `unlocked` that it let go of the mmap lock, and that the vma may be another by now. The pass
over the pages of a long-term pin says by -EAGAIN that it has unpinned and moved them. Who does not listen goes on with
what is no longer his.

## Bad
```diff
        ret = fixup_user_fault(mm, addr, FAULT_FLAG_REMOTE, &unlocked);
-	if (unlocked)
-		return -EAGAIN;
```

## Good
```diff
-	ret = fixup_user_fault(mm, addr, FAULT_FLAG_REMOTE, &unlocked);
-	if (unlocked)
-		return -EAGAIN;
+	return fixup_user_fault(mm, addr, FAULT_FLAG_REMOTE, NULL);
```

## Limits
Silent where the callee changes in the same patch or returns nothing, where only a message hung on the answer, and
where the branch that leads to the call has asked the very question that is now told by a constant.
Whether the answer can still be anything but success is not asked.

## Sources
mm/gup.c fixup_user_fault ("if true, caller must retry"), check_and_migrate_movable_pages.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.unheard import decided, unheard
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import RT1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each call whose answer goes nowhere now."""
    after = change.after
    for found in unheard(change):
        assert after is not None
        name = found.call.value
        said = f"what `{name}` says in `{found.where}`" if found.where else f"the result of `{name}`"
        yield after.hit(found.call, f"{said} is not looked at any more", anchor=f"unheard {name} {found.where}")
    for now, was, told in decided(change):
        assert after is not None
        message = f"`{now.word}` is told `{told}`, whatever `{was.key}` says"
        yield after.hit(now.expr, message, anchor=f"decided {now.word} {was.key}")


RULE = Rule(
    code="PAT121",
    name="answer-ignored",
    summary="a call is still made, what it says is not looked at any more",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=RT1,
)
