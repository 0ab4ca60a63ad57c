"""Pages that may be device memory or tails, by the call that they come from, and what is done to them untested."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import HEADS, canon
from mmlint.facts.ir import Expr


@fact
def lru_of_device(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(LRU operation, source): operations on a page that may be device memory, reached without a test of its kind."""
    if function.words.isdisjoint(function.tables.device_pages):
        return ()
    takes, puts = _lru_operations(function)
    found = []
    for name, calls in function.calls_of(takes | puts).items():
        for node, call in calls:
            key = canon(call.args[0]) if call.args else ""
            for start, source in _sources(function, key, "device"):
                back = name in puts and function.tables.entry_pages[source.value].mapped
                if not back and _untested(function, start, node, key):
                    found.append((call, source))
                    break
    return tuple(sorted(found, key=lambda pair: pair[0].line))


def _lru_operations(function: Function) -> tuple[set[str], set[str]]:
    """The calls that take a folio off its list or add it to one, and those that put it back."""
    t = function.tables
    takes = {n for n, rows in t.takes_resource.items() if any(r.resource == "isolated folio" for r in rows)}
    puts = {n for n, rows in t.gives_resource.items() if any(r.resource == "isolated folio" for r in rows)}
    takes |= {n for n, mark in t.marks.items() if mark.what == "lru"}
    others = {n for n in takes | puts if "hugetlb" in n or "movable" in n}
    return takes - others, puts - others


def _sources(function: Function, key: str, kind: str) -> Iterator[tuple[Node, Expr]]:
    """The nodes that give a variable its page, with the call of the tables that it comes from."""
    rows = function.tables.entry_pages
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.args[0].key == key:
                for call in expr.args[1].calls():
                    if call.value in rows and getattr(rows[call.value], kind):
                        yield node, call


def _untested(function: Function, start: Node, end: Node, key: str) -> bool:
    """Whether a way leads from the source to the operation without a test that device memory does not pass."""
    tests = function.tables.with_class("zone_device") | function.tables.with_class("lru")
    work = [target for target, _ in start.succ]
    seen: set[int] = set()
    while work:
        here = work.pop()
        if here.id in seen:
            continue
        seen.add(here.id)
        if here is end:
            return True
        if here.expr is not None and any(_asks(call, tests, key) for call in here.expr.calls()):
            continue
        if any(op == "assign" and expr.args[0].key == key for op, expr in here.events):
            continue
        work += [target for target, _ in here.succ]
    return False


def _asks(call: Expr, tests: frozenset[str], key: str) -> bool:
    return call.value in tests and any(canon(arg) == key for arg in call.args)


# ------------------------------------------------------------------- tails


@fact
def tail_counts(function: Function) -> tuple[tuple[Expr, str], ...]:
    """(call, why): primitives that count on the very page they are handed, handed one that may be a tail."""
    rows = function.tables.ref_helpers
    found = []
    for name, calls in function.calls_of(rows).items():
        row = rows[name]
        if not _on_this_page(name) or row.op not in ("inc", "dec", "try", "test"):
            continue
        for _, call in calls:
            why = _tail(function, call.args[row.arg]) if row.arg < len(call.args) else ""
            if why:
                found.append((call, why))
    return tuple(sorted(found, key=lambda pair: pair[0].line))


def _on_this_page(name: str) -> bool:
    """Whether a primitive takes a struct page as it is: `get_page` and `put_page` go to the head by themselves."""
    return name.startswith("page_ref_") or name in ("get_page_unless_zero", "put_page_testzero")


def _tail(function: Function, arg: Expr) -> str:
    """Why an argument may be a tail page; empty where it is not known to be one."""
    if any(call.value in HEADS for call in arg.calls()):
        return ""
    if _moved(arg):
        return f"`{arg.key}`"
    row = function.tables.entry_pages.get(arg.value) if arg.kind == "call" else None
    if row is not None and row.tail:
        if row.address and arg.args and _counted_on(function, arg.args[0].key):
            return ""
        return "" if arg.value == "folio_page" and arg.args[-1].key == "0" else f"`{arg.value}`"
    if arg.kind != "name":
        return ""
    sources = _assigned(function, arg.value)
    reasons = [_tail(function, source) for source in sources if source.key != arg.key]
    return reasons[0] if reasons and all(reasons) and arg.value not in function.params else ""


def _assigned(function: Function, name: str) -> list[Expr]:
    found = []
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.args[0].key == name:
                found.append(expr.args[1] if expr.value == "=" else expr)
    return found


def _counted_on(function: Function, name: str) -> bool:
    """Whether an address goes from page to page: through memory that was allocated as so many single pages."""
    changed = (expr for node in function.cfg.order for op, expr in node.events if op in ("assign", "update"))
    return any(expr.args[0].key == name and expr.value != "=" for expr in changed)


def _moved(arg: Expr) -> bool:
    """Whether a page is reached by counting from another: `page + i`, `&page[i]`."""
    if arg.kind == "binary" and arg.value == "+":
        return "page" in arg.args[0].key and arg.args[0].kind in ("name", "field")
    return arg.kind == "unary" and arg.value == "&" and arg.args[0].kind == "index" and "page" in arg.args[0].key


# ------------------------------------------------------------------- hooks

_OF_DEVICES = re.compile(r"devmap|zone_device|pgmap|device_(private|coherent)")


@fact
def hooks(function: Function) -> tuple[tuple[Expr, Expr], ...]:
    """(hook, primitive): a call for device pages only, beside a count that others raise or lower without it.

    Only functions of a page and perhaps a number are looked at: wrappers of a primitive, but those that bear the name
    of device pages, who are called for no others.
    """
    rows = function.tables.ref_helpers
    kinds = function.tables.with_class("zone_device")
    if function.words.isdisjoint(kinds) or not 0 < len(function.params) <= 2 or _OF_DEVICES.search(function.name):
        return ()
    counts = [
        (call, canon(call.args[rows[name].arg]))
        for name, calls in function.calls.items()
        if name in rows and rows[name].op in ("inc", "dec", "try")
        for _, call in calls
        if rows[name].arg < len(call.args) and canon(call.args[rows[name].arg]) in function.params
    ]
    found = []
    for node in function.cfg.order:
        if node.kind == "branch" and node.expr is not None and any(c.value in kinds for c in node.expr.calls()):
            for call in _only_then(node):
                count = next((c for c, key in counts if any(canon(arg) == key for arg in call.args)), None)
                if count is not None and call.value not in rows and call.value not in function.tables.guards:
                    found.append((call, count))
    return tuple(found)


def _only_then(branch: Node) -> Iterator[Expr]:
    """The calls that are made only where the branch comes out true."""
    sides = {bool(label): _from(target) for target, label in branch.succ}
    for number, node in sides.get(True, {}).items():
        if number not in sides.get(False, {}) and node.expr is not None:
            yield from (call for call in node.expr.calls() if call.value and call.value.islower())


def _from(start: Node) -> dict[int, Node]:
    found: dict[int, Node] = {}
    work = [start]
    while work:
        here = work.pop()
        if here.id not in found:
            found[here.id] = here
            work += [target for target, _ in here.succ]
    return found
