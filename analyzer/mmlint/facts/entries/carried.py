"""Entries that replace an entry of the same slot, and what of the old one reaches neither the new one nor the page.

A replacement is an entry made from a swap, migration or device entry (`swp_entry_to_pte`), or a present one made where
a non-present one was decoded, and then written. A bit counts as carried on a way that passes the question whether the
old entry has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare, negated
from mmlint.frozen import dataclass

_TO_SWAP = re.compile(r"swp_entry_to_p(te|md)$")
_TO_PRESENT = re.compile(r"(folio_)?mk_p(te|md)$")
_DECODES = re.compile(r"p(te|md)_to_swp_entry$")
_NO_STATE = re.compile(r"make_(hwpoison_entry|pte_marker\w*|poisoned_swp_entry|guard_swp_entry|swapin_error_entry)$")
"""What replaces a page for good: no bit of the old entry matters any more."""
_DEVICE = re.compile(r"make_\w*device_(private|exclusive)_entry$")
"""Checkpointing, which soft-dirty is for, does not work with a driver that holds pages: these do not carry it on."""
BITS = ("soft-dirty", "uffd-wp")


@dataclass(frozen=True, slots=True)
class Replacement:
    """An entry made at `made` and written at `write`: what is `missing`, and the clearing call if that matters."""

    made: Expr
    write: Expr
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    node: Node
    call: Expr
    swap: bool
    write_node: Node
    write: Expr
    level: str


@fact
def bits_dropped(function: Function) -> tuple[Replacement, ...]:
    """The entries written without the soft-dirty or uffd-wp bit of the entry they replace, on some way."""
    found = []
    for made in _replacements(function):
        wanted = {"uffd-wp"} if made.level == "hugetlb" or _only(made.node, made.call, _DEVICE) else set(BITS)
        wanted -= {"uffd-wp"} if _was_writable(function, made) else set()
        missing = tuple(bit for bit in BITS if bit in wanted and not _carried(function, made, bit))
        if missing:
            found.append(Replacement(made.call, made.write, missing))
    return _once(found)


@fact
def dirty_dropped(function: Function) -> tuple[Replacement, ...]:
    """The present entries that were cleared and replaced by a swap or migration entry without a look at the dirty bit.

    `made` is the clearing call.
    """
    order = reach(function)
    tables = function.tables
    clears = [
        (node, call)
        for name, row in tables.set_entries.items()
        if row.op == "get-and-clear"
        for node, call in function.calls.get(name, ())
    ]
    if not clears:
        return ()
    marks = [n for name, row in tables.marks.items() if row.what == "dirty" for n, _ in function.calls.get(name, ())]
    asked = [gate for node in marks for gate in (node, *_question(node))]
    found = []
    for made in _replacements(function):
        for node, call in clears if made.swap and not _only(made.node, made.call, _DEVICE) else ():
            if order.before(node, made.write_node) and order.escapes(node, made.write_node, asked):
                found.append(Replacement(call, made.write, ("dirty",)))
    return _once(found)


@fact
def bits_of_itself(function: Function) -> dict[str, list[tuple[Expr, Expr]]]:
    """The calls that set a bit where a test has found the same variable to have it, with that test; by the bit."""
    carries = function.tables.carries
    found: dict[str, list[tuple[Expr, Expr]]] = {bit: [] for bit in BITS}
    for name in carries.keys() & function.calls.keys():
        row = carries[name]
        for node, call in function.calls[name] if row.op == "set" and row.bit in found else ():
            for test in (c for branch in _question(node) if branch.expr is not None for c in branch.expr.calls()):
                asked = carries.get(test.value)
                alike = asked is not None and (asked.op, asked.bit, asked.form) == ("test", row.bit, row.form)
                if alike and test.args and call.args and test.args[0].key == call.args[0].key == _target(node, call):
                    found[row.bit].append((call, test))
    for pairs in found.values():
        pairs.sort(key=lambda pair: (pair[0].line, pair[0].column))
    return found


def _was_writable(function: Function, made: _Made) -> bool:
    """Whether a test has found an entry writable on every way to the write: then it is not write-protected for uffd."""
    order, asked = reach(function), function.tables.with_class("writable")
    for name in asked.intersection(function.calls):
        for node, call in function.calls[name]:
            test = node.expr if node.kind == "branch" and node.expr is not None else None
            if test is not None and bare(test) is call and order.dominates(node, made.write_node):
                outcome = order.chosen(node, made.write_node)
                if outcome is not None and outcome is not negated(test):
                    return True
    return False


def _once(found: Iterable[Replacement]) -> tuple[Replacement, ...]:
    """One for each write, in order."""
    unique = {id(f.write): f for f in found}
    return tuple(sorted(unique.values(), key=lambda f: (f.write.line, f.write.column)))


def _replacements(function: Function) -> Iterator[_Made]:
    """Each way from a constructor to the call that writes what it made."""
    makers = [
        (node, call)
        for name, calls in function.calls.items()
        if _TO_SWAP.match(name) or _TO_PRESENT.match(name)
        for node, call in calls
        if not _only(node, call, _NO_STATE)
    ]
    if not makers:
        return
    order = reach(function)
    decodes = [node for name, calls in function.calls.items() if _DECODES.match(name) for node, _ in calls]
    kept, cleared = _cleared(function)
    for write_node, write, value, level in _writes(function):
        for node, call in makers:
            swap = _TO_SWAP.match(call.value) is not None
            olds = decodes + (kept if _only(node, call, _DEVICE) else cleared) if swap else []
            if swap and not any(old is not node and order.before(old, write_node) for old in olds):
                continue
            if not swap and not any(order.dominates(old, write_node) for old in decodes):
                continue
            nested = any(each is call for each in value.walk())
            target = _target(node, call)
            if nested or (target and target == value.root and order.before(node, write_node)):
                yield _Made(node, call, swap, write_node, write, level)


def _cleared(function: Function) -> tuple[list[Node], list[Node]]:
    """Where an entry is cleared: those whose old value is kept, and all. A new device page comes where none was."""
    targets = call_targets(function)
    rows = function.tables.set_entries
    names = [name for name, row in rows.items() if row.op == "get-and-clear"]
    pairs = [pair for name in names for pair in function.calls.get(name, ())]
    return [node for node, call in pairs if id(call) in targets], [node for node, _ in pairs]


def _writes(function: Function) -> Iterator[tuple[Node, Expr, Expr, str]]:
    for name, row in function.tables.set_entries.items():
        if row.op == "set" and row.value is not None and not name.startswith("pmd_"):
            for node, call in function.calls.get(name, ()):
                if row.value < len(call.args):
                    yield node, call, call.args[row.value], row.level


def _only(node: Node, call: Expr, kinds: re.Pattern[str]) -> bool:
    """Whether what goes into the entry is always made by a call of these kinds."""
    values = list(call.args[:1])
    if values and values[0].kind == "name":
        values = _reaching(node, values[0].value)
    return bool(values) and all(any(kinds.match(c.value) for c in v.calls()) for v in values)


def _reaching(node: Node, name: str) -> list[Expr]:
    """What may have been assigned last to a variable where control comes to `node`."""
    found: list[Expr] = []
    seen, work = {node.id}, [node]
    while work:
        for before in work.pop().pred:
            expr = before.expr
            if expr is not None and expr.kind == "assign" and expr.args[0].key == name:
                found.append(expr.args[1])
            elif before.id not in seen:
                seen.add(before.id)
                work.append(before)
    return found


def _target(node: Node, call: Expr) -> str:
    """The variable that takes what `call` made, whatever is put round it."""
    expr = node.expr
    if expr is not None and expr.kind == "assign" and any(each is call for each in expr.args[1].walk()):
        return expr.args[0].key
    return ""


def _carried(function: Function, made: _Made, bit: str) -> bool:
    """Whether every way from the making to the writing asks for the bit, or sets it."""
    carries = function.tables.carries
    names = [n for n, row in carries.items() if row.bit == bit and row.op == "set"]
    order = reach(function)
    if bit == "uffd-wp":
        names += [n for n, row in carries.items() if row.bit == "write" and row.op == "set" and row.form == "present"]
    gates: list[Node] = []
    for name in names:
        for node, _ in function.calls.get(name, ()):
            gates += [node, *_question(node)]
    return not order.escapes(made.node, made.write_node, gates)


def _question(node: Node) -> list[Node]:
    """The branches of the condition that decides over `node`: those that leave it out at the same place."""
    found: list[Node] = [node] if node.kind == "branch" else []
    here = node
    while not found and len(here.pred) == 1 and len(here.pred[0].succ) == 1:
        here = here.pred[0]
    while len(here.pred) == 1 and here.pred[0].kind == "branch":
        branch = here.pred[0]
        skipped = [t for t, _ in branch.succ if t is not here]
        if found and not any(t is s for t in skipped for s, _ in found[0].succ):
            break
        found.append(branch)
        here = branch
    return found
