"""Returns in the place of a jump: what always came on that way before the function ended does not come any more."""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, opposite, plain
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_MOST = 4_000


@dataclass(frozen=True, slots=True)
class Shortcut:
    """`exit` (of after) leaves at once where `test` held; before, `release` came first, which is still there."""

    exit: Node
    test: Node
    release: Act


def shortcuts(change: FunctionChange) -> list[Shortcut]:
    """The first such exit of a change that takes no call away and adds none."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    if any(a.expr.kind == "call" for a in (*compared.added, *compared.removed)):
        return []
    return [found for node in reach(compared.after).order for found in _shortcut(compared, node)][:1]


def _shortcut(compared: Comparison, node: Node) -> Iterator[Shortcut]:
    if node.kind != "return" or node.line in compared.standing:
        return
    test, outcome = reach(compared.after).innermost(node)
    old = next((n for n in compared.before.cfg.order if _same(compared, n, test)), None)
    if test is None or old is None or outcome is None or not any(t is node for t, _ in test.succ):
        return
    kept = (a for a in compared.old if id(a) in compared.pairs and a.use == "bare" and _gives(compared, a))
    behind = (a for a in kept if reach(compared.before).before(old, a.node))
    for act in behind:
        if _always(old, outcome, act.node):
            yield Shortcut(node, test, compared.pairs[id(act)])
            return


def _same(compared: Comparison, node: Node, test: Node | None) -> bool:
    return test is not None and compared.lines.get(node.line) == test.line and plain(node) == plain(test)


def _gives(compared: Comparison, act: Act) -> bool:
    known = act.word in compared.before.tables.gives_resource
    return act.expr.kind == "call" and (known or bool(given(compared.before, act.word, act.expr)))


def _always(test: Node, outcome: bool, release: Node) -> bool:
    """Whether every way from one side of a test meets the release: at a branch on the same as long as it keeps its
    value, the way goes on on the same side.
    """
    asked, holds = plain(test), outcome is not opposite(test)
    work = [(t, True) for t, label in test.succ if label is outcome]
    seen: set[tuple[int, bool]] = set()
    while work and len(seen) < _MOST:
        node, known = work.pop()
        if node is release or (node.id, known) in seen:
            continue
        seen.add((node.id, known))
        if node.kind in ("return", "exit"):
            return False
        known = known and not node.sets(asked)
        if known and node.kind == "branch" and plain(node) == asked:
            work += [(t, known) for t, label in node.succ if (label is not opposite(node)) is holds]
        else:
            work += [(t, known) for t, _ in node.succ]
    return bool(seen) and not work
