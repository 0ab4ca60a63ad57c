"""What a function that only asks answers, as a choice by the questions it asks; two of them compared by truth table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import product

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

MOST_QUESTIONS = 8
_MOST_CHOICES = 400
_MOST_NODES = 60
_INLINED = 2
_WORD = re.compile(r"[A-Za-z_]\w*")
_NOTHING = frozenset({"0", "NULL", "false"})


@dataclass(frozen=True, slots=True)
class Choice:
    """`yes` where the answer to a question is not zero, else `no`."""

    question: str
    yes: Formula
    no: Formula


Formula = bool | Choice
Answers = Mapping[str, bool]


class _TooMuchError(Exception):
    """The function does more than ask, or asks too much."""


@fact
def answer(function: Function) -> Formula | None:
    """What a function of type bool answers that does nothing else; None for any other. What it calls is a question."""
    return _answer(function, 0)


@fact
def deep_answer(function: Function) -> Formula | None:
    """The same with the functions that it calls and that only ask read as well."""
    return _answer(function, _INLINED)


def questions(formula: Formula) -> frozenset[str]:
    """Every question that a formula depends on."""
    if isinstance(formula, bool):
        return frozenset()
    return questions(formula.yes) | questions(formula.no) | {formula.question}


def states(one: Formula, other: Formula) -> list[Answers]:
    """Every state of the questions of two formulas; none where there are too many of them to be tried.

    What is looked into is there: a state in which `p` is NULL and `p->x` is not has no meaning.
    """
    names = sorted(questions(one) | questions(other))
    if len(names) > MOST_QUESTIONS:
        return []
    every = (dict(zip(names, values, strict=True)) for values in product((True, False), repeat=len(names)))
    return [state for state in every if _possible(state)]


def value(formula: Formula, state: Answers) -> bool:
    """What a formula gives in a state."""
    while isinstance(formula, Choice):
        formula = formula.yes if state[formula.question] else formula.no
    return formula


def _possible(state: Answers) -> bool:
    missing = [f"{name}->" for name, there in state.items() if not there]
    return not any(there and part in name for name, there in state.items() for part in missing)


def _answer(function: Function, depth: int) -> Formula | None:
    if function.source.returns.split()[-1:] != ["bool"]:
        return None
    try:
        return _Reader(function, depth).after(function.cfg.entry, {}, 0)
    except _TooMuchError:
        return None


def _asked(question: str) -> Choice:
    return Choice(question, True, False)


class _Reader:
    def __init__(self, function: Function, depth: int) -> None:
        self.function = function
        self.depth = depth
        self.left = _MOST_CHOICES

    def after(self, node: Node, known: dict[str, Formula], steps: int) -> Formula:
        """What is answered from a node on; `known` are the local variables that keep an answer."""
        if steps > _MOST_NODES:
            raise _TooMuchError
        if node.kind == "return" and node.expr is not None:
            return self.truth(node.expr, known)
        if node.kind == "branch" and node.expr is not None:
            ways = {bool(label): target for target, label in node.succ}
            if len(ways) == 2:
                return self.choose(
                    self.truth(node.expr, known), *(self.after(ways[way], known, steps + 1) for way in (True, False))
                )
        if node.kind not in ("entry", "decl", "expr", "nop") or len(node.succ) != 1:
            raise _TooMuchError
        return self.after(node.succ[0][0], self._kept(node, known), steps + 1)

    def _kept(self, node: Node, known: dict[str, Formula]) -> dict[str, Formula]:
        for op, expr in node.events:
            if op == "update" or (op == "assign" and (expr.value != "=" or expr.args[0].kind != "name")):
                raise _TooMuchError
            if op == "assign":
                known = {**known, expr.args[0].value: self.truth(expr.args[1], known)}
        if node.expr is not None and node.expr.kind == "call" and not self._changes_nothing(node.expr):
            raise _TooMuchError
        return known

    def _changes_nothing(self, call: Expr) -> bool:
        """Whether a call whose result is not used only says something, or is a memory barrier."""
        done = self.function.tables.steps.done_by(call.value)
        return tells(call.value) or (not call.args and any(row.role == "mark" for row in done))

    def truth(self, expr: Expr, known: Mapping[str, Formula]) -> Formula:
        """Whether the value of an expression is not zero."""
        kind, args = expr.kind, expr.args
        if expr.key in _NOTHING or expr.key in ("1", "true"):
            return expr.key not in _NOTHING
        if kind == "name" and expr.value in known:
            return known[expr.value]
        if kind == "unary" and expr.value == "!":
            return self.choose(self.truth(args[0], known), False, True)
        if kind == "binary" and expr.value == "&&":
            return self.choose(self.truth(args[0], known), self.truth(args[1], known), False)
        if kind == "binary" and expr.value == "||":
            return self.choose(self.truth(args[0], known), True, self.truth(args[1], known))
        if kind == "cond":
            return self.choose(*(self.truth(arg, known) for arg in args))
        if kind == "binary" and expr.value in _COMPARED:
            return self._compared(expr, known)
        if kind == "binary" and expr.value == "&":
            return self._masked(expr)
        return self._called(expr) if kind == "call" else _asked(expr.key)

    def _compared(self, expr: Expr, known: Mapping[str, Formula]) -> Formula:
        left, right = expr.args
        word, turned = _COMPARED[expr.value]
        if word == "==":
            for one, other in ((left, right), (right, left)):
                if other.key in _NOTHING:
                    return self.choose(self.truth(one, known), turned, not turned)
            key = " == ".join(sorted((left.key, right.key)))
        else:
            key = f"{right.key} < {left.key}" if expr.value in (">", "<=") else f"{left.key} < {right.key}"
        return self.choose(_asked(key), not turned, turned)

    def _masked(self, expr: Expr) -> Formula:
        """A mask of several flags asks for each of them."""
        for mask, other in (expr.args, expr.args[::-1]):
            flags = list(_or_ed(mask))
            if len(flags) > 1:
                result: Formula = False
                for flag in flags:
                    result = self.choose(_asked(" & ".join(sorted((flag, other.key)))), True, result)
                return result
        return _asked(" & ".join(sorted(arg.key for arg in expr.args)))

    def _called(self, call: Expr) -> Formula:
        callee = self.function.program.resolve(call.value, self.function.path) if self.depth and call.value else None
        if callee is None or callee is self.function or len(callee.params) != len(call.args):
            return _asked(call.key)
        inner = _answer(callee, self.depth - 1)
        if inner is None:
            return _asked(call.key)
        return self._named(inner, dict(zip(callee.params, (arg.key for arg in call.args), strict=True)))

    def _named(self, formula: Formula, names: Mapping[str, str]) -> Formula:
        """A formula of a callee in the caller's words."""
        if isinstance(formula, bool):
            return formula
        question = _WORD.sub(lambda word: names.get(word[0], word[0]), formula.question)
        return self.choose(_asked(question), self._named(formula.yes, names), self._named(formula.no, names))

    def choose(self, test: Formula, yes: Formula, no: Formula) -> Formula:
        """`yes` where `test` holds, else `no`."""
        if isinstance(test, bool):
            return yes if test else no
        if yes == no:
            return yes
        self.left -= 1
        if self.left < 0:
            raise _TooMuchError
        return Choice(test.question, self.choose(test.yes, yes, no), self.choose(test.no, yes, no))


_COMPARED = {
    "==": ("==", False),
    "!=": ("==", True),
    "<": ("<", False),
    ">": ("<", False),
    ">=": ("<", True),
    "<=": ("<", True),
}


def _or_ed(mask: Expr) -> Iterator[str]:
    if mask.kind == "binary" and mask.value == "|":
        for arg in mask.args:
            yield from _or_ed(arg)
    else:
        yield mask.key
