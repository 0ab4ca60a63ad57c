"""Path-sensitive forward data-flow: states are kept apart by the client's property and joined where it is the same.

The property is what a client tracks (locks held, references owned); the value facts of `mmlint.facts.values` ride along
and are joined for equal properties. So `if (locked) unlock()` is understood without exploring every path: the paths
differ in the property exactly where they differ in what matters. (Property simulation: ESP, Das et al., PLDI 2002.)
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sized
from functools import lru_cache
from typing import Any, Generic, TypeVar

from mmlint.facts.assigned import assign, remember, touch
from mmlint.facts.cfg import Cfg, Node
from mmlint.facts.ir import Expr
from mmlint.facts.symbols import names_in, same, symbol
from mmlint.facts.values import EMPTY, Facts, evaluate, is_zero, join, refine, with_fact, without

P = TypeVar("P", bound=Hashable)
MAX_STATES = 48
"""Properties kept apart at one node; beyond it the analysis gives up and says so (`Flow.overflow`)."""
_MAX_VISITS = 60
_MAX_WORK = 60_000
"""Steps, each counted once and once more for every thing in its property, for a client looks at each of them: several
times what the busiest function of a kernel needs."""


class Outcome(Generic[P]):
    """One way a call may end: the property after it and what is known of its result (`facts`: of other lvalues)."""

    __slots__ = ("facts", "prop", "value")

    def __init__(self, prop: P, value: str | None = None, facts: tuple[tuple[Expr, str], ...] = ()) -> None:
        self.prop = prop
        self.value = value
        self.facts = facts


class Client(Generic[P]):
    """What an analysis says of single events, each with the node it happens at; nothing, where it does not say."""

    def __init__(self, initial: P) -> None:
        self.initial = initial
        """The property at the function's entry."""

    def call(self, call: Expr, prop: P, facts: Facts, node: Node) -> Iterable[Outcome[P]] | None:
        """The ways the call may end; None if it does not matter to this analysis."""
        return None

    def assigned(self, target: Expr, value: Expr | None, prop: P, facts: Facts, node: Node) -> P:
        """The property after `target = value` (value None: the target is declared or changed otherwise)."""
        return prop

    def branched(self, node: Node, outcome: bool, prop: P, facts: Facts) -> P | None:
        """The property on one side of a branch; None where that side cannot be taken."""
        return prop

    def cleanup(self, node: Node, prop: P, facts: Facts) -> P:
        """The property after a scope's cleanup ran."""
        return prop


class Flow(Generic[P]):
    """The result: for each node (by id) the states before it, and the states at the function's end by return node."""

    __slots__ = ("before", "overflow", "returns")

    def __init__(self) -> None:
        self.before: dict[int, dict[P, Facts]] = {}
        self.returns: list[tuple[Node, P, Facts, str | None]] = []
        self.overflow = False

    def states(self, node: Node) -> dict[P, Facts]:
        """The states in which control may reach `node`."""
        return self.before.get(node.id, {})


def solve(cfg: Cfg, client: Client[P], start: Facts = EMPTY) -> Flow[P]:
    """Run the analysis to its fixpoint."""
    return _Solver(cfg, client).run(start)


