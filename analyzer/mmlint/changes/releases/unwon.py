"""What only the winner of an atomic exchange did, and what a patch has the losers do as well, in front of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import has_effect
from mmlint.changes.releases.otherways import OtherWays
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import given

_EXCHANGES = re.compile(r"cmpxchg|(^|_)test_and_(set|clear|change)(_|$)|^Test(Set|Clear)Page")
_PREPARES = re.compile(r"(^|_)(init|INIT|prep|prepare|prefetch\w*|set|barrier|mb|wmb|rmb)(_|$)")
"""Calls that may be meant to come first: what is to be found has to be whole by then."""


def unwon(change: FunctionChange) -> OtherWays | None:
    """The first call for its effect that comes before the exchange which decided about it."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends:
        return None
    return next(_early(compared), None)


def _early(compared: Comparison) -> Iterator[OtherWays]:
    old, new = reach(compared.before), reach(compared.after)
    for asked in compared.old:
        now = compared.pairs.get(id(asked))
        if now is None or now.word != asked.word or not asked.tests or not _EXCHANGES.search(asked.word):
            continue
        for act in compared.old:
            there = compared.pairs.get(id(act))
            test = next((t for t in asked.tests if old.chosen(t, act.node) is not None), None)
            if there is None or there.word != act.word or test is None or not _counts(compared, asked, act):
                continue
            if new.before(there.node, now.node) and not new.before(now.node, there.node):
                yield OtherWays(there, now.tests[0] if now.tests else now.node, more=True)


def _counts(compared: Comparison, asked: Act, act: Act) -> bool:
    """Whether a call is for its effect on others, not a lock, not about the value that the exchange was to store, and
    the patch adds nothing about the same that could take it back.
    """
    tables, about = compared.before.tables, {arg.key for arg in act.expr.args}
    if not has_effect(act) or act.word in tables.takes or act.word in tables.drops or _PREPARES.search(act.word):
        return False
    if asked.expr.args and asked.expr.args[-1].names() & act.expr.names() and "cmpxchg" in asked.word:
        return False
    back = (a for a in compared.added if a.expr.kind == "call" and about & {arg.key for arg in a.expr.args})
    return not any(given(compared.after, a.word, a.expr) or has_effect(a) for a in back)
