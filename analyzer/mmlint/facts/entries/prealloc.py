"""Pages allocated ahead, outside the page-table lock, and handed by address to a call that says -EAGAIN without one.

The protocol: on -EAGAIN drop the lock, allocate, and make the same call again for the same address; on every way out
give back what the call did not use.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass

_PAGE = re.compile(r"struct (page|folio)\b")
_ALLOCATES = re.compile(r"alloc")
_AGAIN = "-EAGAIN"


class Ahead(NamedTuple):
    """`held`: there may be a page; `retry`: the line of the branch that found -EAGAIN, 0 once there is a new page."""

    held: bool = False
    retry: int = 0


@dataclass(frozen=True, slots=True)
class Breach:
    """A place where the protocol for `name` breaks: `kind` is leak, empty or advanced; `call` takes the page."""

    kind: str
    at: Expr | Node
    name: str
    call: Expr
    retry: int


@fact
def prealloc_breaches(function: Function) -> tuple[Breach, ...]:
    """The first breach of each kind for each page that is allocated ahead."""
    words = function.words
    if (
        "EAGAIN" not in words
        or words.isdisjoint(("page", "folio"))
        or function.source.damaged
        or function.cfg.truncated
    ):
        return ()
    pages = {n.name for n in function.cfg.nodes if n.kind == "decl" and _PAGE.search(n.type)}
    found: list[Breach] = []
    for name in sorted(pages):
        calls = _handed(function, name)
        if not calls or not _allocated_ahead(function, name):
            continue
        client = _Prealloc(function, name, calls)
        flow = solve(function.cfg, client)
        if flow.overflow:
            continue
        for node, ahead, facts, _ in sorted(flow.returns, key=lambda r: r[0].line):
            if ahead.held and facts.get(name) != "0":
                client.breach("leak", node, ahead)
        found += [b for b in client.found.values() if b.kind != "advanced" or "empty" not in client.found]
    return tuple(sorted(found, key=lambda b: (b.at.line, b.kind)))


def _handed(function: Function, name: str) -> list[Expr]:
    """The calls that get the address of the variable and whose result is kept."""
    targets = call_targets(function)
    return [
        call
        for calls in function.calls.values()
        for _, call in calls
        if id(call) in targets
        and any(a.kind == "unary" and a.value == "&" and a.args[0].key == name for a in call.args)
    ]


def _allocated_ahead(function: Function, name: str) -> bool:
    """Whether it is filled by an allocator, or by its name meant to be: else it is a result that the call hands out."""
    exprs = (node.expr for node in function.cfg.order if node.expr is not None)
    values = [e.args[1] for e in exprs if e.kind == "assign" and e.args[0].key == name]
    return "prealloc" in name or any(v.kind == "call" and _ALLOCATES.search(v.value) for v in values)


class _Prealloc(Client[Ahead]):
    def __init__(self, function: Function, name: str, calls: list[Expr]) -> None:
        super().__init__(Ahead())
        targets = call_targets(function)
        self.tables = function.tables
        self.name = name
        self.calls = {id(call) for call in calls}
        self.first = calls[0]
        self.results = {targets[id(call)].key for call in calls}
        self.places = {arg.key for call in calls for arg in call.args if arg.kind == "name"}
        self.found: dict[str, Breach] = {}

    def breach(self, kind: str, at: Expr | Node, ahead: Ahead) -> None:
        """Note the first breach of a kind."""
        self.found.setdefault(kind, Breach(kind, at, self.name, self.first, ahead.retry))

    def call(self, call: Expr, prop: Ahead, facts: Facts, node: Node) -> Iterable[Outcome[Ahead]] | None:
        if id(call) in self.calls:
            if prop.retry:
                self.breach("empty", call, prop)
            return [Outcome(Ahead(held=prop.held))]
        if any(canon(arg) == self.name for arg in call.args) and call.value not in self.tables.nosleep:
            return [Outcome(prop._replace(held=False))]
        if call.value in self.tables.gives_resource and any(canon(arg) == self.name for arg in call.args):
            return [Outcome(prop._replace(held=False))]
        return None

    def assigned(self, target: Expr, value: Expr | None, prop: Ahead, facts: Facts, node: Node) -> Ahead:
        if target.key == self.name:
            filled = value is not None and value.kind == "call"
            return Ahead(filled, 0 if filled else prop.retry)
        if prop.retry and target.key in self.places and _steps(node, target.key):
            self.breach("advanced", node, prop)
        return prop

    def branched(self, node: Node, outcome: bool, prop: Ahead, facts: Facts) -> Ahead | None:
        if facts.get(self.name) == "0" and prop.held:
            prop = prop._replace(held=False)
        expr = node.expr
        if node.kind != "branch" or expr is None or expr.kind != "binary" or expr.value not in ("==", "!="):
            return prop
        if expr.args[0].key not in self.results or not expr.args[1].key.startswith("-E"):
            return prop
        same = outcome is (expr.value == "==")
        if expr.args[1].key == _AGAIN:
            return prop._replace(retry=node.line) if same else prop if not prop.retry else None
        return None if same and prop.retry else prop


def _steps(node: Node, name: str) -> bool:
    """Whether the node moves a variable on."""
    return node.expr is not None and any(
        (e.kind == "assign" and e.value == "+=" and e.args[0].key == name)
        or (e.kind == "unary" and e.value.endswith("++") and e.args[0].key == name)
        for e in node.expr.walk()
    )
