"""PAT105 primitive-swapped-silently: a reference primitive is exchanged for one of another kind, and nobody is told.

## What it does
Compares each function before and after the patch. In the place of a call that takes or gives back a reference or a
pin stands one that counts otherwise (a get for a try-get, a reference for a pin, a freeze for a decrement), and the
subject and the changelog name neither of the two.

## Why it matters
A conversion says that nothing changes. Readers of such a patch do not look for a primitive with other rules: in the
ZONE_DEVICE thread a speculative get took the place of a plain one and with it a side effect of the old one was lost.

## Bad
```diff
 mm: convert the walker to generic code, no functional change
-get_page(page);
+if (!page_cache_get_speculative(page)) ...
```

## Good
```diff
 mm: take the reference with page_cache_get_speculative(), for the walker holds no lock
-get_page(page);
+if (!page_cache_get_speculative(page)) ...
```

## Limits
Pages for folios and other spellings of the same primitive are silent, and so is what weaker-primitive reports. A
changelog that says pin, unpin, reference or refcount is taken to speak of it.

## Sources
ZONE_DEVICE thread of 2017 to 2019 (digest-001-004 R-RC4, ZD1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange, PatchView
from mmlint.changes.compare import comparison
from mmlint.changes.weaker.weaken import weakened
from mmlint.facts.steps import Act
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD1

_SPOKEN = re.compile(r"\b(un)?pin|ref(erence|count|s\b)|speculative|freeze|_get|_put|\bget|\bput", re.I)
_PIN = "page pin"


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each exchanged reference primitive of a function, if the mail does not speak of references at all."""
    compared = comparison(change)
    if compared is None or change.after is None or _SPOKEN.search(_words(change.patch)):
        return
    weaker = {id(found.step) for found in weakened(change)}
    for act in compared.removed:
        kind = _kind(act, change.patch)
        if not kind or id(act) in weaker:
            continue
        for now in compared.added:
            other = _kind(now, change.patch)
            here = compared.hunks[id(now)] == compared.hunks[id(act)]
            if here and other and other != kind and now.names & act.names:
                yield change.after.hit(
                    now.expr,
                    f"`{act.word}` became `{now.word}`, and the changelog says nothing of it",
                    anchor=f"{act.word} {now.word}",
                )
                break


def _words(view: PatchView) -> str:
    return f"{view.subject}\n{view.body.split('Signed-off-by', 1)[0]}"


def _kind(act: Act, view: PatchView) -> tuple[str, str] | None:
    """What a reference primitive does: its operation, and whether it is about pins; None for any other call."""
    tables = view.tables
    moved = (*tables.takes_resource.get(act.word, ()), *tables.gives_resource.get(act.word, ()))
    pinned = "pin" if any(row.resource == _PIN for row in moved) else "reference"
    helper = tables.ref_helpers.get(act.word)
    if helper is not None and helper.op in ("inc", "dec", "try", "freeze", "unfreeze", "set"):
        return helper.op, pinned
    if pinned == "pin":
        return ("inc" if act.word in tables.takes_resource else "dec"), pinned
    return None


RULE = Rule(
    code="PAT105",
    name="primitive-swapped-silently",
    summary="a reference primitive is exchanged for one of another kind, and nobody is told",
    severity=Severity.INFO,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=ZD1,
)
