"""REF111 error-path-parity: one exit misses a release that its siblings make.

## What it does
For every pair of the tables that is not a page (memcg, css, mempolicy, mm, task, pid, swap device, anon_vma, file and
dma-buf references, isolated folios, iterators): reports an exit on which the thing is still held where the other exits
of the function give it back; a thing that the function takes and neither gives back nor hands on at all; and one that
the next turn of a loop takes anew, into the same variable, while it is still held.

## Why it matters
A reference that one forgotten `return` keeps is never freed; a plain `return` among `goto out` is how most such leaks
that reviewers find look.

## Bad
```c
memcg = get_mem_cgroup_from_mm(mm);
if (!nr)
        return -EINVAL;
mem_cgroup_put(memcg);
return 0;
```

## Good
```c
if (!nr)
        goto out;
...
out:
mem_cgroup_put(memcg);
```

## Limits
What another variable was made of is not taken for lost. Successful exits are judged only where every other exit gives
the thing back. As REF108, unknown callees end the duty.

## Sources
digest-review-rules section 8 (pairs) and RF-34.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.leaks import Leak, leaks, never_given, released
from mmlint.facts.owners.overwritten import overwritten
from mmlint.facts.views.looked import ALL_TAKEN
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import LEAK2

_ELSEWHERE = frozenset(
    {"folio reference", "page pin", "GUP page reference", "folio lock", "pagemap reference", "page-table walk"}
    | {"notifier range", "mmu gather", "LRU cache disable", "kernel mapping", "swap slot", "percpu reference"}
)

_LISTED = "isolated folio"
"""What a list may hold while the variable goes on to the next."""


def check(function: Function) -> Iterator[Hit]:
    """Report each exit that keeps what its siblings give back."""
    for leak in leaks(function):
        row = function.tables.resources[leak.resource]
        if leak.resource in _ELSEWHERE or not row.leak or (leak.moved and not leak.fails):
            continue
        if not leak.given and not (function.whole and released(function, leak)):
            continue
        if not leak.fails and len(leak.given) < 2:
            continue
        if leak.exit in leak.given and not function.whole:
            continue  # a condition that is not shown may tell the two ways apart
        taken = function.step(leak.take.line, f"`{leak.take.value}` takes it")
        line = leak.given[0].line if leak.given else released(function, leak)[0].line
        given = function.step(line, "on the way to this exit it is given back" if leak.given else "given back here")
        yield function.hit(leak.exit, _says(leak), steps=(taken, given), anchor=f"{leak.take.key} kept")
    for lost in overwritten(function):
        if (
            lost.resource not in _ELSEWHERE
            and lost.resource != _LISTED
            and function.tables.resources[lost.resource].leak
        ):
            message = f"`{lost.target}` gets another value and still holds the {lost.resource} of `{lost.take.value}`"
            step = function.step(lost.take.line, f"`{lost.take.value}` took it")
            yield function.hit(lost.node, message, steps=(step,), anchor=f"{lost.take.key} overwritten")
    for take, resource in never_given(function):
        if resource not in _ELSEWHERE and function.tables.resources[resource].leak:
            message = f"nothing gives back the {resource} that `{take.value}` takes"
            yield function.hit(take, message, anchor=f"{take.key} never")


def _says(leak: Leak) -> str:
    return (
        f"this exit keeps the {leak.resource} of `{leak.take.value}` (line {leak.take.line}); its siblings give it back"
    )


RULE = Rule(
    code="REF111",
    name="error-path-parity",
    summary="one exit keeps a reference that the other exits of the function give back",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(leaks, never_given, overwritten),
    check=check,
    partial=True,
    places=ALL_TAKEN,
    scenario=LEAK2,
)
