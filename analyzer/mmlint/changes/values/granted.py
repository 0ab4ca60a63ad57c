"""Permissions to write that hung on something, and that a patch gives whatever it says (PAT122)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.askedabove import told_above
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import plain
from mmlint.frozen import dataclass

_PERMITS = re.compile(r"(^|_)(write|writable|writeable)$")
_YES = frozenset({"true", "1"})


@dataclass(frozen=True, slots=True)
class Granted:
    """`node` (after the patch) permits to write by `what`, which `told` decided about before."""

    node: Node
    what: str
    told: str


def granted(change: FunctionChange) -> Granted | None:
    """The first permission that is a constant now, in a function that does not ask for what told it."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.mends or change.named_elsewhere:
        return None
    return next((each for each in (*_assigned(compared), *_handed(compared)) if not _known(compared, each)), None)


def _assigned(compared: Comparison) -> Iterator[Granted]:
    """Variables, or what parameters point to, that are set to another value than the constant."""
    was, now = _settings(compared.gone), _settings(compared.fresh)
    for key in sorted(was.keys() & now.keys()):
        (_, old), (node, new) = was[key][0], now[key][0]
        told = old.args[1].names() and not old.args[1].key.isupper()
        once = len(was[key]) == len(now[key]) == 1
        if once and told and new.args[1].key in _YES and _PERMITS.search(_last(new.args[0])):
            yield Granted(node, key, old.args[1].key)


def _settings(nodes: Iterable[Node]) -> dict[str, list[tuple[Node, Expr]]]:
    """The assignments in nodes, by what they set."""
    found: dict[str, list[tuple[Node, Expr]]] = {}
    for node in nodes:
        for op, expr in node.events:
            if op == "assign" and expr.value == "=":
                found.setdefault(expr.args[0].key, []).append((node, expr))
    return found


def _handed(compared: Comparison) -> Iterator[Granted]:
    """Arguments that told whether to permit it."""
    for _, now, was, new in compared.reworded():
        if new.key in _YES and was.kind in ("name", "field") and _PERMITS.search(_last(was)):
            yield Granted(now.node, was.key, was.key)


def _last(expr: Expr) -> str:
    """The variable or member that an lvalue names in the end."""
    while expr.kind == "unary" and expr.value in "*&":
        expr = expr.args[0]
    return expr.value if expr.kind in ("name", "field") else ""


def _known(compared: Comparison, found: Granted) -> bool:
    """Whether what told it has been asked on the way, or all callers know."""
    order = reach(compared.after)
    asked = (n for n in order.order if n.kind == "branch" and plain(n) == found.told)
    decides = any(order.dominates(n, found.node) and order.chosen(n, found.node) is not None for n in asked)
    return decides or told_above(compared, found.told)
