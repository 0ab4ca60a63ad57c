"""The sequence of an interval notifier, set under no lock any more: who compares it under the driver's lock may see the
old one, and use what is being taken away (PAT119).
"""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.locks.locks import locks
from mmlint.facts.steps import Act
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class SetBare:
    """`act` (after the patch) sets the sequence, and was made under `lock`."""

    act: Act
    lock: str


def set_bare(change: FunctionChange) -> SetBare | None:
    """The first such call that has left every lock it was made under."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return None
    rows = compared.after.tables.notifiers
    for act in compared.old:
        now, row = compared.pairs.get(id(act)), rows.get(act.word)
        if now is None or row is None or row.role != "set-seq":
            continue
        held = locks(compared.before).always_held(act.expr)
        if held and not locks(compared.after).always_held(now.expr):
            return SetBare(now, min(held))
    return None
