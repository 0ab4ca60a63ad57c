"""Write-protection of the parent's entries in the fork copy path, and whether a pinned check stands before it.

A site is open when control can reach it, for an anonymous page that may be pinned, without a check whose result keeps
pinned pages away. Paths that have no such page (no page at all, a file page, a zero page, a mapping without COW) are
closed. A helper that is handed the entry, with or without its page, is judged in its callers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmlint.facts.cfg import Node
from mmlint.facts.flow import Client, Outcome, solve
from mmlint.facts.function import NOT_SHOWN, Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.values import Facts
from mmlint.finding import Step
from mmlint.frozen import dataclass

_COPY = re.compile(r"_*(copy|dup)_\w*(range|pte|ptes|pmd|pud|p4d|pgd|page|present|one|huge|hugetlb)\w*$")
_SOURCE = re.compile(r"\b(src|source|old|parent|from)")
_TARGET = re.compile(r"(dst|dest|new|child|to)(_|$)")
_BOTH_SIDES = re.compile(rb"(?s)(?=.*\b(?:src|source|old|parent|from)).*\b(?:dst|dest|new|child|to)(?:_|\b)")
"""What a header with parameters of both sides shows."""
_PAGE = re.compile(r"struct (page|folio) ?\*$")
_PAIRED_TYPES = ("mm_struct", "vm_area_struct", "pte_t", "pmd_t", "pud_t")
_PAIRED = re.compile(r"(struct (mm_struct|vm_area_struct)|p(te|md|ud)_t) ?\*$")
_GATE = re.compile(r"\b(has_pinned|MMF_HAS_PINNED)\b")
"""The flag of an mm that GUP sets before its first pin: where it is not set, nothing is pinned."""
_RAW = re.compile(r"_maybe_dma_pinned$")
"""The checks that look at the page alone; the others (`*_needs_cow_for_dma`, `*_try_dup_*`) ask the mm themselves."""
OPEN, CHECKED, PINNED, CLOSED = "open", "checked", "pinned", "closed"
_CLOSES = {"anon": False, "cow_mapping": False, "zero_page": True, "swap_kind": True, "writable": False}
"""The result of a test, by its class, after which there is no page that a pin could protect from being shared."""
_FOR_ALL_PAGES = ("cow_mapping", "writable")


@dataclass(frozen=True, slots=True)
class ForkSite:
    """A call that write-protects an entry of the parent: itself, or through `steps`.

    `state` is open (no check on some path) or pinned (reached although the check said that the page may be pinned).
    """

    node: Node
    call: Expr
    level: str
    state: str
    steps: tuple[Step, ...] = ()

    @property
    def entry(self) -> str:
        """What is write-protected, as a message says it."""
        return "hugetlb entry" if self.level == "hugetlb" else self.level.upper()


@fact
def is_fork_copy(function: Function) -> bool:
    """Whether a function copies page-table entries from one mm to another: by its name and its pairs of parameters.

    One that is handed a single mm moves entries within it (UFFDIO_MOVE).
    """
    if not _COPY.match(function.name) and not function.has(*_PAIRED_TYPES):
        return False
    if not _BOTH_SIDES.match(function.text.split(b"{", 1)[0]):
        return False
    params = function.source.params
    sources = {p.type_text for p in params if _SOURCE.match(p.name)}
    targets = {p.type_text for p in params if _TARGET.match(p.name)}
    if _COPY.match(function.name):
        return bool(sources and targets)
    if any(p.type_text.startswith("struct mm_struct") and not (is_source(p.name) or is_target(p.name)) for p in params):
        return False
    return any(_PAIRED.search(kind) for kind in sources & targets)


def is_source(name: str) -> bool:
    """Whether a name is one of the parent's side."""
    return _SOURCE.match(name) is not None


def is_target(name: str) -> bool:
    """Whether a name is one of the child's side."""
    return _TARGET.match(name) is not None


@fact
def finds_page(function: Function) -> bool:
    """Whether the function looks up the page behind the entry itself: then the check is its business."""
    return any(node.kind == "decl" and _PAGE.search(node.type.strip()) for node in function.cfg.nodes)


@fact
def fork_sites(function: Function) -> tuple[ForkSite, ...]:
    """The open sites of a fork copy function, its own and those that helpers of its file leave to it."""
    if not is_fork_copy(function):
        return ()
    sinks = _sinks(function)
    if not sinks:
        return ()
    client = _Guarded(function, {id(call) for _, call, _, _ in sinks})
    solve(function.cfg, client)
    found = []
    for node, call, level, steps in sinks:
        states = client.reached.get(id(call), set())
        for state in (OPEN, PINNED):
            if state in states:
                found.append(ForkSite(node, call, level, state, steps))
                break
    return tuple(found)


