"""Pages that a patch has pinned where a plain reference was taken, in a folder in which nothing unpins; or unpinned
where a plain reference was given up, in a folder in which nothing pins (PAT116).
"""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.ir import Expr
from mmlint.facts.owners.giveback import RESOURCES
from mmlint.facts.pins.beside import PINS, UNPINS, only_gets_beside, unpins_beside
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass
from mmlint.kernel.tables import Tables


@dataclass(frozen=True, slots=True)
class Unmatched:
    """`call` (after the patch) pins what `was` took plain references of, or (not `pins`) unpins what `was` put."""

    call: Expr
    was: str
    pins: bool


def unmatched(change: FunctionChange) -> Unmatched | None:
    """The first such call, if the patch does not bring its counterpart either."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    tables = compared.after.tables
    for old in compared.removed:
        was = _kind(tables, old)
        for new in compared.added if was is not None and was[0] == "get" else ():
            now = _kind(tables, new)
            if was is None or now != ("pin", was[1]) or compared.hunks[id(new)] != compared.hunks[id(old)]:
                continue
            after = compared.after
            bare = not unpins_beside(after) if now[1] else only_gets_beside(after)
            if bare and not _said(change, UNPINS if now[1] else PINS):
                return Unmatched(new.expr, old.word, now[1])
    return None


def _kind(tables: Tables, act: Act) -> tuple[str, bool] | None:
    """Whether a call is about plain references or pins ("get", "pin"), and whether it takes them or gives them up."""
    row = tables.gup.get(act.word)
    if row is not None:
        return row.kind, True
    given = {each.resource for each in tables.gives_resource.get(act.word, ())}
    return next(((kind, False) for kind in ("pin", "get") if RESOURCES[kind] in given), None)


def _said(change: FunctionChange, words: re.Pattern[bytes]) -> bool:
    """Whether a file of the patch has one of these words."""
    return any(words.search(file.after) for file in change.patch.files)
