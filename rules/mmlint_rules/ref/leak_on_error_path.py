"""REF108 leak-on-error-path: an error exit keeps a page reference or pin that other exits give back.

## What it does
Follows each reference and pin that a function takes (look-ups, allocations, `folio_get`, `folio_try_get`, GUP) and
reports an error exit on which it is still held, where another exit gives it back or the successful way passes it on.
A helper that is not seen must have taken what the function gives back. In hunks, two jumps to a label that is not
shown, one after the release and one without it, are held against each other. What a helper of the file gives up
where it fails in one way, and not in another, is its caller's to give up there. A turn of a loop that keeps what
another way has given back by the time the variable gets its next value is reported as well.

## Why it matters
The page is never freed; a pinned one can never be migrated or unplugged. Error paths are what tests do not run.

## Bad
```c
folio = filemap_get_folio(mapping, index);
if (IS_ERR(folio))
        return PTR_ERR(folio);
if (!folio_test_uptodate(folio))
        return -EIO;
folio_put(folio);
return 0;
```

## Good
```c
if (!folio_test_uptodate(folio)) {
        folio_put(folio);
        return -EIO;
}
```

## Limits
A store into memory, a return and a call of a function that is not known or may keep the page end the duty. Exits that
are not known to report an error are not judged here (REF111).

## Sources
digest-review-rules RF-14, RF-21, RF-34 (what looks like a leak and is none); Documentation/core-api/pin_user_pages.rst.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.halfgiven import half_given
from mmlint.facts.owners.leaks import Leak, leaks
from mmlint.facts.owners.overwritten import overwritten
from mmlint.facts.views.looked import taken
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK1

_PAGES = ("folio reference", "page pin", "GUP page reference")


def check(function: Function) -> Iterator[Hit]:
    """Report each error exit that keeps a page; what else the same exit keeps has the same cause."""
    for leak in leaks(function):
        if leak.resource in _PAGES and leak.fails:
            yield function.hit(
                leak.exit,
                _says(leak),
                steps=_steps(function, leak),
                anchor=f"{leak.take.key} kept",
                cause=f"{function.name}: exit in line {leak.exit.line}",
            )
    for lost in overwritten(function):
        if lost.resource in _PAGES and lost.given:
            message = f"a way to this keeps the {lost.resource} that `{lost.take.value}` took (line {lost.take.line})"
            step = function.step(lost.take.line, "other ways give it back before the next turn")
            yield function.hit(lost.node, message, steps=(step,), anchor=f"{lost.take.key} overwritten")
    for half in half_given(function):
        if half.thing.kind == "page":
            name = half.thing.key
            message = (
                f"this exit keeps `{name}`, which `{half.call.value}` does not give up where it says `{half.code}`"
            )
            step = function.step(half.call.line, "it gives it up where it fails otherwise")
            yield function.hit(half.exit, message, steps=(step,), anchor=f"{half.take.key} half given {half.code}")


def _says(leak: Leak) -> str:
    return f"this error exit keeps the {leak.resource} that `{leak.take.value}` took (line {leak.take.line})"


def _steps(function: Function, leak: Leak) -> tuple[Step, ...]:
    taken = function.step(leak.take.line, f"`{leak.take.value}` takes it")
    return (taken, *(function.step(n.line, "on the way to this exit it is given back") for n in leak.given[:1]))


RULE = Rule(
    code="REF108",
    name="leak-on-error-path",
    summary="an error exit keeps a page reference or pin that other exits give back",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(half_given, leaks, overwritten),
    check=check,
    partial=True,
    places=taken("pages and folios taken", *_PAGES),
    scenario=LEAK1,
)
