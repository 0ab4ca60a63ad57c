"""Pages that a patch has pinned where a plain reference was taken, in a folder in which nothing unpins (PAT116)."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_UNPINS = re.compile(rb"\bunpin_(user|folio)|\b\w+_unpin\w*\s*\(|FOLL_PIN\b")
"""What gives pins back, and wrappers that by their name do."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """`call` (after the patch) pins what `was` took plain references of."""

    call: Expr
    was: str


def unmatched(change: FunctionChange) -> Unmatched | None:
    """The first such call, if the patch does not bring what gives its pins back either."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    for old in compared.removed:
        row = compared.before.tables.gup.get(old.word)
        if row is None or row.kind != "get":
            continue
        for new in compared.added:
            now = compared.after.tables.gup.get(new.word)
            if now is None or now.kind != "pin" or compared.hunks[id(new)] != compared.hunks[id(old)]:
                continue
            if not _unpinned(change, compared):
                return Unmatched(new.expr, old.word)
    return None


def _unpinned(change: FunctionChange, compared: Comparison) -> bool:
    """Whether something in the folder, or in another file of the patch, unpins."""
    folder = change.file.path.rpartition("/")[0]
    beside = (text for _, text in compared.after.program.texts(folder))
    return any(_UNPINS.search(text) for text in (*beside, *(file.after for file in change.patch.files)))
