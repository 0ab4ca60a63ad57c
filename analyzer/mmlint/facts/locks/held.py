"""The names of locks: what is held, under which text, and how a callee's text reads in its caller."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.values import is_negative, is_zero

_LOOSE = {"ptl": "spin", "raw_spin": "spin", "vma_lock": "vma_lock"}
CONTEXTS = frozenset(
    {"rcu", "preempt", "irq", "bh", "kmap", "kmap_atomic", "pte_map", "lazy_mmu", "pagefault_off", "migrate"}
)
RESULT = "@"
"""Stands for the function's result in the key of a lock that it returns with."""
INNER = "~"
"""Begins the key of a lock that a callee releases by the name of a local of its own."""


class Held(NamedTuple):
    """A lock held, or (`gone`) a lock of the caller that was released here. `key` names the lock, `map` the mapping."""

    kind: str
    key: str
    line: int
    name: str
    map: str = ""
    gone: bool = False


Prop = frozenset[Held]
NOTHING: Prop = frozenset()


class Effect(NamedTuple):
    """What one way through a callee does to its caller's locks: taken and released, and its result there.

    `given`: parameters, by index, with the value that they had on this way.
    """

    taken: frozenset[Held]
    released: frozenset[Held]
    value: str | None
    uncertain: bool = False
    given: tuple[tuple[int, str], ...] = ()


def retake(prop: Prop, held: Held) -> Prop:
    """The property with a lock taken: one of the caller's that had been released is then the caller's again."""
    for gone in sorted(prop):
        if gone.gone and family(gone.kind) == family(held.kind) and (held.kind in CONTEXTS or gone.key == held.key):
            return prop - {gone}
    return prop | {held}


_LRU_LOCK = re.compile(r"&(.+)->lru_lock$")


def classed(kind: str, key: str) -> tuple[str, str]:
    """Kind and key of a spinlock by what it is the lock of: `&lruvec->lru_lock` is that of `lruvec`."""
    lruvec = _LRU_LOCK.match(key) if kind == "spin" else None
    return ("lru_lock", lruvec[1]) if lruvec is not None else (kind, key)


def pointee(expr: Expr) -> str:
    """The text of what a pointer expression points to."""
    if expr.kind == "unary" and expr.value == "&":
        return expr.args[0].key
    return f"*{expr.key}"


def family(kind: str) -> str:
    """The kind under which takers and droppers of one lock meet."""
    return _LOOSE.get(kind, kind)


def match(prop: Prop, kind: str, key: str, mapped: str) -> Held | None:
    """The held lock that a release of `key` means: the same name, the mapping's, or the only one of its kind."""
    mine = [h for h in prop if not h.gone and family(h.kind) == family(kind)]
    for held in sorted(mine, key=lambda h: -h.line):
        if held.key == key and (key or not held.map):
            return held
    for held in mine:
        if mapped and held.map and (held.map == mapped or _same_pointer(held.map, mapped)):
            return held
    if kind in CONTEXTS or kind in ("ptl", "walk", "mmap_lock", "lru_lock") or family(kind) == "spin":
        candidates = [h for h in mine if h.kind == kind] or (
            [h for h in mine if "ptl" in (h.kind, kind)] if len(mine) == 1 else []
        )
        if candidates and (kind != "spin" or len(mine) == 1):
            return max(candidates, key=lambda h: h.line)
    return None


def _same_pointer(a: str, b: str) -> bool:
    return a.split(" ")[0].strip("(") == b.split(" ")[0].strip("(")


_WORD = re.compile(r"[A-Za-z_]\w*")


def translate(key: str, callee: Function, call: Expr) -> str:
    """A callee's lvalue in terms of its caller's arguments; a name of the callee's own stays recognisable as such."""
    params = callee.params
    if key.startswith(INNER):
        return key
    if key in params and params.index(key) < len(call.args):
        return call.args[params.index(key)].key

    def swap(match_: re.Match[str]) -> str:
        word = match_.group(0)
        if match_.start() >= 2 and key[match_.start() - 2 : match_.start()] == "->":
            return word
        if word in params and params.index(word) < len(call.args):
            return call.args[params.index(word)].key
        return word

    swapped = _WORD.sub(swap, key)
    if swapped.startswith("*&"):
        swapped = swapped[2:]
    of_object = swapped.startswith("&&") or (swapped.startswith("&") and not key.startswith("&"))
    return swapped.replace("&", "", 1) if of_object and "->" in swapped else swapped


def visible_to_callers(function: Function, held: Held) -> bool:
    """Whether a lock's name starts from a parameter or a global."""
    root = root_of(held.key)
    return bool(root) and not held.key.startswith(INNER) and root not in local_names(function)


def naming(function: Function, names: Collection[str], key: str) -> list[tuple[Node, Expr]]:
    """The calls of these names that are handed a lock, by its text, with their nodes."""
    return [
        (node, call)
        for name, calls in function.calls.items()
        if name in names
        for node, call in calls
        if any(canon(arg).removeprefix("&") == key.removeprefix("&") for arg in call.args)
    ]


def root_of(key: str) -> str:
    """The first identifier of a lock's text."""
    found = _WORD.search(key)
    return found.group(0) if found is not None else ""


def handed_out(node: Node, held: Held) -> Held:
    """The lock, named by the result if it is that of what is returned there (`return hb` with `hb->lock` held)."""
    result = node.expr
    if node.kind != "return" or result is None or result.kind != "name":
        return held
    if held.key == result.value:
        return held._replace(key=RESULT)
    key = re.sub(rf"^&?{re.escape(result.value)}(?=->)", lambda m: m.group(0).replace(result.value, RESULT), held.key)
    return held if key == held.key else held._replace(key=key)


@fact
def local_names(function: Function) -> frozenset[str]:
    """The local variables."""
    return frozenset(node.name for node in function.cfg.nodes if node.kind == "decl")


@fact
def declared_types(function: Function) -> dict[str, str]:
    """The types of the parameters and local variables, by name, in one spelling: `struct page *`, `pte_t * *`."""
    found = {param.name: param.type_text for param in function.source.params if param.name}
    found |= {node.name: node.type for node in function.cfg.nodes if node.kind == "decl"}
    return {name: " ".join(text.replace("*", " * ").split()) for name, text in found.items()}


def result_class(value: str | None) -> str | None:
    """A returned value as callers can tell it from others: zero, negative, positive, an error pointer and so on."""
    if value is None:
        return None
    return (
        value
        if value in ("0", "ok", "err", "<0", ">0", "!0", "bad", ">=0", "<=0")
        else ("<0" if is_negative(value) else ">0" if is_zero(value) is False else value)
    )
