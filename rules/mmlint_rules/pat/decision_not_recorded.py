"""PAT122 decision-not-recorded: a variable that decides what follows is not set on one way any more.

## What it does
Compares each function before and after the patch. On one way a variable was set to a constant; after the patch the rest
of that way is still there, the variable comes along it with another constant, and a branch further on reads it. The
same for what a parameter points to: the caller is not told any more. Or a member was set to something that a branch in
the same file asks for, and nothing in the file sets it any more; or a mask got a flag, or lost one, in an arm that is
gone, or a member did so each time, or what selects the bits of an entry that are carried over. Or what permits to write
(`*writable`) is `true` now, where it was what something else told.

## Why it matters
`count_increased = false` before a retry says that the reference is gone. Without it the next round takes itself for the
owner and puts the page a second time.

## Bad
```diff
                put_page(p);
-		count_increased = false;
                goto try_again;
```

## Good
```diff
-	bool done = false;
+	bool done;

        done = false;
```

## Limits
Constants only; silent where the variable may have any value there, and where it has the same one anyway.

## Sources
mm/memory-failure.c get_any_page; mm/huge_memory.c zap_huge_pmd; mm/gup.c fixup_user_fault.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.unheard import unwritten
from mmlint.changes.values.granted import granted
from mmlint.changes.values.unflagged import unflagged
from mmlint.changes.values.unraised import unraised
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PUT1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each way on which the variable keeps what it had."""
    after = change.after
    for found in unwritten(change):
        if after is None or found.node.expr is None:
            continue
        message = f"`{found.variable}` is not set to `{found.value}` any more on this way"
        steps = (after.step(found.reader.line, "it is read here"),) if found.reader is not found.node else ()
        anchor = f"unwritten {found.variable} {found.value}"
        yield after.hit(found.node.expr, message, steps=steps, anchor=anchor)
    for less in unflagged(change):
        assert after is not None
        assert less.reader.expr is not None
        verb = "lose" if less.cleared else "get"
        where = f" where `{cut(less.test.expr.key)}`" if less.test is not None and less.test.expr is not None else ""
        message = f"`{less.variable}` does not {verb} `{less.flag}` any more{where}"
        severity = Severity.INFO if less.test is None and change.patch.mends else None
        anchor = f"unflagged {less.variable} {less.flag}"
        yield after.hit(less.reader.expr, message, severity=severity, anchor=anchor)
    for lost in unraised(change):
        assert after is not None
        assert lost.node.expr is not None
        steps = (lost.asking.step(lost.test.line, "it is asked for here"),)
        message = f"nothing sets `{lost.member}` any more, and `{lost.asking.name}` asks for it"
        yield after.hit(lost.node.expr, message, steps=steps, anchor=f"unraised {lost.member}")
    given = granted(change)
    if given is not None and after is not None:
        message = f"`{cut(given.what)}` permits to write whatever `{cut(given.told)}` says"
        yield after.hit(given.node, message, anchor=f"granted {given.what}")


RULE = Rule(
    code="PAT122",
    name="decision-not-recorded",
    summary="a variable that decides what follows is not set on one way any more",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=PUT1,
)
