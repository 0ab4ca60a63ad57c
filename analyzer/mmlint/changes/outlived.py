"""Vmas that a patch looks into behind a drop of the mmap lock under which they were found."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.facts.outdated import Outdated, outdated


def outlived(change: FunctionChange) -> list[Outdated]:
    """The first such use of each vma, where there was none before; new functions are read as they are."""
    before, after = change.before, change.after
    if after is None or change.patch.partial:
        return []
    if before is None and any(o.after is None and o.name == after.name for o in change.patch.changes):
        return []  # it has come from another file
    known = {each.vma for each in outdated(before)} if before is not None else set()
    found: dict[str, Outdated] = {}
    for each in outdated(after):
        if each.vma not in known:
            found.setdefault(each.vma, each)
    return list(found.values())
