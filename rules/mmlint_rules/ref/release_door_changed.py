"""REF116 release-door-changed: a patch turns an unpin into a put and leaves the pin as it was.

## What it does
Compares a function before and after a patch: the pages of one place (a field, a local, a parameter, a scatterlist) were
released by `unpin_*`, or by a helper of the file that calls it, and now by `put_page` and its kin, while no GUP call of
the file changed.

## Why it matters
As REF106: a pin has to be given back as a pin. This rule sees it where the pin was taken in another file.

## Bad
```c
-	unpin_folio(folio);
+	folio_put(folio);
```

## Good
```c
-	pin_user_pages(addr, nr, flags, pages);
+	get_user_pages(addr, nr, flags, pages);
...
-	unpin_user_pages(pages, nr);
+	release_pages(pages, nr);
```

## Limits
Silent where the patch also changes how the pages of that file are taken, and where all of them are known to be got.
The way back, from put to unpin, is mostly a repair: REF106 judges it by where the pages came from.

## Sources
commit 96e1fac162cc and its reverse; Documentation/core-api/pin_user_pages.rst.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts.function import Function
from mmlint.facts.owners.doors import GET, PIN, Door, came_by, helped_releases, mixed, releases
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.pins.beside import only_gets_beside
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import MIX1


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each release of the after side whose pages went out by the other door before."""
    before, after = change.before, change.after
    if before is None or after is None:
        return
    old, new = ((*releases(side), *helped_releases(side)) for side in (before, after))
    lost = Counter(d.call.key for d in old if d.kind == PIN) - Counter(d.call.key for d in new if d.kind == PIN)
    if not lost or _takes_differ(change) or (change.patch.partial and not _taking_shown(change)):
        return
    if not change.patch.partial and only_gets_beside(after):
        return
    for door in new:
        if door.kind == PIN or came_by(after, door) == {GET}:
            continue
        twin = next((d for d in old if lost[d.call.key] and _same_place(d, door)), None)
        if twin is None or any(d.kind == door.kind and _same_place(d, door) for d in old):
            continue
        if any(d.call is door.call for d in mixed(after)):
            continue
        message = (
            f"`{door.call.value}` releases pages that were unpinned by `{twin.call.value}`; the taking did not change"
        )
        yield after.hit(door.call, message, anchor=f"{door.call.value} for {twin.call.value}")


def _same_place(a: Door, b: Door) -> bool:
    return bool(a.tokens & b.tokens) or a.call.args[0].root == b.call.args[0].root


def _takes_differ(change: FunctionChange) -> bool:
    file, view = change.file, change.patch
    old = view.before.functions(file.old_path) if file.old_path else ()
    new = view.after.functions(file.new_path) if file.new_path else ()
    return _takes(old) != _takes(new)


def _taking_shown(change: FunctionChange) -> bool:
    """Whether the hunks show where pages are got or pinned at all: that it did not change is not known otherwise."""
    return bool(_takes(change.patch.after.functions(change.file.new_path) if change.file.new_path else ()))


def _takes(functions: tuple[Function, ...]) -> Counter[str]:
    return Counter(site.call.value for function in functions for site in gup_calls(function))


RULE = Rule(
    code="REF116",
    name="release-door-changed",
    summary="a patch turns an unpin into a put and leaves the pin as it was",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(releases,),
    compare=compare,
    partial=True,
    scenario=MIX1,
)