class _Solver(Generic[P]):
    def __init__(self, cfg: Cfg, client: Client[P]) -> None:
        self.cfg = cfg
        self.client = client
        self.flow: Flow[P] = Flow()
        self.rank = {node.id: i for i, node in enumerate(cfg.order)}
        self.pending: dict[int, set[P]] = {}
        self.queue: list[int] = []
        self.visits: dict[int, int] = {}
        self.work = 0
        self.results = False
        """Whether the node at hand has made facts of a call's or an increment's result."""

    def run(self, start: Facts) -> Flow[P]:
        self._push(self.cfg.entry, self.client.initial, start)
        order = self.cfg.order
        size: Callable[[Any], int] = len if isinstance(self.client.initial, Sized) else lambda _: 0
        while self.queue and self.work < _MAX_WORK:
            node = order[heapq.heappop(self.queue)]
            props = self.pending.pop(node.id)
            self.visits[node.id] = self.visits.get(node.id, 0) + 1
            if self.visits[node.id] > _MAX_VISITS:
                self.flow.overflow = True
                continue
            states = self.flow.before[node.id]
            for prop in [p for p in states if p in props] if len(props) > 1 else props:
                self.work += 1 + size(prop)
                for target, after, facts in self._step(node, prop, states[prop]):
                    self._push(target, after, facts)
        self.flow.overflow |= bool(self.queue)
        self._collect_returns()
        return self.flow

    def _push(self, node: Node, prop: P, facts: Facts) -> None:
        id_ = node.id
        states = self.flow.before.get(id_)
        if states is None:
            states = self.flow.before[id_] = {}
        old = states.get(prop)
        if old is None:
            if len(states) >= MAX_STATES:
                self.flow.overflow = True
                return
            states[prop] = facts
        else:
            joined = join(old, facts)
            if joined is old or joined == old:
                return
            states[prop] = joined
        waiting = self.pending.get(id_)
        if waiting is None:
            self.pending[id_] = {prop}
            heapq.heappush(self.queue, self.rank[id_])
        else:
            waiting.add(prop)

    def _step(self, node: Node, prop: P, facts: Facts) -> list[tuple[Node, P, Facts]]:
        """The states that one before the node leads to, with the nodes that they stand before."""
        self.results = False
        states = self.transfer(node, prop, facts)
        kind = node.kind
        out: list[tuple[Node, P, Facts]] = []
        for after, known in states:
            if kind == "branch" and node.expr is not None:
                for target, label in node.succ:
                    refined = refine(node.expr, bool(label), known)
                    if refined is None:
                        continue
                    branched = self.client.branched(node, bool(label), after, refined)
                    if branched is not None:
                        out.append((target, branched, _forget_results(refined) if self.results else refined))
                continue
            plain = _forget_results(known) if self.results else known
            if kind == "iter" or kind == "switch":
                out += self._ways(node, after, plain)
            else:
                for target, _ in node.succ:
                    out.append((target, after, plain))
        return out

    def _ways(self, node: Node, after: P, facts: Facts) -> Iterator[tuple[Node, P, Facts]]:
        """The ways on from an iterator or a switch."""
        for target, label in node.succ:
            if node.kind == "iter":
                branched = self.client.branched(node, bool(label), after, facts)
                if branched is not None:
                    yield target, branched, facts
            elif node.expr is not None and isinstance(label, str):
                chosen = _chosen(node.expr, label, facts)
                if chosen is not None:
                    yield target, after, chosen
            else:
                yield target, after, facts

    def transfer(self, node: Node, prop: P, facts: Facts) -> list[tuple[P, Facts]]:
        """The states after the node's own work, before its edges are told apart."""
        if node.kind == "cleanup":
            return [(self.client.cleanup(node, prop, facts), facts)]
        if node.expr is None:
            if node.kind == "decl":
                target = Expr("name", node.name, (), node.line)
                return [(self.client.assigned(target, None, prop, facts, node), assign(facts, target, None))]
            return [(prop, facts)]
        states = [(prop, facts)]
        for op, expr in node.events:
            if len(states) == 1:
                states = self._event(op, expr, *states[0], node)
            else:
                states = [after for p, f in states for after in self._event(op, expr, p, f, node)]
        if node.kind == "iter":
            for arg in node.expr.args:
                if arg.kind == "name":
                    states = [(p, assign(f, arg, None)) for p, f in states]
        return states

    def _event(self, op: str, expr: Expr, prop: P, facts: Facts, node: Node) -> list[tuple[P, Facts]]:
        if op == "call":
            return self._call(expr, prop, facts, node)
        if op == "update":
            target = expr.args[0]
            known = facts.get(target.key)
            grown = (
                ">0"
                if expr.value.endswith("++") and known is not None and (known in (">0", ">=0") or known.isdigit())
                else None
            )
            if known == "ok":
                grown = "ok"
            result = known if expr.value.startswith("p") else grown
            if result is not None:
                self.results = True
                facts = with_fact(facts, f"#{id(expr)}", result)
            return [(self.client.assigned(target, None, prop, facts, node), assign(facts, target, grown))]
        target, source = expr.args
        value = evaluate(source, facts) if expr.value == "=" else _compound(expr, facts)
        after = self.client.assigned(target, source if expr.value == "=" else None, prop, facts, node)
        facts = assign(facts, target, value)
        return [(after, remember(facts, target, source) if value is None and expr.value == "=" else facts)]

    def _call(self, call: Expr, prop: P, facts: Facts, node: Node) -> list[tuple[P, Facts]]:
        outcomes = self.client.call(call, prop, facts, node)
        if facts:
            pure, looks_again = _what_it_leaves(call.value)
            if not pure:
                for arg in call.args:
                    facts = touch(facts, arg)
            if looks_again:
                facts = without(facts, [key for key in facts if "(*" in key])
        if outcomes is None:
            return [(prop, facts)]
        out: list[tuple[P, Facts]] = []
        for outcome in outcomes:
            known = facts
            if outcome.value is not None:
                self.results = True
                known = with_fact(facts, f"#{id(call)}", outcome.value)
            for target, value in outcome.facts:
                known = assign(known, target, value)
            out.append((outcome.prop, known))
        return out

    def _collect_returns(self) -> None:
        for node in self.cfg.order:
            if node.kind == "return":
                for prop, facts in self.flow.states(node).items():
                    for after, known in self.transfer(node, prop, facts):
                        value = evaluate(node.expr, known) if node.expr is not None else None
                        self.flow.returns.append((node, after, known, value))
            elif any(target is self.cfg.exit for target, _ in node.succ):
                for prop, facts in self.flow.states(node).items():
                    for target, after, known in self._step(node, prop, facts):
                        if target is self.cfg.exit:
                            self.flow.returns.append((node, after, known, None))


