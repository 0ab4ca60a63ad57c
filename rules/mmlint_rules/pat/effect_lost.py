"""PAT132 effect-lost: a call that did something to a page, an entry or an address space is deleted, and nothing else.

## What it does
Compares each function before and after the patch. One statement is gone, a call that was made for what it does, with
the test for its sake, and what was undone where it failed, if there was any; the patch adds no call, makes this one
nowhere else, and the function still speaks of all that the call was handed. Calls that the tables know count, those
that are handed a page, folio, vma, mm, entry or the like, every call in mm/, and those of the library that others wait
for or walk over (a wake-up, a list), and a helper that the patch takes away and whose body another caller has now. So
does a statement that set a variable which is read behind it as before, what a parameter points to or, in mm/, a member,
or two that set members of one object; the calls that write-protected, if they are all that goes; the setting of a
variable that a flush or a release hangs on further down; a get around a value that is returned or stored as before
(`return get_x(found)`), or of what a member holds, under a lock, for a call; the get of an object that replaces another
one, with the put of that; and a call that gave a thing with a reference, exchanged for its namesake that takes none
(`folio_anon_vma` for `folio_get_anon_vma`).

## Why it matters
What is taken, written, counted or published by one line is relied on by others far away: a reference that nobody
takes any more is put all the same when the mapping goes.

## Bad
```diff
        dma->mm = current->mm;
-	mmgrab(dma->mm);
```

## Good
```diff
-	mmgrab(mm);
-	dma->mm = mm;
+	dma->mm = mmgrab_current();
```

## Limits
Silent where another rule says more of the function; where a call that is still made does the same inside; where the
patch takes the call out of other functions, too; for messages, counters of statistics, locks, what gives something up
(PAT110, PAT115), and what is set to the constant that it has already. That the effect was not needed is for the reader
to see. A patch that says what it mends (`Fixes:`), or names the call, is told at info.

## Sources
include/linux/sched/mm.h mmgrab; Documentation/process/submitting-patches.rst (Fixes:).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.vanished import vanished
from mmlint.changes.questions.opencoded import called_no_more
from mmlint.changes.releases.unreferenced import Unreferenced, unreferenced
from mmlint.changes.values.leftunset import left_unset
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UAF1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the value that nothing sets any more, or the call that is gone."""
    after, value = change.after, left_unset(change)
    found = (vanished(change) or called_no_more(change)) if value is None else None
    if after is not None and value is not None and value.setter.expr is not None:
        what, setter = cut(value.what), value.setter.expr.key
        told = (
            "what set `{}` is gone from here"
            if value.shared
            else "`{}` is read here as before, and what set it is gone"
        )
        if value.hanging:
            told, setter = f"`{value.hanging}` hangs on `{{}}`, and what set that on this way is gone", value.hanging
        yield after.hit(
            value.place, told.format(what), severity=_severity(change, setter), anchor=f"unwritten {value.what}"
        )
    if after is not None and found is not None:
        message = f"`{found.act.word}` is gone from here, and nothing comes in its place"
        yield after.hit(
            found.node, message, severity=_severity(change, found.act.word), anchor=f"vanished {found.act.key}"
        )
    bare = unreferenced(change) if value is None and found is None else None
    if after is not None and bare is not None:
        named = "" if bare.accessor else bare.get.value
        yield after.hit(
            bare.node, _unreferenced(bare), severity=_severity(change, named), anchor=f"unreferenced {bare.get.key}"
        )


def _unreferenced(found: Unreferenced) -> str:
    taken = cut(found.get.args[0].key)
    if found.old:
        return f"`{taken}` comes in the place of `{cut(found.old)}` here, without the get and the put"
    if found.accessor:
        return f"`{found.accessor}` takes no reference; `{found.get.value}` took one here, and it is still given back"
    return f"`{taken}` is handed on here without the reference that `{found.get.value}` took"


def _severity(change: FunctionChange, text: str) -> Severity | None:
    """What the changelog names, and the mending of a commit, is told at info."""
    return Severity.INFO if change.patch.mends or change.patch.speaks_of(text) else None


RULE = Rule(
    code="PAT132",
    name="effect-lost",
    summary="a call that did something to a page, an entry or an address space is deleted, and nothing else",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    last=True,
    by_steps=True,
    scenario=UAF1,
)
