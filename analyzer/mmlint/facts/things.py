"""The things that a function takes or gives up: which lvalue, and what it holds."""

from __future__ import annotations

import re
from typing import NamedTuple

from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.consumed import receiver
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon, held_at
from mmlint.facts.ir import Expr
from mmlint.facts.reach import reach
from mmlint.kernel.rows import Taking

_GIVES = re.compile(r"(^|_)(put|unpin|release|deref|unref|destroy)(_|s?$)|_drop$")
_FREES = re.compile(r"free|(?<!runtime_)put|destroy|unref|drop")
"""Names of calls after which an object may be gone; `pm_runtime_put` only lets its device sleep."""
_PAGE_OF = frozenset({"virt_to_page", "virt_to_folio"})
_NOT_GIVES = re.compile(
    r"lock|put_(user|unaligned|cpu)|skb_put|(in|out|fifo_)put|drop_(nlink|pages|slab)|(^|_)(needs?|is|has|can|should|may|want)_"
)
_PAGES = dict.fromkeys(("folio reference", "page pin", "GUP page reference", "isolated folio"), "page")
_PAGES |= dict.fromkeys(("memcg reference", "css reference"), "css reference")
_NOT_THINGS = frozenset({"folio lock", "notifier range", "mmu gather", "LRU cache disable"})
"""Resources that are locks and sections: their balance is that of the lock facts."""
COUNTED = re.compile(r"page$|mm users$|(reference|users)$|(^|_)(put|deref|unref)(_|$)|_release$")
"""Kinds of things that may be gone with the release; a mapping's page, say, is still there behind the unmapping."""
WALK = "page-table walk"
"""A section, too; but what was found in it must not be used behind it without a reference."""
PATH = re.compile(r"\*?[A-Za-z_]\w*((->|\.)\w+|\[\w+\])*$")


def kind_of(resource: str) -> str:
    """The kind of thing that a resource of the tables makes: references, pins and isolation of pages are one."""
    return _PAGES.get(resource, resource)


class Thing(NamedTuple):
    """An lvalue and what it holds: "page" (a reference or pin), another resource of the tables, or, where only the
    name of the releasing call tells of it, that name.
    """

    key: str
    kind: str


@fact
def things(function: Function) -> dict[Thing, list[tuple[Node, Expr]]]:
    """The things that the function gives up, with the calls that do; and what it takes for others to give up."""
    found: dict[Thing, list[tuple[Node, Expr]]] = {}
    for name, calls in function.calls.items():
        for node, call in calls:
            for thing in given(function, name, call):
                found.setdefault(thing, []).append((node, call))
            for row in function.tables.takes_resource.get(name, ()):
                key = holder_of(function, call, row)
                if (
                    not row.holder.startswith("arg")
                    and PATH.match(key)
                    and COUNTED.search(kind := kind_of(row.resource))
                ):
                    found.setdefault(Thing(key, kind), [])
    return found


def perishes(function: Function, kind: str) -> bool:
    """Whether things of the kind may be gone with the release.

    A call that is named after a release of another thing (`mmu_notifier_release(mm)`) frees nothing in its body.
    """
    if COUNTED.search(kind) is None:
        return False
    callee = function.program.resolve(kind, function.path) if kind in function.calls else None
    return callee is None or any(
        _FREES.search(name) and any(_handed(callee, arg.root) for _, call in calls for arg in call.args)
        for name, calls in callee.calls.items()
    )


def _handed(function: Function, name: str) -> bool:
    """Whether a variable is a parameter, or the page that one is the address of."""
    values = assigned_values(function).get(name, ())
    found = (canon(v.args[0]) if v.value in _PAGE_OF and v.args else canon(v) for v in values)
    return name in function.params or any(key in function.params for key in found)


def holder_of(function: Function, call: Expr, row: Taking) -> str:
    """Where what a call takes is kept: the lvalue, or nothing."""
    if row.holder == "result":
        return held_at(call, row.holder, call_targets(function).get(id(call)))
    return _argument(call, row.holder)


