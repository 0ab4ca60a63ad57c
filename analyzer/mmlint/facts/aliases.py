"""The variables that stand for one thing: what a function returns, other names of a page, what a walk finds."""

from __future__ import annotations

from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.things import PATH


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
