"""Negations: what they come to, however many stand before an operand and whatever parentheses do."""

import pytest
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

CALLED_IF_SET = ["x", "!!x", "!(!x)", "!!!!x", "!(!x || !x)", "!!(x)"]


@pytest.mark.parametrize("condition", [*CALLED_IF_SET, *(f"!({each})" for each in CALLED_IF_SET)])
def test_a_condition_leads_where_its_operand_says(condition: str) -> None:
    text = f"void f(int x)\n{{\n\tif ({condition})\n\t\tyes();\n\telse\n\t\tno();\n}}\n"
    (function,) = Program(OverlayTree(EmptyTree(), {"mm/f.c": text.encode()})).functions("mm/f.c")
    tests = [node for node in function.cfg.order if node.kind == "branch"]
    assert {node.expr.key for node in tests if node.expr is not None} == {"x"}
    called = {
        bool(label): target.expr.value
        for node in tests
        for target, label in node.succ
        if target.kind == "expr" and target.expr
    }
    assert called[True] == ("yes" if condition in CALLED_IF_SET else "no")
