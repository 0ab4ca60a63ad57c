"""GUP114 longterm-lost: a call that pinned for the long term, or for writing, does so on some paths only now.

## What it does
Compares the calls of a function before and after the patch. FOLL_LONGTERM reached a pin call on every path and does not
any more; an argument lost FOLL_LONGTERM, FOLL_PIN or FOLL_WRITE while the call stayed; a member that keeps the flags
for a later call is set without FOLL_LONGTERM; a wrapper masks the flags with which one of its callers asks for the
long term; or a call that might ask for write access never does any more.

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
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.owners.gup import LONGTERM, gup_calls
from mmlint.facts.pins.direction import only_read
from mmlint.facts.steps import Act, spoken, told_by_callee
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.rule import Rule
from mmlint.sim.scenarios import S21

_WRITE = "FOLL_WRITE"
_FLAGS = (LONGTERM, "FOLL_PIN", _WRITE)


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
    yield from _read_only(compared.before, after, told)
    yield from _masked(compared.before, after)
    yield from _unset(compared.before, after)
    for old in compared.old:
        new = compared.pairs.get(id(old))
        if (
            new is None
            or old.word == "return"
            or old.expr.kind != "call"
            or new.expr.kind != "call"
            or id(new.expr) in told
        ):
            continue
        for flag in _lost(old, new):
            if not _elsewhere(compared.before, after, flag) and not _added_by(after, old, new, flag):
                yield after.hit(new.expr, f"`{new.word}` is no longer handed {flag}", anchor=f"{flag} {new.word}")


def _read_only(before: Function, after: Function, told: set[int]) -> Iterator[Hit]:
    """Calls that might ask for write access and cannot any more, in a function that is asked as it was."""
    asked = {site.call.value for site in gup_calls(before) if _WRITE in site.flags.may}
    for site in gup_calls(after) if before.params == after.params and _WRITE not in after.words else ():
        if site.call.value in asked and site.flags.exact and _WRITE not in site.flags.may and id(site.call) not in told:
            told.add(id(site.call))
            if only_read(after, site.call):
                continue
            message = f"`{site.call.value}` might ask for write access, and does not any more"
            yield after.hit(site.call, message, anchor=f"{_WRITE} {site.call.value}")


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


def _unset(before: Function, after: Function) -> Iterator[Hit]:
    """Members that were set with the flag, and are set without it now."""
    if LONGTERM not in before.words or _elsewhere(before, after, LONGTERM):
        return
    had = {target.key for target, value in _stores(before) if LONGTERM in _set(value)}
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


def _lost(old: Act, new: Act) -> list[str]:
    before, after = ({n for arg in act.expr.args for n in _set(arg)} for act in (old, new))
    gained = any(name.startswith("FOLL_") and name not in before for name in after)
    return [f for f in _FLAGS if f in before and f not in after and not (gained and f == _WRITE)]


def _set(flags: Expr) -> frozenset[str]:
    """The flags that an argument sets: not those that it only lets through (`flags & FOLL_WRITE`)."""
    if flags.kind == "binary" and flags.value == "&":
        return frozenset()
    return flags.names().difference(*(e.names() for e in flags.walk() if e.kind == "binary" and e.value == "&"))


def _elsewhere(before: Function, after: Function, flag: str) -> bool:
    """Whether the function names the flag as often as before: then it only came to stand in another place."""
    return _times(after, flag) >= _times(before, flag)


def _added_by(function: Function, old: Act, new: Act, flag: str) -> bool:
    """Whether another callee is called now, or asked for the flags, which names the flag itself."""
    callee = function.program.resolve(new.word, function.path) if new.word != old.word else None
    return (callee is not None and flag in spoken(callee)) or told_by_callee(function, new.expr, flag)


def _times(function: Function, flag: str) -> int:
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    return sum(each.kind == "name" and each.value == flag for expr in exprs for each in expr.walk())


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