def _sinks(function: Function) -> list[tuple[Node, Expr, str, tuple[Step, ...]]]:
    found: list[tuple[Node, Expr, str, tuple[Step, ...]]] = []
    table = function.tables
    for name, calls in function.calls.items():
        row = table.wrprotects.get(name)
        for node, call in calls:
            if row is not None:
                if row.arg is not None and row.arg < len(call.args) and _is_source(call, row.arg, row.mm):
                    found.append((node, call, row.level, ()))
                continue
            if name in table.set_entries:
                if _sets_protected(function, node, call):
                    found.append((node, call, table.set_entries[name].level, ()))
                continue
            for callee in function.program.named(function.path, name):
                if callee is function or finds_page(callee):
                    continue
                for site in fork_sites(callee):
                    step = Step(function.path, site.call.line, f"`{callee.name}` calls `{site.call.value}`")
                    found.append((node, call, site.level, (step, *site.steps)))
    return sorted(found, key=lambda f: (f[1].line, f[1].column))


def _is_source(call: Expr, arg: int, mm: int | None) -> bool:
    operands = [call.args[arg], *([call.args[mm]] if mm is not None and mm < len(call.args) else [])]
    return any(_SOURCE.match(op.root) for op in operands) or not any(_TARGET.match(op.root) for op in operands)


def _sets_protected(function: Function, node: Node, call: Expr) -> bool:
    """Whether the call sets the parent's entry to a value that was made read-only."""
    row = function.tables.set_entries[call.value]
    if (
        row.op != "set"
        or row.value is None
        or row.value >= len(call.args)
        or not _SOURCE.match(call.args[row.arg].root)
    ):
        return False
    order = reach(function)
    made = {name for made_at, name in _protected(function) if order.before(made_at, node)}
    return any(
        inner.value in (made if inner.kind == "name" else function.tables.wrprotects)
        for inner in call.args[row.value].walk()
        if inner.kind in ("call", "name")
    )


@fact
def _protected(function: Function) -> tuple[tuple[Node, str], ...]:
    """The places at which a variable takes an entry's value made read-only."""
    values = {name for name, row in function.tables.wrprotects.items() if row.arg is None}
    return tuple(
        (node, target.value)
        for name in sorted(values.intersection(function.calls))
        for node, call in function.calls[name]
        if (target := call_targets(function).get(id(call))) is not None and target.kind == "name"
    )


@fact
def pin_checks(function: Function) -> tuple[tuple[Node, Expr], ...]:
    """The calls that tell whether a page may be pinned, in order of control flow."""
    names = function.tables.with_class("pinned").intersection(function.calls)
    return tuple(sorted((pair for n in names for pair in function.calls[n]), key=lambda p: (p[1].line, p[1].column)))


@fact
def ungated_checks(function: Function) -> tuple[Expr, ...]:
    """The checks of a page's count in a fork copy that do not ask first whether the mm ever pinned anything."""
    if not is_fork_copy(function):
        return ()
    order = reach(function)
    gates = [n for n in function.cfg.order if n.kind == "branch" and n.expr is not None and _GATE.search(n.expr.key)]
    return tuple(
        call
        for node, call in pin_checks(function)
        if _RAW.search(call.value) and not any(order.chosen(gate, node) for gate in gates)
    )


class _Guarded(Client[str]):
    def __init__(self, function: Function, sinks: set[int]) -> None:
        super().__init__(OPEN)
        self.function = function
        self.guards = function.tables.guards
        self.sinks = sinks
        self.reached: dict[int, set[str]] = {}
        self.pages: set[str] = set()

    def call(self, call: Expr, prop: str, facts: Facts, node: Node) -> Iterable[Outcome[str]] | None:
        if id(call) in self.sinks:
            self.reached.setdefault(id(call), set()).add(prop)
        if call.value == NOT_SHOWN:
            return [Outcome(CHECKED)]
        guard = self.guards.get(call.value)
        if guard is not None and guard.class_ == "pinned":
            yes, no = ("0", "!0") if guard.implies == "zero" else ("!0", "0")
            return [Outcome(PINNED, yes), Outcome(CHECKED, no)]
        return None

    def assigned(self, target: Expr, value: Expr | None, prop: str, facts: Facts, node: Node) -> str:
        if value is not None and any(_finds_page(call.value) for call in value.calls()):
            self.pages.add(target.key)
            return prop if prop == CLOSED else OPEN
        return prop

    def branched(self, node: Node, outcome: bool, prop: str, facts: Facts) -> str | None:
        expr = node.expr
        if expr is None or prop not in (OPEN, PINNED):
            return prop
        guard = self.guards.get(expr.value) if expr.kind == "call" else None
        if guard is not None and guard.class_ in _FOR_ALL_PAGES and _CLOSES[guard.class_] == outcome:
            return CLOSED
        if prop == PINNED:
            return prop
        if not outcome and (expr.key in self.pages or _GATE.search(expr.key)):
            return CHECKED
        return CHECKED if guard is not None and _CLOSES.get(guard.class_) == outcome else prop


def _finds_page(name: str) -> bool:
    return (
        re.match(r"(vm_normal_(page|folio)|(pte|pmd|pud|pfn|pfn_swap_entry)_(to_)?(page|folio)|p[tmu][ed]_page)", name)
        is not None
    )
