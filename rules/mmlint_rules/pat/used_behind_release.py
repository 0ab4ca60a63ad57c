"""PAT116 used-behind-release: a use that stood before the release comes behind it now, or the release comes twice.

## What it does
Follows each thing that a function gives up, on every path, before and after the patch. Reported are: a use of it (or of
what was read out of a page-table walk, or what lies where a page is mapped, or what a pointer into it leads to, or one
that the same call filled in) behind the release where it stood before it; a second release on one path; a release of
what was handed on; a release whose count or pointer is set to zero before it now; one reference given up where a number
of them was; a thing that is given up by the call for another kind of reference than the one taken; and a further
reference that is not taken any more, or is one of another kind, while the patch changes no release; and a part of an
array that is taken or given up from the start, where it was from an offset or, in another loop, from further on; and a
member that told of what is given up, was cleared behind it, and is not any more, while another function gives up by it;
and a put behind the mapping of a page, which has taken the reference over; and a release on the way of a failure, in
front of which a callback of the object was set. Where two statements change places and nothing else does, what frees
memory counts as a release, too, and no reference may come to be taken behind a call that lets go of something, or
behind the release of `mmap_lock` or another lock that kept the thing. A get that has left the section of the lock under
which its thing is still found is reported wherever it went, and so is a call of GUP that pins, where plain references
were taken, in a folder in which nothing unpins, or one that unpins for one that put, in a folder in which nothing pins.
So is a free behind what lets others find the object (a list, an xarray), where it was only let in once nothing could
fail any more, a release in a loop that counts its index on no more, and one of a number of references that is reckoned
without a constant or a variable that it had, where nothing else changes.

## Why it matters
Behind the last put a page belongs to somebody else: what is read there is theirs, and a second put takes their
reference. The order of two lines is easily changed when code is moved or tidied up.

## Bad
```diff
+	put_page(page);
        nid = page_to_nid(page);
-	put_page(page);
```

## Good
```diff
        nid = page_to_nid(page);
+	unlock(obj);
        put_page(page);
```

## Limits
Only for a variable that both sides know by the same name; a use that came behind a release before the patch, too, is
left alone, and so is what holds a reference of its own.

## Sources
review rules RR-36, RR-37; Documentation/core-api/pin_user_pages.rst; kernel/resources.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.outrun import outrun
from mmlint.changes.edits.sameindex import stands_still
from mmlint.changes.locks.gotlate import got_late
from mmlint.changes.releases.counted import other_count
from mmlint.changes.releases.forgotten import forgotten
from mmlint.changes.releases.lifediff import turns
from mmlint.changes.releases.mapped import put_mapped
from mmlint.changes.releases.ownloop import restarted
from mmlint.changes.releases.shifted import shifted
from mmlint.changes.releases.turn import Turn
from mmlint.changes.releases.unmatched import unmatched
from mmlint.changes.releases.whose import told_by_flag
from mmlint.changes.values.published import published
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UAF1

from mmlint_rules.pat.lost import cut

_LONG = 110
_LATE = {
    "freed": "`{}` is looked into here, behind what may free it",
    "unarmed": "`{}` is not set yet on the way to this release, where a step fails",
    "unheld": "a reference of `{}` is taken here, behind what may have held it until then",
}
_HOW = ("late", "again", "idle", "door", "fewer", "untaken", "swapped", "one")


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each thing once, at the use or release."""
    after = change.after
    if after is None:
        return
    worse = [turn for turn in turns(change) if turn.how in _HOW]
    told = {turn.thing.key for turn in worse}
    yield from _by_lives(after, worse)
    yield from _other_elements(change, after)
    yield from _other_kinds(change, after, counted=not told)
    for put in put_mapped(change):
        if put.thing.key in told:
            continue
        message = f"`{put.call.value}` gives up `{put.thing.key}`, though `{put.mapping.word}` passed its reference on"
        step = after.step(put.mapping.line, "what is mapped holds the reference")
        yield after.hit(put.call, message, steps=(step,), anchor=f"mapped {put.thing.key}")
    for got in got_late(change):
        told.add(got.what)
        step = after.step(got.lock.line, "it is found in the section of the lock that is taken here")
        yield after.hit(got.act.expr, _LATE["unheld"].format(cut(got.what)), steps=(step,), anchor=f"unheld {got.what}")
    for late in outrun(change):
        if late.how in _LATE and late.what not in told:
            step = after.step(late.by.line, "this has changed places with it")
            message = _LATE[late.how].format(cut(late.what))
            severity = Severity.INFO if late.how == "unarmed" and change.patch.mends else None
            yield after.hit(late.node, message, steps=(step,), severity=severity, anchor=f"{late.how} {late.what}")