def given(function: Function, name: str, call: Expr) -> set[Thing]:
    """The things that one call gives up."""
    rows = function.tables.gives_resource.get(name)
    if rows is not None:
        sure = (r for r in rows if r.when == "always" or r.resource != WALK)
        found = {Thing(_argument(call, r.holder), kind_of(r.resource)) for r in sure}
        return {thing for thing in found if thing.key and thing.kind not in _NOT_THINGS}
    if (
        not call.args
        or name in function.tables.drops
        or name in function.tables.takes
        or name in function.tables.guards
    ):
        return set()
    verb = _GIVES.search(name)
    if verb is None or _NOT_GIVES.search(name) or _gives_a_part(function, name, verb.start()):
        return set()
    if verb[2] == "put" and len(call.args) > 1 and _puts_into(function, name):
        return set()
    noun = name[verb.end() :].strip("_")
    nouns = f"{noun}|{noun.rpartition('_')[2]}"
    named = (plain(arg) for arg in call.args[1:] if noun and re.search(rf"(^|_|>)({nouns})$", arg.key))
    key = next(named, "") or _pinned_by(function, name, call) or plain(call.args[0])
    return {Thing(key, name)} if key else set()


def _puts_into(function: Function, name: str) -> bool:
    """Whether a put is one into something: the body links what it is given into the first, and gives nothing up."""
    callee = function.program.resolve(name, function.path)
    return callee is not None and not any(_FREES.search(each) for each in callee.calls) and _links(callee)


@fact
def _links(function: Function) -> bool:
    first, others = function.params[:1], function.params[1:]
    stores = (e.args for n in function.cfg.order for op, e in n.events if op == "assign")
    return any(to.kind == "field" and to.root in first and value.root in others for to, value in stores)


def _pinned_by(function: Function, name: str, call: Expr) -> str:
    """The argument of an unpin that keeps what the pin of the same name found (`va = pin_page(kvm, gpa)`)."""
    targets = call_targets(function)
    pins = function.calls.get(name.replace("unpin", "pin"), ()) if "unpin" in name else ()
    found = {plain(targets[id(pin)]) for _, pin in pins if id(pin) in targets}
    return next((key for arg in call.args if (key := plain(arg)) in found and key), "")


def _gives_a_part(function: Function, name: str, verb: int) -> bool:
    """Whether a release is of something of the object: `mem_cgroup_id_put` beside `mem_cgroup_put`."""
    whole = name[:verb].rpartition("_")[0] + name[verb:]
    return bool(name[:verb]) and whole in function.tables.gives_resource


def argument(call: Expr, holder: str) -> Expr | None:
    """The argument that a holder of the tables names (`arg:N`, `*arg:N`), or None."""
    index = holder.rpartition("arg:")[2].partition("->")[0]
    return call.args[int(index)] if index.isdigit() and int(index) < len(call.args) else None


def _argument(call: Expr, holder: str) -> str:
    return _lvalue(held_at(call, holder, None)) if argument(call, holder) is not None else ""


def plain(expr: Expr) -> str:
    """The lvalue behind an argument, elements of an array as the array; empty for what has no name."""
    return _lvalue(canon(expr))


def _lvalue(key: str) -> str:
    key = key.removeprefix("&").split(" + ")[0].split("[")[0]
    return key if PATH.match(key) and key not in ("NULL", "0", "1") else ""


def counts(function: Function, call: Expr) -> bool:
    """Whether a call takes or gives up a number of references of one thing (`folio_put_refs`): not just one of them."""
    rows = function.tables.gives_resource.get(call.value) or function.tables.takes_resource.get(call.value, ())
    numbers = (argument(call, row.nr) for row in rows if row.nr and not row.holder.startswith("*"))
    return any(number is not None and number.key != "1" for number in numbers)


def number_given(function: Function, call: Expr) -> Expr | None:
    """The argument by which a call is told how many references of one thing to give up."""
    rows = function.tables.gives_resource.get(call.value, ())
    numbers = (argument(call, row.nr) for row in rows if row.nr and not row.holder.startswith("*"))
    return next((number for number in numbers if number is not None), None)


def elements_given(function: Function, call: Expr, array: str) -> bool:
    """Whether an array is handed to a function that gives up its elements."""
    callee, names = receiver(function, call, array)
    if callee is None or call.value in function.tables.gives_resource:
        return False
    given_up = {
        thing.key
        for thing, calls in things(callee).items()
        if thing.kind == "page" and any("[" in arg.key for _, each in calls for arg in each.args)
    }
    return not names.isdisjoint(given_up)


def given_inside(function: Function, call: Expr, thing: Thing) -> bool:
    """Whether a thing is handed to a function of the same file that gives it up on every way through: one reference
    and no number of them, which would be those of a cache or a batch.
    """
    callee, names = receiver(function, call, thing.key)
    if callee is None or callee.path != function.path:
        return False
    return call.value not in function.tables.gives_resource and any(
        releases
        and not any(counts(callee, release) for _, release in releases)
        and reach(callee).meets(callee.cfg.entry, [node for node, _ in releases])
        for each, releases in things(callee).items()
        if each.kind == thing.kind and each.key in names
    )
