"""The protocol steps of a function: every call, comparison and test that the step tables may speak of.

An `Act` is one of them at one place. Which acts are steps, which sinks they guard and which of them are worth the same
is the business of `steps.toml`; here is only what is done, about what, and which branches the result decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Set
from functools import cached_property

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, reach
from mmlint.frozen import dataclass
from mmlint.source.identifiers import words
from mmlint.source.mask import mask

_COMPARED = frozenset({"==", "!="})
_FIELDS = frozenset({"mapping", "swap", "anon_vma", "vm_userfaultfd_ctx"})
_LOOKUPS = frozenset({"page_folio", "xas_reload", "xa_load"})
_SEQUENCE = re.compile(r"_seq$")
_VALUES = ("_val", "_pfn", "_folio", "_page")
_LEVELS = ("pte", "pmd", "pud", "p4d", "pgd")
_SPIN = frozenset({"spin_lock", "spin_lock_nested", "spin_unlock"})
_PTL = re.compile(r"ptl\w*$")
NO_CALL = ("compare:", "field:", "flag:", "set:", "clear:", "is:", "read:")
"""How the words begin that name no call: the words of one row of the tables do not stand in for each other."""
_SILENT = ("WARN", "VM_WARN", "BUG", "VM_BUG", "trace_", "pr_", "lockdep_", "dump_", "printk", "pagealloc_")


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """One thing a function does. `word` is how the step tables name it: a callee, `compare:pte_val`, `field:mapping`,
    `->report` (by pointer), `field:null`, `flag:FOLL_PIN` (a test), `set:FOLL_PIN`, `clear:FOLL_PIN`, `is:present`,
    `ptl:spin_unlock`, `return`.

    `use` says what becomes of the result: `test` (it decides a branch), `value` (kept, passed on), `return`, `bare`.
    `tests` are the branches it decides, itself or through the variable that keeps it.
    """

    word: str
    key: str
    names: frozenset[str]
    node: Node
    expr: Expr
    use: str
    tests: tuple[Node, ...] = ()

    @property
    def line(self) -> int:
        """Where it starts, from 1."""
        return self.expr.line

    def guards(self, sink: Act, order: Reach, *, main: bool = False) -> bool:
        """Whether `sink` is reached on one outcome of this test only (`main`: on the one that goes further)."""
        return any(self._decides(test, sink, order, main) for test in self.tests)

    def _decides(self, test: Node, sink: Act, order: Reach, main: bool) -> bool:
        outcome = order.chosen(test, sink.node)
        if outcome is None or _asserts(test, order):
            return False
        return not main or order.side(test, outcome).bit_count() >= order.side(test, not outcome).bit_count()


def _asserts(test: Node, order: Reach) -> bool:
    return order.ends(test, True) or order.ends(test, False)


@fact
def acts(function: Function) -> tuple[Act, ...]:
    """Everything the function does in control-flow order, loops before what follows them.

    The end of a scope does what its cleanup does.
    """
    return tuple(_Collector(function).collect())


class _Collector:
    def __init__(self, function: Function) -> None:
        self.function = function
        self.tables = function.tables
        self.targets = call_targets(function)
        self.nullable = _mapped(function)
        self.order = reach(function)
        self.flags = {node.name for node in function.cfg.nodes if node.kind == "decl" and "bool" in node.type}

    def collect(self) -> Iterator[Act]:
        for node in self.order.order:
            if node.kind == "cleanup":
                yield from self._cleanup(node)
            elif node.expr is not None:
                yield from self._in_node(node, node.expr)
            if node.kind == "return":
                value = node.expr or Expr("name", "return", (), node.line)
                yield Act("return", value.key, value.names(), node, value, "bare")

    def _cleanup(self, node: Node) -> Iterator[Act]:
        kind, _, name = node.name.partition(":")
        row = self.tables.scope_frees.get(name) if kind == "free" else None
        if row is not None and node.expr is not None:
            yield Act(row.call, f"{row.call}({node.expr.key})", node.expr.names(), node, node.expr, "bare")

    def _in_node(self, node: Node, expr: Expr) -> Iterator[Act]:
        silenced = {
            id(inner) for e in expr.walk() if e.kind == "call" and e.value.startswith(_SILENT) for inner in e.walk()
        }
        for e in expr.walk():
            if id(e) in silenced:
                continue
            for word in self._words(e, node):
                use, tests = self._use(e, node)
                yield Act(word, _canonical(e), e.names(), node, e, use, tests)
            if e.kind == "assign" and e.args[1].kind == "field" and _SEQUENCE.search(e.args[1].value):
                yield Act(f"read:{e.args[1].value}", e.key, e.names(), node, e, "bare")
            for how, flags in self._masked(e):
                for flag in flags.names():
                    if flag.isupper():
                        word = f"{how}:{flag}"
                        yield Act(word, f"{e.args[0].key} {word}", e.args[0].names(), node, e, "bare")

    def _masked(self, e: Expr) -> Iterator[tuple[str, Expr]]:
        """The masks that are set or cleared."""
        if e.kind == "assign":
            if e.value in ("=", "|=") and _is_mask(e.args[1]):
                yield "set", e.args[1]
            elif e.value == "&=" and e.args[1].kind == "unary" and e.args[1].value == "~":
                yield "clear", e.args[1]
            return
        row = self.tables.flag_calls.get(e.value) if e.kind == "call" else None
        for how, place in (("set", row.sets), ("clear", row.clears)) if row is not None else ():
            if place is not None and place < len(e.args):
                yield how, e.args[place]

    def _words(self, e: Expr, node: Node) -> Iterator[str]:
        if e.kind == "call" and not e.value and e.callee is not None and e.callee.kind == "field":
            yield f"->{e.callee.value}"
        elif e.kind == "call" and e.value:
            yield self._scope_take(e.value)
            if e.value in _SPIN and e.args and _PTL.search(e.args[0].key):
                yield f"ptl:{e.value}"
        elif e.kind == "binary" and e.value == "&":
            masks = (mask for arg in e.args for mask in self._masks(arg))
            yield from (f"flag:{name}" for mask in masks for name in sorted(mask.names()) if name.isupper())
        elif e.kind == "binary" and e.value in _COMPARED:
            yield from _compared(e)
            if node.kind == "branch" and e is node.expr and e.args[1].key == "NULL" and e.args[0].key in self.nullable:
                yield "field:null"
        elif e.kind in ("name", "field", "unary") and node.kind == "branch" and e is node.expr:
            if e.key in self.nullable:
                yield "field:null"
            elif e.kind == "field" and (member := next((m for m in _members(e) if m in _FIELDS), "")):
                yield f"field:{member}"
            elif self.tables.with_class(e.value) and (e.value in self.function.params or e.value in self.flags):
                yield f"is:{e.value}"

    def _masks(self, arg: Expr) -> list[Expr]:
        """The masks that an operand may be: itself, or what a local variable is given (`x ? VM_WRITE : VM_READ`)."""
        if arg.kind != "name" or arg.value.isupper():
            return [arg] if _is_mask(arg) else []
        values = assigned_values(self.function).get(arg.value, ())
        choices = [way for value in values for way in (value.args[1:] if value.kind == "cond" else (value,))]
        return choices if choices and all(_is_mask(choice) for choice in choices) else []

    def _scope_take(self, name: str) -> str:
        row = self.tables.scope_guards.get(name[6:]) if name.startswith("guard:") else None
        return row.take if row is not None else name

    @cached_property
    def _asking(self) -> dict[str, list[int]]:
        """The ranks of the branches that name an expression, by its text."""
        found: dict[str, list[int]] = {}
        for i, node in enumerate(self.order.order):
            if node.kind == "branch" and node.expr is not None:
                for key in {e.key for e in node.expr.walk()}:
                    found.setdefault(key, []).append(i)
        return found

    @cached_property
    def _storing(self) -> dict[str, int]:
        """The statements that set an lvalue anew (as a mask of ranks), by its text."""
        found: dict[str, int] = {}
        for i, node in enumerate(self.order.order):
            if node.expr is not None and node.expr.kind == "assign" and node.expr.value == "=":
                key = node.expr.args[0].key
                found[key] = found.get(key, 0) | 1 << i
        return found

    def _use(self, e: Expr, node: Node) -> tuple[str, tuple[Node, ...]]:
        if node.kind in ("branch", "switch"):
            return "test", (node,) if node.kind == "branch" else ()
        if node.kind == "return":
            return "return", ()
        root = node.expr
        if root is e:
            return "bare", ()
        target = root.args[0] if root is not None and root.kind == "assign" else None
        if target is None:
            return "value", ()
        return "value", tuple(self._tests_of(target, node))

    def _tests_of(self, target: Expr, node: Node) -> Iterator[Node]:
        """The branches on a variable that the value set at `node` may still be in."""
        order, key = self.order, target.key
        tests, stores = self._asking.get(key), self._storing.get(key, 0)
        if not tests:
            return
        behind = order.after[order.rank[node.id]]
        if not behind & stores:
            yield from (order.order[i] for i in tests if behind >> i & 1)
            return
        seen, work = set(), list(order.next[order.rank[node.id]])
        while work:
            i = work.pop()
            if i in seen:
                continue
            seen.add(i)
            if not stores >> i & 1:
                work += order.next[i]
        yield from (order.order[i] for i in tests if i in seen)


def _mapped(function: Function) -> frozenset[str]:
    """The lvalues that hold a mapped page table which may not have been there (NULL)."""
    takes = function.tables.takes
    targets = call_targets(function)
    found: set[str] = set()
    for name, calls in function.calls.items():
        rows = takes.get(name, ())
        if any(row.result and row.when == "nonzero" for row in rows):
            for node, call in calls:
                found |= {targets[id(call)].key} if id(call) in targets else set()
                found |= {e.args[0].key for op, e in node.events if op == "assign" and e.args[1] is call}
    return frozenset(found)


def _members(e: Expr) -> Iterator[str]:
    """A member and those that it is a part of."""
    while e.kind == "field":
        yield e.value
        e = e.args[0]


def _is_mask(e: Expr) -> bool:
    return (e.kind == "name" and e.value.isupper()) or (e.kind == "binary" and e.value == "|")


def _compared(e: Expr) -> Iterator[str]:
    for inner in e.walk():
        entry = inner.kind == "call" and inner.value.endswith(_VALUES) and inner.value.startswith(_LEVELS)
        if entry:
            yield f"compare:{inner.value}"
            return
    looked_up = next((side.value for side in e.args if side.kind == "call" and side.value in _LOOKUPS), None)
    if looked_up is not None:
        yield f"compare:{looked_up}"
        return
    for side in e.args:
        for inner in side.walk():
            if inner.kind == "field" and inner.value in _FIELDS:
                yield f"field:{inner.value}"
                return


def _canonical(e: Expr) -> str:
    """The text with the operands of a comparison or of a symmetric test in a fixed order."""
    if e.kind == "binary" or (e.kind == "call" and e.value.endswith("_same")):
        return f"{e.value}({', '.join(sorted(arg.key for arg in e.args))})"
    return e.key


def negated(expr: Expr | None) -> bool:
    """Whether a condition says the opposite of what stands behind its `!`."""
    odd = False
    while expr is not None and expr.kind == "unary" and expr.value == "!":
        expr, odd = expr.args[0], not odd
    return odd


def bare(expr: Expr) -> Expr:
    """A condition without its `!`."""
    while expr.kind == "unary" and expr.value == "!":
        expr = expr.args[0]
    return expr


def plain_null(expr: Expr) -> Expr | None:
    """The variable or member that a condition asks whether it is NULL, None where it asks for something else."""
    asked = bare(expr)
    if asked.kind == "binary" and asked.value in _COMPARED and asked.args[1].key == "NULL":
        asked = asked.args[0]
    return asked if asked.kind in ("name", "field") else None


def plain(node: Node) -> str:
    """A condition without its negation, as text."""
    if node.expr is None:
        return ""
    expr = bare(node.expr)
    if expr.kind == "binary" and expr.value in ("==", "!="):
        return " == ".join(sorted(arg.key for arg in expr.args))
    return expr.key


def opposite(node: Node) -> bool:
    """Whether a test says the opposite of its plain text."""
    expr = bare(node.expr) if node.expr is not None else None
    return negated(node.expr) is not (expr is not None and expr.kind == "binary" and expr.value == "!=")


@fact
def spoken(function: Function) -> frozenset[str]:
    """The words of a function, those of comments and strings left out."""
    return frozenset(words(mask(function.text)))


def told_by_callee(function: Function, call: Expr, word: str) -> bool:
    """Whether a function that is asked for an argument of a call (`pin(…, pin_flags(), …)`) names a word."""
    asked = (inner.value for arg in call.args for inner in arg.calls())
    callees = (function.program.resolve(name, function.path) for name in asked)
    return any(callee is not None and word in spoken(callee) for callee in callees)


@fact
def performed(function: Function) -> frozenset[str]:
    """Every word of the function and of what it calls in its file, at any depth: what it may do, at the most. What
    comments say is not done.
    """
    return _with_callees(function, spoken)


@fact
def called(function: Function) -> frozenset[str]:
    """Every name that the function and what it calls in its file call, at any depth."""
    return _with_callees(function, lambda each: each.calls.keys())


def _with_callees(function: Function, names: Callable[[Function], Set[str]]) -> frozenset[str]:
    found: set[str] = set()
    seen, work = {function}, [function]
    while work:
        fresh = names(work.pop()) - found
        found |= fresh
        for name in fresh:
            for callee in function.program.named(function.path, name):
                if callee not in seen:
                    seen.add(callee)
                    work.append(callee)
    return frozenset(found)


def callee_here(function: Function, act: Act) -> Function | None:
    """The function of the same file, not the function itself, that an act calls."""
    if act.expr.kind != "call":
        return None
    return next((f for f in function.program.named(function.path, act.word) if f is not function), None)


def spelled(word: str) -> str:
    """The identifier that must occur where a word of the tables is done."""
    return word.rpartition(":")[2]


def render(function: Function) -> str:
    """The protocol steps of a function, by line: what is done, which steps of the tables that is, whether it is a sink
    that steps guard, and which lines the result decides.
    """
    steps = function.tables.steps
    lines = [f"{function.path}:{function.line} {function.name}"]
    for act in sorted(acts(function), key=lambda act: (act.line, act.expr.column)):
        guard = function.tables.guards.get(act.word)
        told = [row.name for row in steps.done_by(act.word)] or (
            [f"test of {guard.class_}"] if guard is not None else []
        )
        told += ["a sink"] if steps.guarding(act.word) else []
        if told:
            told += [f"decides line {test.line}" for test in act.tests]
            lines.append(f"{act.line:>7}  {act.expr.key[:60]:<60}  {', '.join(told)}")
    return "\n".join(lines) + "\n"