def _by_lives(after: Function, worse: Sequence[Turn]) -> Iterator[Hit]:
    firsts = {turn.thing.key: turn for turn in reversed(worse)}
    for turn in worse:
        if firsts[turn.thing.key] is not turn or turn.release is None:
            continue
        if turn.how != "again" or not told_by_flag(after, turn.thing, turn.node):
            call = turn.release.value
            step = after.step(turn.release.line, f"`{call}` gives it up")
            yield after.hit(turn.node, _message(turn, call), steps=(step,), anchor=f"{turn.how} {turn.thing.key}")


def _other_kinds(change: FunctionChange, after: Function, *, counted: bool) -> Iterator[Hit]:
    """Report references of another kind or number, and members that tell of what has been given up."""
    pinned = unmatched(change)
    if pinned is not None:
        message = f"`{pinned.call.value}` unpins what `{pinned.was}` put, and nothing in this folder pins"
        if pinned.pins:
            message = f"`{pinned.call.value}` pins what `{pinned.was}` only took, and nothing in this folder unpins"
        yield after.hit(pinned.call, message, anchor=f"unmatched {pinned.call.value}")
    count = other_count(change) if counted else None
    if count is not None:
        message = (
            f"`{count.act.word}` gives up another number of references: `{cut(count.lost)}` is not counted any more"
        )
        yield after.hit(count.act.expr, message, anchor=f"count {count.act.word} {count.lost}")
    for left in forgotten(change):
        message = (
            f"`{left.member}` is not cleared any more behind `{left.release.word}`: `{left.other.name}` goes by it"
        )
        yield after.hit(left.release.expr, message, anchor=f"forgotten {left.member}")


def _other_elements(change: FunctionChange, after: Function) -> Iterator[Hit]:
    """Report parts of arrays that begin elsewhere now."""
    for found in shifted(change):
        message = (
            f"`{found.now.word}` begins with the first of `{found.array}` now, no longer `{found.offset}` further on"
        )
        if not found.offset:
            message = f"`{found.now.word}` begins with an element of `{found.array}` that it left out before"
        elif len(message) > _LONG:
            message = f"`{found.now.word}` begins with the first of `{found.array}` now, no longer at an offset"
        yield after.hit(found.now.expr, message, anchor=f"shifted {found.array}")
    again = restarted(change)
    if again is not None:
        message = (
            f"`{again.now.word}` begins with element `{again.begins}` now, where it might begin with `{again.began}`"
        )
        yield after.hit(again.now.expr, message, anchor=f"restarted {again.now.word}")
    still = stands_still(change)
    if still is not None:
        message = f"`{cut(still[0].key)}` is reached again in the loop with the same element: nothing counts on"
        yield after.hit(still[0].expr, message, anchor=f"still {still[1]}")
    early = published(change)
    if early is not None and not early.late:
        step = after.step(early.act.line, f"others find `{early.what}` from here on")
        message = f"`{early.what}` is freed here, and others still find it by `{early.act.word}`"
        yield after.hit(early.node, message, steps=(step,), anchor=f"published {early.what}")


def _message(turn: Turn, call: str) -> str:
    name = turn.thing.key
    if turn.how == "late":
        what = turn.text if len(turn.text) <= 40 else turn.text.split("(")[0]
        return f"`{what}` comes behind `{call}` now, which gives up `{name}`"
    if turn.how == "idle":
        return f"`{call}` is handed a zero or an error now, what `{name}` holds stays"
    if turn.how == "door":
        return f"`{name}` is given up by `{call}` now, which is for another reference than the one taken"
    if turn.how == "swapped":
        return f"`{turn.text}` takes another kind of reference of `{name}` than `{call}` did, and is given up as before"
    if turn.how == "untaken":
        return f"`{call}` took a reference of `{name}` here, and nothing of the patch gives up one less"
    if turn.how == "one":
        return f"`{call}` takes one reference of `{name}`, where a number of them was taken before"
    if turn.how == "fewer":
        return f"`{call}` gives up one reference of `{name}`, where a number of them was given up before"
    return f"`{name}` is given up again here, after it was given up or handed on"


RULE = Rule(
    code="PAT116",
    name="used-behind-release",
    summary="a use comes behind the release that it stood before, or the release comes twice",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=UAF1,
)
