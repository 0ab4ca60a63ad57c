"""PAT126 test-changed: a test asks for another flag than before, or its answers lead the other way.

## What it does
Compares each function before and after the patch. A condition is still there with its negation lost or gained, and all
that stood on one side of it, untouched by the patch, now stands on the other; or the result of a function that answers
yes or no is the opposite of what it was, with no caller changed. Or nothing changes in a test or result but the flag
that it asks for, which becomes another of the same kind (`VM_MAYWRITE`, `VM_WRITE`), or is missing in a result. Or a
term of a condition is gone and nothing comes in its place; or the body of a helper stands in place of a call of it,
less one of its tests; or nothing reads a parameter any more that decided a test;
or a case label has moved to the arm of other cases, which gives up or takes something else; or the predicate that tells
what is left alone is another one, and the function that counts the other way still asks the old one.
A function that only asks is read as a truth table, with the functions of that sort that it calls: what gives the same
answers in other words is no finding, and what gives others to the questions of before is one. A predicate for some
states of an entry that comes to hold where one for other states does is reported, too.

## Why it matters
One word. `return vma->vm_flags & VM_SOFTDIRTY` where the flag means that tracking is off makes every writable
entry escape the tracking, and nothing else changes.

## Bad
```diff
-	return !(vma->vm_flags & VM_SOFTDIRTY);
+	return vma->vm_flags & VM_SOFTDIRTY;
```

## Good
```diff
-	if (!folio_test_dirty(folio))
-		return 0;
-	write_back(folio);
+	if (folio_test_dirty(folio))
+		write_back(folio);
```

## Limits
Conditions that the patch changes alone of their text; silent where a function that calls this one changes too, and for
flags that the patch brings. A test turned round, or asked otherwise, by a patch that says what it mends (`Fixes:`) is
told at info: one of the two ways is wrong, and its author names it. A term that is not asked any more is reported only
if no other rule speaks of the function, the patch adds no call to it, and what the term names is still in use
elsewhere; that another term implies it is for the reader to see. It is told at info where the changelog names it.

## Sources
include/linux/mm.h, mm/internal.h (predicates); review rules RR-63.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.answers import Otherwise, answers_otherwise, same_answers
from mmlint.changes.questions.fewer import dropped_terms, unread
from mmlint.changes.questions.kin import overlapping, parted
from mmlint.changes.questions.labels import Moved, moved_labels
from mmlint.changes.questions.opencoded import open_coded
from mmlint.changes.questions.otherwise import fewer_flags, inverted, other_flags, other_members, told_anyway
from mmlint.changes.questions.spares import spared_otherwise
from mmlint.changes.questions.stricter import refuses_more
from mmlint.changes.questions.twins import made_twin
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import SOFT1

from mmlint_rules.pat.lost import cut, shown

_MOST_SHOWN = 60

_LONG = 80


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each test that is turned round, or asks for something else."""
    after = change.after
    if after is None or same_answers(change) or parted(change):
        return
    alike = overlapping(change)
    if alike is not None:
        assert alike.result.expr is not None
        message = f"`{after.name}` holds now where `{alike.other}` does, which is for other states"
        yield after.hit(alike.result.expr, message, anchor=f"overlap {alike.other}")
        return
    other = answers_otherwise(change)
    if other is not None:
        assert other.node.expr is not None
        yield after.hit(other.node.expr, _answers(after.name, other), anchor=f"otherwise {after.name}")
        return
    yield from _turned(change, after)
    yield from _other_questions(change, after)
    yield from _fewer_questions(change, after)


def _turned(change: FunctionChange, after: Function) -> Iterator[Hit]:
    severity = Severity.INFO if change.patch.mends else None
    for found in inverted(change):
        assert found.now.expr is not None
        if found.act is None:
            message = f"`{after.name}` answers the opposite of what it did"
        else:
            message = f"{shown(found.act)} stands on the other side of this test now"
        steps = () if found.act is None else (after.step(found.act.line, "it is made for the other answer"),)
        anchor = f"inverted {found.now.expr.key}"
        yield after.hit(found.now.expr, message, severity=severity, steps=steps, anchor=anchor)


def _other_questions(change: FunctionChange, after: Function) -> Iterator[Hit]:
    severity = Severity.INFO if change.patch.mends else None
    for node, was, now in (*other_flags(change), *other_members(change)):
        assert node.expr is not None
        if refuses_more(after, node, was, now):
            continue
        message = f"this asks for `{now}`, no longer for `{was}`"
        yield after.hit(node.expr, message, severity=severity, anchor=f"flag {was} {now}")
    for call, asked, told in told_anyway(change):
        message = f"`{call.word}` gets `{told}` now, whatever `{asked}` says"
        yield after.hit(call.expr, message, severity=severity, anchor=f"told {call.word} {asked}")
    twin = made_twin(change)
    if twin is not None:
        message = f"`{twin.now}` for `{twin.was}` makes this the same as `{twin.other.name}`"
        yield after.hit(twin.node, message, severity=severity, anchor=f"twin {twin.other.name}")
    spared = spared_otherwise(change)
    if spared is not None:
        assert spared.test.expr is not None
        message = f"`{spared.now}` is asked here now, `{spared.other.name}` goes by `{spared.was}` still"
        yield after.hit(spared.test.expr, message, severity=severity, anchor=f"spared {spared.was} {spared.now}")
    for moved in moved_labels(change):
        yield after.hit(moved.now or moved.switch, _leads(moved), anchor=f"case {moved.label}")


def _fewer_questions(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for node, flag in fewer_flags(change):
        assert node.expr is not None
        yield after.hit(node.expr, f"`{after.name}` does not ask for `{flag}` any more", anchor=f"fewer {flag}")
    copy = open_coded(change)
    if copy is not None and copy.place.expr is not None:
        message = f"`{copy.helper}` asked for `{cut(copy.term)}` too, what stands in its place does not"
        severity = Severity.INFO if change.patch.speaks_of(copy.term) or change.patch.speaks_of(copy.helper) else None
        yield after.hit(copy.place.expr, message, severity=severity, anchor=f"open-coded {copy.helper} {copy.term}")
    for less in (*dropped_terms(change), *unread(change)):
        assert less.node.expr is not None
        what = "nothing reads" if less.whole else "this does not ask for"
        severity = Severity.INFO if change.patch.speaks_of(less.term) else None
        term = less.term if len(less.term) <= _LONG else f"{less.term[: _LONG - 3]}..."
        yield after.hit(less.node.expr, f"{what} `{term}` any more", severity=severity, anchor=f"fewer {less.term}")


def _answers(name: str, found: Otherwise) -> str:
    says = "otherwise" if found.now is None else "true" if found.now else "false"
    where = " && ".join(found.where) if sum(map(len, found.where)) <= _MOST_SHOWN else ""
    return f"`{name}` answers {says} now" + (f" where `{where}`" if where else ", for what it is asked as before")


def _leads(moved: Moved) -> str:
    was, now = (f"`{call.value}`" if call is not None else "no such call" for call in (moved.was, moved.now))
    return f"`case {moved.label}` leads to {now} now, no longer to {was}"


RULE = Rule(
    code="PAT126",
    name="test-changed",
    summary="a test asks for another flag than before, or its answers lead the other way",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    last=True,
    by_steps=True,
    scenario=SOFT1,
)
