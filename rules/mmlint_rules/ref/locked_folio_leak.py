"""REF113 locked-folio-leak: a folio leaves the function locked on one exit.

## What it does
Follows the folio lock (`folio_lock`, `folio_trylock`, `filemap_lock_folio`, `find_lock_page`, ...) and reports an exit
on which the folio is still locked where other exits of the function unlock it.

## Why it matters
The next task that wants the folio waits for ever: truncation, reclaim, a fault.

## Bad
```c
folio_lock(folio);
if (folio->mapping != mapping)
        return -EAGAIN;
folio_unlock(folio);
```

## Good
```c
if (folio->mapping != mapping) {
        folio_unlock(folio);
        return -EAGAIN;
}
```

## Limits
A folio that is returned, stored, or handed to a function that may unlock it is not judged. Successful exits are judged
only where every other exit unlocks.

## Sources
digest-review-rules RR-33, RR-34.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.leaks import Leak, leaks
from mmlint.facts.views.looked import taken
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK2


def check(function: Function) -> Iterator[Hit]:
    """Report each exit that leaves with the lock its siblings release."""
    for leak in leaks(function):
        if leak.resource != "folio lock" or not leak.given or leak.moved or not (leak.fails or len(leak.given) > 1):
            continue
        if leak.refused and not leak.fails:
            continue  # success hands the lock to the caller
        taken = function.step(leak.take.line, f"`{leak.take.value}` locks it")
        yield function.hit(leak.exit, _says(leak), steps=(taken,), anchor=f"{leak.take.key} locked")


def _says(leak: Leak) -> str:
    return f"this exit leaves the folio locked that `{leak.take.value}` locked (line {leak.take.line})"


RULE = Rule(
    code="REF113",
    name="locked-folio-leak",
    summary="a folio leaves the function locked on one exit",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(leaks,),
    check=check,
    partial=True,
    places=taken("folio locks taken", "folio lock"),
    scenario=LEAK2,
)
