"""Calls that a value of some member, or an answer about what they release, kept to one state of things, and that a
patch has made in all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import has_effect
from mmlint.changes.questions.askedabove import told_above
from mmlint.changes.questions.needless import told_beside
from mmlint.changes.questions.onlyif import put_off_what_is_needed
from mmlint.changes.releases.otherways import OtherWays, asked_inside
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, bare, performed, plain
from mmlint.facts.things import Thing, given

_TRIVIAL = re.compile(r"^IS_ERR|(^|_)(is_)?null(_|$)", re.I)
"""Tests for no thing at all, which a release may make itself."""
_VALUE = re.compile(r"[A-Z][A-Z0-9_]+$|[1-9]\d*$")


def regardless(change: FunctionChange) -> OtherWays | None:
    """The call for its effect that a test which is gone kept to one value, or the release that it decided about, in a
    change that does nothing else.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or change.named_elsewhere:
        return None
    release = _released(change, compared)
    if release is not None:
        return release
    test = _dropped(compared)
    if (
        test is None
        or told_above(compared, plain(test))
        or told_beside(compared, test)
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


def _released(change: FunctionChange, compared: Comparison) -> OtherWays | None:
    """The release that an answer about the very thing decided about, where the patch takes away the question alone."""
    asked = compared.removed[0] if len(compared.removed) == 1 and not compared.added else None
    if asked is None or asked.expr.kind != "call" or len(asked.tests) != 1 or _TRIVIAL.search(asked.word):
        return None
    test, order, changed = asked.tests[0], reach(compared.before), _changed(change)
    if (
        told_above(compared, plain(test))
        or asked.word in changed
        or change.lost_elsewhere(asked.word)
        or test.expr is None
        or bare(test.expr) is not asked.expr
        or put_off_what_is_needed(compared, test)
    ):
        return None
    about = {arg.key for arg in asked.expr.args}
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if (
            now is None
            or act.expr.kind != "call"
            or act.use != "bare"
            or act.word in changed
            or order.innermost(act.node)[0] is not test
        ):
            continue
        if {thing.key for thing in _let_go(compared, act)} & about and not _asks_itself(compared, act, asked.word):
            return OtherWays(now, test, more=True)
    return None


def _asks_itself(compared: Comparison, act: Act, word: str) -> bool:
    """Whether a callee puts a question itself, as far as its file shows."""
    callee = compared.after.program.resolve(act.word, compared.after.path)
    return callee is not None and word in performed(callee)


def _let_go(compared: Comparison, act: Act) -> Iterator[Thing]:
    """What an act gives up, locks too."""
    yield from given(compared.before, act.word, act.expr)
    if act.word in compared.before.tables.drops and act.expr.args:
        yield Thing(act.expr.args[0].key, act.word)


def _changed(change: FunctionChange) -> frozenset[str]:
    """The functions that the patch changes or takes away: they may answer otherwise now."""
    sides = (side for each in change.patch.changes for side in (each.before, each.after))
    return frozenset(side.name for side in sides if side is not None) | change.patch.abolished


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
