"""PAT128 other-kind-of-failure: a patch has a function fail in a way that its callers do not ask for.

## What it does
Looks at functions that return a pointer, and that said of every failure NULL, or of every failure an error pointer.
Where a patch adds an exit of the other kind, and a caller asks for the old kind alone and goes on to use what it got,
the exit is reported. So is a new test for the one kind of failure where the callee's body, or that of what it calls for
its result, shows the other kind alone. So is a call whose failure a function handed on to a caller that made something
of it, where the function returns nothing now; and a call whose result nobody looks at, where a helper did that was
itself asked.

## Why it matters
`IS_ERR(NULL)` is false, and an error pointer is not NULL: the caller takes the failure for an object. The compiler has
nothing to say, and the new exit is often one that nobody's machine takes.

## Bad
```diff
+	if (!supported(ops))
+		return NULL;
        if (!ops->zero_range)
                return ERR_PTR(-EINVAL);
```

## Good
```diff
+	if (!supported(ops))
+		return ERR_PTR(-EOPNOTSUPP);
```

## Limits
Callers are looked for in the function's file, its folder and mm/. NULL that means "nothing there" is left alone: its
callers ask for it.

## Sources
A review of a patch to alloc_dax(), which would have returned NULL to callers that ask `IS_ERR`; include/linux/err.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.convention import new_kind
from mmlint.changes.questions.othertest import other_tests
from mmlint.changes.questions.untold import untold, written_out
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import ERRP1

_ASKS = {"NULL": "an error pointer", "ERR_PTR": "NULL"}


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the exit of the new kind, with a caller that would not notice, and each new test for the wrong kind."""
    after, found = change.after, new_kind(change)
    for other in other_tests(change) if after is not None else ():
        assert after is not None
        fails = "an error pointer" if other.looked == "NULL" else "NULL"
        message = f"the result of `{other.call.value}` is tested for {other.looked}, but it fails with {fails}"
        yield after.hit(other.test, message, anchor=f"{other.call.value} tested for {other.looked}")
    silent = untold(change)
    if silent is not None and after is not None:
        message = f"`{silent.call.value}` may fail, and `{silent.caller.name}` is not told any more"
        yield after.hit(silent.call, message, anchor=f"untold {silent.call.value}")
    bare = written_out(change)
    if bare is not None and after is not None:
        message = f"nobody looks at the result of `{bare.value}`, as the helper did that made this call"
        yield after.hit(bare, message, anchor=f"written out {bare.value}")
    if after is None or found is None:
        return
    caller, what = found.caller, "NULL" if found.kind == "NULL" else "an error pointer"
    message = f"returns {what}, and `{caller.name}` asks the result of `{after.name}` for {_ASKS[found.kind]} alone"
    step = Step(caller.path, found.test.line, f"`{caller.name}` asks here")
    yield after.hit(found.exit, message, steps=(step,), anchor=f"{found.kind} {after.name}")


RULE = Rule(
    code="PAT128",
    name="other-kind-of-failure",
    summary="a function fails in a way that its callers do not ask for",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=ERRP1,
)