def _chosen(value: Expr, label: str, facts: Facts) -> Facts | None:
    """Facts on one arm of a switch; None where it cannot be taken."""
    if label == "default" or value.kind not in ("name", "field"):
        return facts
    known, case = facts.get(value.key), symbol(label) or label
    if known is None:
        return with_fact(facts, value.key, case)
    apart = same(known, case)
    return None if apart is False else with_fact(facts, value.key, case) if names_in(known) else facts


def _compound(expr: Expr, facts: Facts) -> str | None:
    value = evaluate(expr.args[1], facts)
    if expr.value == "|=" and (is_zero(value) is False or is_zero(facts.get(expr.args[0].key)) is False):
        return "!0"
    return None


def _forget_results(facts: Facts) -> Facts:
    results = [k for k in facts if k[0] == "#" and k[1:].isdigit()]
    return without(facts, results) if results else facts


_PURE_PREFIXES = tuple(
    """
    pte_ pmd_ pud_ page_to_ folio_test_ folio_nr_ folio_size folio_order is_ vma_is_ IS_ERR PTR_ERR ERR_PTR WARN_ON
    VM_WARN VM_BUG BUG_ON pr_ trace_ lockdep_ mmap_assert container_of spin_lock spin_unlock raw_spin mutex_ flush_
    update_mmu sizeof min max ALIGN IS_ALIGNED set_pte set_pmd ptep_ pmdp_ huge_pte count_vm add_mm_counter
    inc_mm_counter dec_mm_counter kfree kvfree folio_lock folio_unlock folio_put put_page mm_inc mm_dec atomic_
    test_bit
    """.split()
)


_LOOKS_AGAIN = re.compile(r"p(te|md|ud)_\w*lock$")
"""Takers of a page-table lock: what was read of an entry without it may have changed."""


@lru_cache(maxsize=4096)
def is_pure(name: str) -> bool:
    """Whether a call leaves what its arguments point to alone, as far as remembered conditions go."""
    return name.startswith(_PURE_PREFIXES)


@lru_cache(maxsize=4096)
def _what_it_leaves(name: str) -> tuple[bool, bool]:
    """Whether a call is pure, and whether what was read of entries before it has to be read again."""
    return is_pure(name), _LOOKS_AGAIN.match(name) is not None
