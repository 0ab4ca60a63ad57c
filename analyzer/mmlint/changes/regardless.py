"""Calls that a value of some member kept to one state of things, and that a patch has made in all of them."""

from __future__ import annotations

import re

from mmlint.changes.askedabove import told_above
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.otherways import OtherWays, asked_inside
from mmlint.changes.undone import has_effect
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare, plain

_VALUE = re.compile(r"[A-Z][A-Z0-9_]+$|[1-9]\d*$")


def regardless(change: FunctionChange) -> OtherWays | None:
    """The call for its effect that a test which is gone kept to one value, in a change that does nothing else."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or change.named_elsewhere:
        return None
    test = _dropped(compared)
    if (
        test is None
        or told_above(compared, plain(test))
        or any(act.expr.kind == "call" for act in (*compared.added, *compared.removed))
    ):
        return None
    order = reach(compared.before)
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or not has_effect(act):
            continue
        if order.innermost(act.node)[0] is test and not asked_inside(compared.after, now, test):
            return OtherWays(now, test, more=True)
    return None


def _dropped(compared: Comparison) -> Node | None:
    """The only test that the patch takes away, where it brings none, if it is for one value of a member."""
    was, now = (
        [n for n in reach(side).order if n.kind == "branch" and n.expr is not None]
        for side in (compared.before, compared.after)
    )
    asked, before = {plain(n) for n in now}, {plain(n) for n in was}
    gone = [n for n in was if n.line not in compared.lines and plain(n) not in asked]
    if len(gone) != 1 or asked - before or gone[0].expr is None:
        return None
    expr = bare(gone[0].expr)
    if expr.kind != "binary" or expr.value not in ("==", "!="):
        return None
    values = [arg for arg in expr.args if _VALUE.match(arg.key)]
    members = [arg for arg in expr.args if arg.kind == "field"]
    return gone[0] if len(values) == len(members) == 1 else None
