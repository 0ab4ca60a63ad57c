"""Members of pages that were copied under the page lock, and that a patch reads where the lock has been let go."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass

_LOCK = "folio_lock"
"""What other locks protect, and what never changes, their members do not tell."""


@dataclass(frozen=True, slots=True)
class Uncopied:
    """`variable` kept what `read` looks up behind `unlock` now (both of after)."""

    variable: str
    unlock: Act
    node: Node
    read: Expr


def uncopied(change: FunctionChange) -> list[Uncopied]:
    """The first reading in the place of each copy that is gone."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    return [found for copy in _copies(compared) for found in list(_read_late(compared, copy))[:1]]


def _copies(compared: Comparison) -> Iterator[Node]:
    """The assignments to local variables that the function does not know any more."""
    known = frozenset().union(*(n.expr.names() for n in compared.after.cfg.order if n.expr is not None))
    gone = local_names(compared.before) - known
    for node in compared.before.cfg.order:
        expr = node.expr
        if node.line not in compared.lines and expr is not None and expr.kind == "assign" and expr.args[0].key in gone:
            yield node


def _read_late(compared: Comparison, copy: Node) -> Iterator[Uncopied]:
    assert copy.expr is not None
    variable, roots = copy.expr.args[0].value, copy.expr.args[1].names()
    old, new = reach(compared.before), reach(compared.after)
    used = {n.expr.key for n in old.order if n.expr is not None and n is not copy and variable in n.expr.names()}
    for unlock in compared.old:
        now = compared.pairs.get(id(unlock))
        kinds = {row.kind for row in compared.before.tables.drops.get(unlock.word, ())}
        if now is None or _LOCK not in kinds or not unlock.names & roots or not old.before(copy, unlock.node):
            continue
        for node in new.order:
            if node.expr is None or node.line in compared.standing or not new.dominates(now.node, node):
                continue
            for read in node.expr.walk():
                if read.kind == "field" and read.root in roots and _stood_for(variable, read, node.expr, used):
                    yield Uncopied(variable, now, node, read)


def _stood_for(variable: str, read: Expr, expr: Expr, used: set[str]) -> bool:
    """Whether the statement is one of before, with the member in the place of the variable."""
    return re.sub(rf"(?<![\w>.]){re.escape(read.key)}(?!\w)", variable, expr.key) in used
