"""GUP111 forced-cow-without-cow-mapping: a forced access does not ask whether the mapping is copy-on-write.

## What it does
Reports a function that decides on FOLL_FORCE for a VMA without write permission, or, in GUP itself, turns a read into a
write by adding FOLL_WRITE, and looks neither at `is_cow_mapping` nor at VM_SHARED or VM_MAYSHARE.

## Why it matters
FOLL_FORCE may write where the user may not, because the write lands in a private copy. In a shared mapping there is no
copy: the write lands in the file, or in the page cache of a read-only one.

## Bad
```c
if (!(vma->vm_flags & VM_WRITE)) {
        if (!(flags & FOLL_FORCE))
                return -EFAULT;
}
```

## Good
```c
        if (!is_cow_mapping(vma->vm_flags))
                return -EFAULT;
```

## Limits
The test may stand anywhere in the function. Only functions with a VMA or its flags among their parameters or locals are
judged. Silent on 6.1 and 6.12.

## Sources
mm/gup.c, check_vma_flags and can_follow_write_common; CVE-2016-5195; digest of the fork/COW thread, rule C7.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S26

_FORCE, _WRITE = "FOLL_FORCE", "FOLL_WRITE"
_ASKS = ("is_cow_mapping", "vma_is_cow_mapping", "VM_SHARED", "VM_MAYSHARE")


def check(function: Function) -> Iterator[Hit]:
    """Report the first decision on a forced or silently widened access that does not ask for a COW mapping."""
    if not function.has("VM_WRITE", "vm_flags") or function.has(*_ASKS):
        return
    for node in function.cfg.order:
        if node.kind == "branch" and node.expr is not None and node.expr.key.endswith(f"& {_FORCE}"):
            yield function.hit(node, f"`{_FORCE}` is honoured without asking whether the mapping is copy-on-write")
            return
        if _widens(node) and _is_gup(function):
            yield function.hit(node, "a read becomes a write here, in a mapping that may be shared")
            return


def _is_gup(function: Function) -> bool:
    """Whether the file is the one that defines the entry points: the flags of its callers are theirs to choose."""
    return any(other.name in function.tables.gup for other in function.program.functions(function.path))


def _widens(node: Node) -> bool:
    return any(op == "assign" and e.value == "|=" and e.args[1].key == _WRITE for op, e in node.events)


RULE = Rule(
    code="GUP111",
    name="forced-cow-without-cow-mapping",
    summary="a forced access does not ask whether the mapping is copy-on-write",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    check=check,
    tokens=(_FORCE, _WRITE),
    scenario=S26,
)
