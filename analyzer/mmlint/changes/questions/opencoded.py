"""Helpers whose body a patch puts in the place of a call with a question of theirs left out, or that it takes away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.undone import acts_alone
from mmlint.changes.edits.vanished import Vanished
from mmlint.changes.questions.fewer import terms, weighs
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names, translate
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, bare, plain, plain_null, spoken
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_LEAST = 3
"""Steps of a helper that tell its body from other code."""


@dataclass(frozen=True, slots=True)
class OpenCoded:
    """`place` (after the patch) stands for a call of `helper`, which asked for `term` as well."""

    helper: str
    term: str
    place: Node


def open_coded(change: FunctionChange) -> OpenCoded | None:
    """The first question that a helper asked and that its body, where it stands in place of the call, does not."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.large:
        return None
    for act in compared.removed:
        helper = _helper(change, compared, act)
        found = None if helper is None else _fewer_terms(compared, act, helper) or _fewer_tests(compared, helper)
        if found is not None:
            return found
    return None


def called_no_more(change: FunctionChange) -> Vanished | None:
    """The call of a helper that the patch takes away, putting its body in the place of another call of it only."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.patch.large or change.named_elsewhere:
        return None
    if any(act.expr.kind == "call" for act in compared.added):
        return None
    for act in compared.removed:
        helper = _helper(change, compared, act)
        place = compared.behind(act.node) if helper is not None and (act.tests or acts_alone(act)) else None
        if helper is None or place is None or change.patch.after.resolve(act.word, change.file.path) is not None:
            continue
        body = frozenset(_steps(helper.cfg.order))
        others = [other for other in change.others if other.after is not None and _body_in(other, act.word, body)]
        if others and not any(other.name in compared.after.words for other in others):
            return Vanished(act, place)
    return None


def _body_in(change: FunctionChange, helper: str, body: frozenset[str]) -> bool:
    """Whether another function of the patch has half of a helper's body now in place of a call of it."""
    compared = comparison(change)
    if compared is None or not any(act.word == helper for act in compared.removed):
        return False
    return len(body & set(_steps(compared.fresh))) * 2 >= len(body) > 0


def _helper(change: FunctionChange, compared: Comparison, act: Act) -> Function | None:
    """The function that a call which is gone was of, if the patch leaves it as it is or takes it away."""
    before = compared.before
    if act.expr.kind != "call" or act.word in compared.after.calls or act.word in change.patch.renamed:
        return None
    helper = before.program.resolve(act.word, before.path)
    if helper is None or helper is before or helper.cfg.truncated or len(helper.params) > len(act.expr.args):
        return None
    changed = any(each.name == act.word and each.after is not None for each in change.others)
    return None if changed else helper


def _fewer_terms(compared: Comparison, act: Act, helper: Function) -> OpenCoded | None:
    """The term of a helper's one result that is not asked where the others are now."""
    nodes = [n for n in helper.cfg.order if n.expr is not None]
    result = nodes[0].expr if len(nodes) == 1 and nodes[0].kind == "return" else None
    wanted = {translate(term.key, helper, act.expr): term for term in terms(result)} if result is not None else {}
    mine = {bare(term).key: n for n in compared.fresh if n.kind in ("branch", "return") for term in _asked(n)}
    gone = [key for key in wanted if key not in mine]
    kept = [key for key in wanted if key in mine]
    if len(gone) != 1 or not kept or not mine.keys() <= wanted.keys() or not weighs(wanted[gone[0]]):
        return None
    if gone[0] in {plain(n) for n in compared.after.cfg.order if n.kind == "branch"} or _seen(compared, act, gone[0]):
        return None
    return OpenCoded(act.word, gone[0], mine[kept[0]])


def _asked(node: Node) -> list[Expr]:
    return terms(node.expr) if node.expr is not None else []


def _seen(compared: Comparison, act: Act, key: str) -> bool:
    """Whether the function has looked into something by the time of a call, so that it is there."""
    order = reach(compared.before)
    ahead = (n.expr for n in order.order if n is not act.node and n.expr is not None and order.dominates(n, act.node))
    return any(e.kind == "field" and e.args[0].key == key for expr in ahead for e in expr.walk())


def _fewer_tests(compared: Comparison, helper: Function) -> OpenCoded | None:
    """The test of a helper that is still there, and of which most steps are made here now, without the test."""
    after = compared.after
    if after.program.resolve(helper.name, after.path) is None:
        return None
    body, mine = frozenset(_steps(helper.cfg.order)), _steps(compared.fresh)
    common = body & mine.keys()
    if len(common) < _LEAST or len(common) * 2 < len(body):
        return None
    order = reach(helper)
    for test in (n for n in order.order if n.kind == "branch" and n.expr is not None):
        words = set(_words(test.expr))
        if not words or not weighs(test.expr) or words & spoken(after) or _of_null_alone(helper, test):
            continue
        only = order.side(test, True) ^ order.side(test, False)
        if any(only >> order.rank[node.id] & 1 for node in _steps(order.order).values()):
            return OpenCoded(helper.name, plain(test), min((mine[step] for step in common), key=lambda n: n.line))
    return None


def _of_null_alone(helper: Function, test: Node) -> bool:
    """Whether a test asks whether a parameter or variable is there: who calls may know."""
    pointer = plain_null(test.expr) if test.expr is not None else None
    return pointer is not None and pointer.kind == "name" and pointer.value in {*helper.params, *local_names(helper)}


def _words(expr: Expr | None) -> Iterator[str]:
    """The members and calls by which a condition asks."""
    parts = expr.walk() if expr is not None else ()
    return (e.value for e in parts if e.value and e.kind in ("field", "call"))


def _steps(nodes: Iterable[Node]) -> dict[str, Node]:
    """What is done by some statements, with the first that does it: calls, and members that are set."""
    found: dict[str, Node] = {}
    for node in nodes:
        for op, expr in node.events:
            if op == "call" and expr.value and not tells(expr.value):
                found.setdefault(expr.value, node)
            elif op == "assign" and expr.args[0].kind == "field":
                found.setdefault(f"->{expr.args[0].value}", node)
    return found
