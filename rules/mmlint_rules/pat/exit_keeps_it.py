"""PAT115 exit-keeps-it: after the patch a way out, or the next turn of a loop, keeps what was given up there before.

## What it does
Follows each thing that a function gives up (`folio_put`, `unpin_user_pages`, `mmput`, `fput`, any `..._put`,
`..._release`) on every path before and after the patch. A path that gave it up, or did not hold it, and now leaves the
function with it, or takes the next one into the same variable, leaks it. Where a jump leads to another label and passes
by what undoes an earlier step, the other ways out of the function and the first half of that step say so. Plain memory
that the function allocated for itself counts where its one free in the arm of a failure is all that goes. So do the
elements of an array that were taken one by one, each with its way out, and are taken in a loop now, and those that a
loop gives up one by one, where a new way leads out of it and nothing behind it speaks of them; and what was given up
where a call failed that got it, the result of which is returned as it is now.

## Why it matters
An early `return` where the others `goto out`, a `continue` that jumps over the put at the end of the loop, a retry that
takes the page once more: reviewers find these in new patches more often than any other leak.

## Bad
```diff
-	if (filtered(folio))
-		goto put;
+	if (filtered(folio)) {
+		addr += folio_size(folio);
+		continue;
+	}
        ...
-put:
        addr += folio_size(folio);
        folio_put(folio);
```

## Good
```diff
+	if (filtered(folio)) {
+		addr += folio_size(folio);
+		folio_put(folio);
+		continue;
+	}
```

## Limits
Only for a variable that both sides know by the same name. What is stored, returned or handed to a call that may keep it
counts as given up. Silent where before, too, some path with the same result kept it, and where the put stood behind the
mapping of the page, which holds the reference. Silent, too, where a condition that the patch brings says whether there
is something to give up: a flag (`is_pinned`), the result of a call that may have given it up, a comment that names the
function which does.

## Sources
review rules RR-33, RR-39; Documentation/core-api/pin_user_pages.rst; kernel/resources.toml.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.jumps import jumps
from mmlint.changes.releases.brokenoff import broken_off
from mmlint.changes.releases.keptmemory import kept_memory
from mmlint.changes.releases.lifediff import turns
from mmlint.changes.releases.mapped import spared
from mmlint.changes.releases.partings import partings
from mmlint.changes.releases.shortcut import shortcuts
from mmlint.changes.releases.tailcall import unreleased
from mmlint.changes.releases.turn import Turn
from mmlint.changes.releases.unrolled import unrolled
from mmlint.changes.releases.whose import others_own
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each thing once: by its life, else by what else tells of it."""
    after = change.after
    if after is None:
        return
    worse = [turn for turn in turns(change) if turn.how in ("kept", "lost")]
    yield from _by_lives(change, after, worse)
    kept = partings(change)
    for arm in kept[:1]:
        if arm.thing.key not in {turn.thing.key for turn in worse} | spared(change):
            message = f"the way from here keeps `{arm.thing.key}`: `{arm.release.value}` is not met any more"
            yield after.hit(arm.start, message, anchor=f"parting {arm.thing.key}")
    for cut in shortcuts(change) if not worse else ():
        message = f"`{cut.release.word}` came before this way out, and is not met any more"
        yield after.hit(cut.exit, message, anchor=f"shortcut {cut.release.word}")
    for other in _OTHERS if not worse and not kept else ():
        yield from other(change, after)


def _by_lives(change: FunctionChange, after: Function, worse: Sequence[Turn]) -> Iterator[Hit]:
    told: set[str] = set()
    for turn in worse:
        name, release = turn.thing.key, turn.release
        first = name not in told
        told.add(name)
        if not first or name in spared(change) or (turn.how == "kept" and others_own(change, turn.thing)):
            continue
        steps = (after.step(release.line, f"`{release.value}` gives it up elsewhere"),) if release else ()
        missing = f"`{release.value}` is missing" if release else "nothing gives it up"
        if turn.how == "kept":
            message = f"this way out keeps `{name}`, which it did not before: {missing}"
        else:
            message = f"`{name}` is taken anew while the one before is still held: {missing}"
        yield after.hit(turn.node, message, steps=steps, anchor=f"{turn.how} {name}")


def _memory(change: FunctionChange, after: Function) -> Iterator[Hit]:
    memory = kept_memory(change)
    if memory is not None:
        name = memory.release.expr.args[-1].key
        message = f"this way out keeps `{name}`, which `{memory.release.word}` freed here before"
        yield after.hit(memory.exit, message, anchor=f"memory {name}")


def _elements(change: FunctionChange, after: Function) -> Iterator[Hit]:
    turned, off = unrolled(change), broken_off(change)
    if turned is not None:
        message = f"in a later turn this way out keeps `{turned.array}[]`, which `{turned.release.word}` gave up"
        steps = (after.step(turned.take.line, "taken in each turn"),)
        yield after.hit(turned.exit, message, steps=steps, anchor=f"unrolled {turned.array}")
    if off is not None:
        message = f"this way out of the loop keeps the rest of `{off.array}[]`: `{off.release.word}` is not reached"
        yield after.hit(off.test, message, anchor=f"broken off {off.array}")


def _tail_call(change: FunctionChange, after: Function) -> Iterator[Hit]:
    tail = unreleased(change)
    if tail is not None:
        name = tail.thing.key
        message = f"this way out keeps `{name}` where `{tail.call.word}` fails: `{tail.release.word}` is missing"
        yield after.hit(tail.call.expr, message, anchor=f"tail call {name}")


def _jumps(change: FunctionChange, after: Function) -> Iterator[Hit]:
    for jump in jumps(change):
        if not jump.more:
            step = after.step(jump.other.line, "this says that it is due")
            message = f"the way from here does not come by `{jump.act.word}` any more"
            yield after.hit(jump.start, message, steps=(step,), anchor=f"jump {jump.act.key}")


_OTHERS = (_memory, _elements, _tail_call, _jumps)
"""What is asked where no life and no parting of ways has told of anything."""


RULE = Rule(
    code="PAT115",
    name="exit-keeps-it",
    summary="a way out, or the next turn of a loop, keeps what it gave up before the patch",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=LEAK1,
)
