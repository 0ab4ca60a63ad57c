"""What two acts are about: the operands and results by which a release is matched with what was taken."""

from __future__ import annotations

from mmlint.changes.compare import Comparison
from mmlint.facts.reach import Reach
from mmlint.facts.steps import Act


def alike_about(a: Act, b: Act) -> bool:
    """Whether two acts are about the same thing: an operand or result of the same text, or one a part of the other."""
    mine, other = operands(a), operands(b)
    if not mine or not other or mine & other:
        return True
    return any(key.isidentifier() and key in b.names | target(b) for key in mine) or any(
        key.isidentifier() and key in a.names | target(a) for key in other
    )


def operands(act: Act) -> frozenset[str]:
    """The texts of an act's operands and of what takes its result; addresses by what they point to."""
    expr = act.node.expr
    found = {arg.args[0].key if arg.kind == "unary" and arg.value == "&" else arg.key for arg in act.expr.args}
    if expr is not None and expr.kind == "assign" and expr is not act.expr:
        found.add(expr.args[0].key)
    return frozenset(key for key in found if not key[:1].isdigit() and key not in ("NULL", "true", "false"))


def target(act: Act) -> frozenset[str]:
    """The variable that takes the act's result."""
    expr = act.node.expr
    if expr is not None and expr.kind == "assign" and expr is not act.expr:
        return expr.args[0].names()
    return frozenset()


def from_new_call(compared: Comparison, names: frozenset[str]) -> bool:
    """Whether one of the variables gets its value, where it got it from a call before, from a function that the tree
    before the patch does not know: what had to be asked about the value need not be any more.
    """
    before = compared.before
    got = frozenset().union(*(target(act) for act in compared.old if act.expr.kind == "call")) & names
    return any(
        target(act) & got and act.word not in before.words and before.program.resolve(act.word, before.path) is None
        for act in compared.new
        if got and act.expr.kind == "call"
    )


def mentions(sink: Act, test: Act) -> bool:
    """Whether the sink uses the lvalue that was tested for NULL."""
    expr = test.expr
    keys = {e.key for e in expr.walk()} - {"NULL"}
    return sink.expr.kind == "call" and any(
        arg.key in keys or (arg.kind == "unary" and arg.args[0].key in keys) for arg in sink.expr.args
    )


def settled_by(act: Act, order: Reach) -> frozenset[str]:
    """The variables that are set on one side of a test: the decision may be taken by them further on."""
    found: set[str] = set()
    for test in act.tests:
        only = order.side(test, True) ^ order.side(test, False)
        for node in order.order:
            if only >> order.rank[node.id] & 1 and node.expr is not None:
                found.update(e.args[0].key for e in node.expr.walk() if e.kind == "assign")
    return frozenset(found)
