"""PAT130 option-changed: a structure says `true` to a callee where it said `false`, or leaves a member out.

## What it does
Compares each function before and after the patch. It fills a structure of its own and hands its address to a callee
that reads a certain member; after the patch the callee still gets the structure, and that member is not set any more (a
callback, a page, a flag), or is `true` where it was `false`. So is a parameter that the patch takes away, and in whose
place the function goes by one constant, where callers, otherwise as they were, had said different things by it. Or a
special value that others still hand in, as a plain number, is not asked for any more.

## Why it matters
Such a structure is a list of exceptions: which pages a zap must spare, which vmas a walk must leave out. What is not
said does not show at the call. Migration entries in the temporary stack of exec are never found again; private copies
that a truncation of one page was to spare are gone.

## Bad
```diff
-	if (!folio_test_ksm(folio) && folio_test_anon(folio))
-		rwc.invalid_vma = invalid_migration_vma;
-
        rmap_walk(folio, &rwc);
```

## Good
```diff
        struct rmap_walk_control rwc = {
                .rmap_one = try_to_migrate_one,
+		.invalid_vma = invalid_migration_vma,
        };
-
-	rwc.invalid_vma = invalid_migration_vma;
```

## Limits
Of structures, only one of the function's own, one member a patch, and a callee whose file the tree has. Silent where
another function or file of the patch names the member less than before. What was set to nothing is not missed.

## Sources
mm/rmap.c try_to_migrate; mm/memory.c unmap_mapping_folio; include/linux/rmap.h struct rmap_walk_control.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.values.fixedparam import fixed_param
from mmlint.changes.values.options import changed_options
from mmlint.changes.values.sentinel import sentinel_unasked
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import HM5


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the callee that is told otherwise."""
    after = change.after
    for found in changed_options(change):
        assert after is not None
        name = f"{found.variable}.{found.member}"
        if found.now:
            message = f"`{found.call.word}` is told `{found.now}` in `{name}`, no longer `{found.was}`"
        else:
            message = f"`{found.call.word}` goes by `{name}`, which is not set any more"
        yield after.hit(found.call.expr, message, anchor=f"option {name} {found.was}")
    fixed = fixed_param(change)
    if fixed is not None and fixed.node.expr is not None:
        message = f"this goes by `{fixed.value}` for all callers now, `{fixed.caller.name}` said `{fixed.said}`"
        assert after is not None
        yield after.hit(fixed.node.expr, message, anchor=f"fixed {fixed.param} {fixed.value}")
    special = sentinel_unasked(change)
    if special is not None and special.node.expr is not None:
        assert after is not None
        caller = special.caller.name
        message = f"`{special.name}` is not asked for any more, and `{caller}` hands in `{special.value}` still"
        yield after.hit(special.node.expr, message, anchor=f"sentinel {special.name}")


RULE = Rule(
    code="PAT130",
    name="option-changed",
    summary="a structure says `true` to a callee where it said `false`, or leaves a member out",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    by_steps=True,
    scenario=HM5,
)
