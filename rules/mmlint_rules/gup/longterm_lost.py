"""GUP114 longterm-lost: a call that pinned for the long term does so on some paths only now.

## What it does
Compares the calls of a function before and after the patch. FOLL_LONGTERM reached a pin call on every path and does not
any more; an argument lost FOLL_LONGTERM or FOLL_PIN while the call stayed (FOLL_WRITE: PAT114); a member that keeps the
flags for a later call is set without FOLL_LONGTERM; or a wrapper masks the flags with which one of its callers asks for
the long term.

## Why it matters
Pages that stay pinned at the will of user space must not be in movable memory, in a file system's DAX mapping or behind
a file's writeback. Who pinned for the long term before the patch had a reason; a path that misses the flag is as bad as
no flag. A wrapper that passes FOLL_GET for FOLL_PIN hands out pages that are unpinned without ever having been pinned.

## Bad
```diff
        if (write)
-		flags |= FOLL_WRITE;
+		flags |= FOLL_WRITE | FOLL_LONGTERM;
-	ret = pin_user_pages_remote(mm, addr, nr, flags | FOLL_LONGTERM, pages, NULL);
+	ret = pin_user_pages_remote(mm, addr, nr, flags, pages, NULL);
```

## Good
```diff
-	unsigned int flags = FOLL_WRITE | FOLL_LONGTERM;
+	unsigned int flags = FOLL_LONGTERM;
+	if (write)
+		flags |= FOLL_WRITE;
```

## Limits
Silent where the flags of the new side are not all known, where the patch adds the flag elsewhere in the function, and
where another callee is called, or asked for the flags, that names the flag itself.

## Sources
Documentation/core-api/pin_user_pages.rst, cases 1 and 2; include/linux/mm_types.h (FOLL_LONGTERM, FOLL_PIN).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.weaker.flagless import flags_set, handed_no_more, named_as_often
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.owners.gup import LONGTERM, gup_calls
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import S21


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report each call once, by its flags where they are known, else by its arguments."""
    compared = comparison(change)
    if compared is None:
        return
    after, told = compared.after, set()
    had = {site.call.value for site in gup_calls(compared.before) if LONGTERM in site.flags.must}
    for site in gup_calls(after):
        if site.call.value in had and site.takes_flags and site.flags.exact and LONGTERM not in site.flags.must:
            told.add(id(site.call))
            message = f"FOLL_LONGTERM reached `{site.call.value}` on every path and does not now"
            yield after.hit(site.call, message, anchor=f"longterm {site.call.value}")
    yield from _masked(compared.before, after)
    yield from _unset(compared)
    for new, flag in handed_no_more(compared, (LONGTERM, "FOLL_PIN")):
        if id(new.expr) not in told:
            yield after.hit(new.expr, f"`{new.word}` is no longer handed {flag}", anchor=f"{flag} {new.word}")


def _masked(before: Function, after: Function) -> Iterator[Hit]:
    """Calls to which the flags of the callers went through, one of whom asks for the long term, and do not now."""
    passed = {site.call.value for site in gup_calls(before) if site.flags.params}
    for site in gup_calls(after):
        if site.call.value not in passed or site.flags.params or LONGTERM in site.flags.may:
            continue
        asking = next((caller for caller in callers(after) if LONGTERM in caller.words), None)
        if asking is not None:
            step = Step(asking.path, asking.line, f"`{asking.name}` asks for it")
            message = f"FOLL_LONGTERM of the callers no longer reaches `{site.call.value}`"
            yield after.hit(site.call, message, steps=(step,), anchor=f"masked {site.call.value}")


def _unset(compared: Comparison) -> Iterator[Hit]:
    """Members that were set with the flag, and are set without it now."""
    before, after = compared.before, compared.after
    if LONGTERM not in before.words or named_as_often(compared, LONGTERM):
        return
    had = {target.key for target, value in _stores(before) if LONGTERM in flags_set(value)}
    kept = {target.key for target, value in _stores(after) if LONGTERM in value.names()}
    for target, _ in _stores(after):
        if target.key in had - kept:
            message = f"`{target.key}` is no longer given FOLL_LONGTERM for the calls that it is used in"
            yield after.hit(target, message, anchor=f"longterm {target.key}")
            return


def _stores(function: Function) -> Iterator[tuple[Expr, Expr]]:
    """The assignments to members: target and value."""
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.args[0].kind == "field":
                yield expr.args[0], expr.args[1]


RULE = Rule(
    code="GUP114",
    name="longterm-lost",
    summary="a call pinned for the long term on every path and does not now",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    scenario=S21,
    partial=True,
    instead_of=("PAT114",),
)
