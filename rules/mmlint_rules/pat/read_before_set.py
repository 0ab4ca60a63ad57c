"""PAT124 read-before-set: a patch moves a reading in front of what sets the value.

## What it does
Compares each function before and after the patch. A statement that sets a variable, a field or a flag and one that
reads it are both still there, word for word, and the reading now comes first: it gets what was there before. For a flag
the reading may be in what is called. A call that set both bounds of a range and is gone while the range goes on to be
used counts as well. So do two statements that change places, and nothing else with them, where the one now in front
overwrites or clears what the other uses (from an earlier turn of the loop, perhaps), or uses what the other makes
ready, or lets others take references of a page whose members are set behind it now. And a member that others read is
set behind what lets them find the object, where it was set before, by the caller perhaps; or one by which a helper
decides what to undo is set behind the exits that call it. So does a cleanup at the end of a scope (`__free`, `guard`)
to which a jump leads from before the declaration.

## Why it matters
The two lines look independent when one of them hands the value on by its address, or asks for the flag two calls down.
`mmu_notifier_invalidate_range_start(&range)` in front of what widens the range tells secondary MMUs about too little.

## Bad
```diff
-	entry = pte_mkdirty(entry);
        set_pte_at(mm, addr, ptep, entry);
+	entry = pte_mkdirty(entry);
```

## Good
```diff
-	entry = pte_mkdirty(entry);
        page = pte_page(orig);
+	entry = pte_mkdirty(entry);
        set_pte_at(mm, addr, ptep, entry);
```

## Limits
Statements that occur once; silent where the patch sets the value in another way for the reading.

## Sources
mm/memory.c zap_page_range_single; block/bio.c bio_iov_iter_get_pages; mm/memory.c do_anonymous_page.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.outrun import outrun
from mmlint.changes.values.overtaken import overtaken, unset
from mmlint.changes.values.published import published
from mmlint.changes.values.setbycaller import set_by_caller
from mmlint.changes.values.toldlate import told_late
from mmlint.facts.owners.uncleaned import never_set
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import DIRTY2

from mmlint_rules.pat.lost import cut

_EARLY = {
    "set": "`{}` is set anew before it is used here",
    "unset": "`{}` is not made ready before it is used here",
    "published": "`{}` is set here, behind what lets others in who read it",
}


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each reading that overtakes what sets its value."""
    after = change.after
    for found in overtaken(change):
        if after is None or found.reader.expr is None or found.setter.expr is None:
            continue
        what = found.what.removeprefix("flag:")
        message = f"`{what}` is read here before it is set"
        steps = (after.step(found.setter.line, "it is set here, which came first before"),)
        yield after.hit(found.reader.expr, message, steps=steps, anchor=f"overtaken {what}")
    for setter, reader in unset(change):
        assert after is not None
        message = f"`{reader.word}` gets what `{setter.word}` does not set any more"
        yield after.hit(reader.expr, message, anchor=f"unset {setter.word} {reader.word}")
    for late in outrun(change):
        if after is None or late.how not in _EARLY:
            continue
        steps = (after.step(late.by.line, "this has changed places with it"),)
        message = _EARLY[late.how].format(cut(late.what))
        yield after.hit(late.node, message, steps=steps, anchor=f"outrun {late.what}")
    told = told_late(change)
    if told is not None and after is not None:
        message = f"`{told.call.word}` asks for `{cut(told.what)}`, which is set only behind it now"
        steps = (after.step(told.setter.line, "it is set here"),)
        yield after.hit(told.call.expr, message, steps=steps, anchor=f"told {told.what} {told.call.word}")
    early = published(change)
    if early is not None and early.late and after is not None and early.node.expr is not None:
        message = f"`{cut(early.node.expr.args[0].key)}` is set here, behind what lets others find `{early.what}`"
        steps = (after.step(early.act.line, "others find it from here on"),)
        yield after.hit(early.node, message, steps=steps, anchor=f"published {early.node.expr.key}")
    if after is None or change.patch.partial:
        return
    outside = set_by_caller(change)
    if outside is not None:
        message = f"`{cut(outside.target.key)}` is set here, behind what lets others find it"
        steps = (Step(outside.maker.path, outside.found.line, f"`{outside.maker.name}` lets others find it here"),)
        yield after.hit(outside.node, message, steps=steps, anchor=f"outside {outside.target.key}")
    for what in never_set(after).keys() - (never_set(change.before).keys() if change.before is not None else set()):
        message = f"the end of the scope cleans `{cut(what)}` up, and a way leads here that does not set it"
        yield after.hit(never_set(after)[what], message, anchor=f"cleanup {what}")


RULE = Rule(
    code="PAT124",
    name="read-before-set",
    summary="a value is read before it is set, the other way round than before",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=DIRTY2,
)
