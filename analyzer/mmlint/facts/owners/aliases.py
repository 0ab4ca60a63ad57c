"""The variables that stand for one thing: what a function returns, other names of a page, what a walk finds."""

from __future__ import annotations

import re

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.things import PATH

_MAPPING = "kernel mapping"
_WORD = re.compile(r"\w+")
_STORES = re.compile(r"WRITE_ONCE$|(smp_store|rcu_assign)_\w+$")
_ZEROED = re.compile(r"[zc]alloc(_|$)")
_LOOK_UP = re.compile(r"^lookup_|_lookup$|_(next|prev|first|last)$")


@fact
def results(function: Function) -> frozenset[str]:
    """The variables that the function returns."""
    returned = (n.expr for n in function.cfg.order if n.kind == "return" and n.expr is not None)
    return frozenset(e.key for e in returned if e.kind == "name")


def same_thing(function: Function, key: str) -> frozenset[str]:
    """The other variables for the same page: `page = folio_page(folio, 0)`, `folio = page_folio(page)`."""
    found = {key}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op != "assign" or expr.value != "=" or expr.args[0].kind != "name":
                continue
            target, source = expr.args[0].key, canon(expr.args[1])
            if source == key and expr.args[1].key != key:
                found.add(target)
            elif target == key and PATH.match(source) and source != "NULL":
                found.add(source)
    return frozenset(found)


def found_in(function: Function, key: str) -> frozenset[str]:
    """What a walk finds: the results of calls that get its address, and what is read of its fields."""
    found = set()
    for node in function.cfg.order:
        for op, expr in node.events:
            if op != "assign" or expr.value != "=" or expr.args[0].kind != "name":
                continue
            source = expr.args[1]
            handed = source.kind == "call" and any(a.key == f"&{key}" for a in source.args)
            if handed or (source.kind == "field" and source.args[0].key == key):
                found.add(expr.args[0].key)
    return frozenset(found)


def mapped_as(function: Function, names: frozenset[str]) -> frozenset[str]:
    """Where the address of a page that is mapped into the kernel is kept: lvalues, the structures they lie in, and
    pointers that are computed from it.
    """
    found, roots = set(), set()
    for name, rows in function.tables.takes_resource.items():
        for _, call in function.calls.get(name, ()) if any(row.resource == _MAPPING for row in rows) else ():
            target = call_targets(function).get(id(call))
            if target is not None and call.args and canon(call.args[0]) in names:
                found.add(target.key)
                roots.add(target.root)
    return frozenset(found | roots | _computed(function, found)) if found else frozenset()


def _computed(function: Function, bases: set[str]) -> set[str]:
    """The pointers that are only ever set to an address inside what one of `bases` points to."""
    found: set[str] = set()
    while fresh := {
        name
        for name, values in assigned_values(function).items()
        if name not in found | bases and values and all(_inside(value, found | bases) for value in values)
    }:
        found |= fresh
    return found


def _inside(value: Expr, bases: set[str]) -> bool:
    """Whether a value is one of the addresses, or one with an offset."""
    if value.kind == "unary" and value.value == "&" and value.args[0].kind in ("index", "field"):
        value = value.args[0].args[0]
    while value.kind == "binary" and value.value == "+":
        value = value.args[0]
    return value.key in bases


def looks_into(expr: Expr, mapped: frozenset[str]) -> bool:
    """Whether an expression reads or writes through one of the addresses that `mapped_as` found."""
    if expr.kind not in ("field", "index") and (expr.kind, expr.value) != ("unary", "*"):
        return False
    base = expr.args[0].key
    return base in mapped and not any(key.startswith(f"{base}->") for key in mapped)


def zeroes(value: Expr, key: str) -> bool:
    """Whether memory comes as zeroes, or an initialiser names members and not the one that a thing is held by: what it
    leaves out is zero.
    """
    if value.kind == "call" and _ZEROED.search(value.value):
        return True
    named = [set(_WORD.findall(part.value)) for part in value.args if part.kind == "init"]
    whole = value.kind == "init" and len(named) == len(value.args)
    return whole and all(each and each.isdisjoint(_WORD.findall(key)) for each in named)


def copies(function: Function, key: str) -> frozenset[str]:
    """The variables that hold the thing and are set once, to it."""
    made: dict[str, list[str]] = {}
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.args[0].kind == "name":
                made.setdefault(expr.args[0].key, []).append(expr.args[1].key)
    return frozenset({key, *(name for name, values in made.items() if values == [key])})


def looks_up(node: Node) -> bool:
    """Whether what is assigned is another name of something, or comes from a look-up, which takes nothing."""
    values = (expr.args[1] for op, expr in node.events if op == "assign")
    return any(_LOOK_UP.search(value.value) or canon(value) != value.key for value in values)


def handed_out(call: Expr, key: str) -> bool:
    """Whether a call gets the address of an lvalue."""
    return any(arg.kind == "unary" and arg.value == "&" and arg.args[0].key == key for arg in call.args)


def fills_array(function: Function, call: Expr, key: str) -> bool:
    """Whether a call is handed an array to put things into: its body stores into elements of that parameter."""
    places = [i for i, arg in enumerate(call.args) if arg.key == key]
    callee = function.program.resolve(call.value, function.path) if places and call.value else None
    if callee is None or callee is function:
        return False
    params = {callee.params[i] for i in places if i < len(callee.params)}
    stores = (e.args[0] for n in callee.cfg.order for op, e in n.events if op == "assign" and e.value == "=")
    return any(target.kind == "index" and target.args[0].key in params for target in stores)


def wipes(function: Function, call: Expr, key: str) -> bool:
    """Whether a call clears an array of pointers: what these lead to is left alone."""
    array = declared_types(function).get(key, "").endswith("* *")
    return array and call.value == "memset" and call.args[0].key == key


def other_names(function: Function, key: str) -> frozenset[str]:
    """The variables that are copied from or to a plain variable (`pol = counted = lookup()`)."""
    found = set()
    for node in function.cfg.order:
        for op, expr in node.events:
            if op == "assign" and expr.value == "=" and expr.args[0].kind == "name":
                target, source = expr.args[0].key, expr.args[1]
                while source.kind == "assign":
                    source = source.args[0]
                if source.kind == "name" and key in (target, source.key):
                    found |= {target, source.key}
    return frozenset(found - {key})


def put_away(function: Function, call: Expr, key: str) -> bool:
    """Whether an accessor puts a thing into memory: a member of something, or a variable that is not the function's."""
    if len(call.args) != 2 or not _STORES.match(call.value) or canon(call.args[1]) != key:
        return False
    place = call.args[0].args[0] if call.args[0].value == "&" else call.args[0]
    return place.kind != "name" or not (place.value in function.params or place.value in local_names(function))
