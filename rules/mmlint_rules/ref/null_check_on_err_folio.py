"""REF112 null-check-on-err-folio: the result of a look-up is tested in the way of the other kind of look-up.

## What it does
Where a look-up returns an error pointer on failure, reports a first test for NULL; where it returns NULL, a first test
with `IS_ERR`. Which is which is read off the tree's release: `filemap_get_folio` returned NULL up to 6.3.

## Why it matters
The failure is taken for a folio and dereferenced, or put.

## Bad
```c
folio = filemap_get_folio(mapping, index);
if (!folio)
        return -ENOENT;
```

## Good
```c
folio = filemap_get_folio(mapping, index);
if (IS_ERR(folio))
        return PTR_ERR(folio);
```

## Limits
`IS_ERR_OR_NULL` is right for both. A later second test of the right kind does not matter: the first one decides.

## Sources
digest-review-rules RR-32 and table T6.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.results import first_tests
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ERRP1


@fact
def wrong_tests(function: Function) -> tuple[tuple[Expr, Expr, str], ...]:
    """The first tests of look-up results that look for the wrong kind of failure: test, call, kind looked for."""
    found = []
    senses = function.tables.pointer_senses
    targets = call_targets(function)
    for name, calls in function.calls_of(senses).items():
        for node, call in calls:
            target = targets.get(id(call))
            for test, looked in first_tests(node, target) if target is not None else ():
                if looked != senses[name]:
                    found.append((test, call, looked))
    return tuple(sorted(found, key=lambda f: (f[0].line, f[0].column)))


def check(function: Function) -> Iterator[Hit]:
    """Report each first test that looks for the wrong failure."""
    for test, call, looked in wrong_tests(function):
        fails = "an error pointer" if looked == "NULL" else "NULL"
        message = f"the result of `{call.value}` is tested for {looked}, but it fails with {fails}"
        steps = (function.step(call.line, f"`{call.value}` is called here"),)
        yield function.hit(test, message, steps=steps, anchor=f"{call.value} tested for {looked}")


RULE = Rule(
    code="REF112",
    name="null-check-on-err-folio",
    summary="the result of a look-up is tested for the wrong kind of failure",
    severity=Severity.ERROR,
    confidence=Confidence.HIGH,
    since="0.1",
    needs=(wrong_tests,),
    tables=("pointer_senses",),
    check=check,
    scenario=ERRP1,
)
