"""One function as rules see it, and the decorator that makes a computation a fact: done once a function, on demand."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from mmlint.facts.build import build
from mmlint.facts.ir import Expr
from mmlint.finding import Confidence, Hit, Severity, Step
from mmlint.source.identifiers import words

if TYPE_CHECKING:
    from mmlint.facts.cfg import Cfg, Node
    from mmlint.facts.program import Program
    from mmlint.kernel.tables import Tables
    from mmlint.source.file import FunctionSource

T = TypeVar("T")
NOT_SHOWN = "mmlint_not_shown"
"""The call that stands for the lines which the hunks of a patch leave out: anything may be among them."""
CUT = "unreachable"
"""The call that stands where a hunk breaks off."""
HOLES = (NOT_SHOWN, CUT, "mmlint_above", "mmlint_hidden")
"""What stands in a function of which the hunks show only parts."""


class Function:
    """A function of one state of a tree. Facts about it are asked for by calling the fact: `locks(function)`."""

    __slots__ = ("_calls", "_words", "cache", "name", "path", "program", "provisional", "source", "tables")

    def __init__(self, source: FunctionSource, program: Program) -> None:
        self.source = source
        self.program = program
        self.tables: Tables = program.tables
        """The kernel tables for the tree's release."""
        self.name = source.name
        self.path = source.path
        """Its file, from the tree's root."""
        self.cache: dict[object, Any] = {}
        self.provisional: dict[object, Any] = {}
        self._calls: dict[str, list[tuple[Node, Expr]]] | None = None
        self._words: frozenset[str] | None = None

    @property
    def calls(self) -> dict[str, list[tuple[Node, Expr]]]:
        """Every reachable call by callee name (the empty name: calls through pointers), in order of control flow."""
        calls = self._calls
        if calls is None:
            calls = self._calls = _calls(self)
        return calls

    @property
    def text(self) -> bytes:
        """Its original text."""
        return self.source.text

    @property
    def words(self) -> frozenset[str]:
        """Every identifier in its text, comments and numbers included."""
        found = self._words
        if found is None:
            found = self._words = frozenset(words(self.text))
        return found

    @property
    def line(self) -> int:
        """The line of its first word."""
        return self.source.start_line

    def line_of(self, node: Node) -> bytes:
        """The original line on which a node begins."""
        return self.text.split(b"\n")[node.line - self.source.start_line]

    @property
    def params(self) -> tuple[str, ...]:
        """The parameter names, in order."""
        return tuple(p.name for p in self.source.params)

    @property
    def cfg(self) -> Cfg:
        """Its control-flow graph."""
        return cfg(self)

    def calls_of(self, names: Collection[str]) -> dict[str, list[tuple[Node, Expr]]]:
        """`calls` of these names alone; the graph is not built where the text holds none of them."""
        if not self.mentions(names):
            return {}
        return {name: calls for name, calls in self.calls.items() if name in names}

    def has(self, *tokens: str) -> bool:
        """Whether one of the words stands somewhere in its text."""
        return not self.words.isdisjoint(tokens)

    def mentions(self, names: Collection[str]) -> bool:
        """Whether one of these names, or of those that a table has rows for, stands somewhere in its text."""
        words = self.words
        # The smaller one is walked through, if both are sets: a dictionary would be read from end to end.
        return not (names.keys().isdisjoint(words) if isinstance(names, dict) else words.isdisjoint(names))

    @property
    def whole(self) -> bool:
        """Whether all of its lines are known: always with a tree, on hunks alone where one hunk holds the function."""
        return not self.program.partial or not self.has(*HOLES)

    def step(self, line: int, message: str) -> Step:
        """A step in this function's file."""
        return Step(self.path, line, message)

    def hit(
        self,
        at: Expr | Node,
        message: str,
        *,
        steps: tuple[Step, ...] = (),
        severity: Severity | None = None,
        confidence: Confidence | None = None,
        anchor: str | None = None,
        cause: str = "",
    ) -> Hit:
        """A hit at an expression or node; its text is the anchor."""
        expr = at if isinstance(at, Expr) else at.expr
        text = anchor if anchor is not None else (expr.key if expr is not None else "")
        end = expr.end_line if expr is not None else at.line
        return Hit(
            line=at.line,
            column=at.column,
            end_line=end,
            message=message,
            anchor=text,
            steps=steps,
            severity=severity,
            confidence=confidence,
            cause=cause,
        )

    def __repr__(self) -> str:
        return f"<Function {self.name} {self.path}:{self.line}>"


def _calls(function: Function) -> dict[str, list[tuple[Node, Expr]]]:
    found: dict[str, list[tuple[Node, Expr]]] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "call":
                found.setdefault(expr.value, []).append((node, expr))
        if node.kind == "iter" and node.expr is not None:
            found.setdefault(node.expr.value, []).append((node, node.expr))
    return found


class _Cut:
    """Whether what is being worked out has met the end of a search that depends on where it began."""

    __slots__ = ("met",)

    def __init__(self) -> None:
        self.met = False


_CUT = _Cut()
_MISSING: Any = object()


def cut_short() -> None:
    """Say that a fact goes round in a circle of calls, or deeper than is followed: another start may tell more.

    The facts that are being worked out are then provisional, and forgotten before the next file (`forget_facts`).
    """
    _CUT.met = True


def keep(function: Function, key: object, compute: Callable[[], T]) -> T:
    """What is kept with the function under `key`, computed where it is not there."""
    found: T = function.cache.get(key, _MISSING)
    return _keep(function, key, lambda _: compute()) if found is _MISSING else found


def _keep(function: Function, key: object, compute: Callable[[Function], T]) -> T:
    """What `compute` gives, kept under `key`: for good, or until facts are forgotten if it was cut short."""
    if function.provisional:
        provisional: T = function.provisional.get(key, _MISSING)
        if provisional is not _MISSING:
            _CUT.met = True
            return provisional
    around, _CUT.met = _CUT.met, False
    found = compute(function)
    if _CUT.met:
        function.program.note_provisional(function, key)
        function.provisional[key] = found
    else:
        function.cache[key] = found
        _CUT.met = around
    return found


def fact(compute: Callable[[Function], T]) -> Callable[[Function], T]:
    """Make `compute` a fact: its result is kept with the function."""

    @wraps(compute)
    def get(function: Function) -> T:
        found: T = function.cache.get(compute, _MISSING)
        return _keep(function, compute, compute) if found is _MISSING else found

    return get


@fact
def cfg(function: Function) -> Cfg:
    """The control-flow graph."""
    return build(function.source)


@fact
def call_targets(function: Function) -> dict[int, Expr]:
    """The lvalue that takes a call's result, by the id of the call expression."""
    found: dict[int, Expr] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.value == "=":
                source = expr.args[1]
                if source.kind == "assign":
                    source = source.args[1]
                if source.kind == "call":
                    found[id(source)] = expr.args[0]
    return found
