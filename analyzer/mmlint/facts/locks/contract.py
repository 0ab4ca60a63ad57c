"""By what contract a lock may leave the function that took it: annotation, name, result, storage, caller, twin."""

from __future__ import annotations

import re
from typing import Literal

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.held import Held, Prop, family, local_names, match, root_of, translate
from mmlint.facts.locks.locks import lock_effects, locks
from mmlint.facts.locks.lockwords import may_change_locks, page_table_locks
from mmlint.facts.values import is_negative, is_zero

Outcome = Literal["good", "bad", "unknown"]
Site = tuple[int, str]
"""A taking call: its line and name."""

TAKER = re.compile(r"(?<!un)(?<![bcf])lock|(^|_)(begin|start|enter|acquire|prepare|freeze|disable|suspend)(_|\d|$)")
"""Names of functions that come back with something held."""
_ACQUIRES = re.compile(rb"\b__(cond_)?acquires?(_shared)?\b|\b__cond_lock\b|\b__no_context_analysis\b")
_RELEASES = re.compile(rb"\b__releases?(_shared)?\b|\b__must_hold\b|\b__no_context_analysis\b")
_LOOKS = re.compile(
    r"lockdep_|assert_|spin_is_|rwsem_is_|mutex_is_|VM_BUG|VM_WARN|WARN|BUG|trace_|pr_|mmap_assert|need|spin_need"
)
_ON_FOLIO = re.compile(r"_*(folio|page|Page|Set|Clear|put|get)_?")
_OBJECTS = frozenset({"pte_map", "notifier", "walk"})
"""Kinds whose object many calls get that have nothing to do with holding it."""
_WORD = re.compile(r"[A-Za-z_]\w*")


def outcome(function: Function, value: str | None) -> Outcome:
    """Whether a returned value is a success or a failure, as far as it and the return type say."""
    returns = function.source.returns
    if value is None:
        return "unknown"
    if "*" in returns:
        return "good" if value == "ok" else "bad" if value in ("0", "err", "bad") else "unknown"
    if is_negative(value):
        return "bad"
    if "bool" in returns.split():
        return "bad" if is_zero(value) else "good" if is_zero(value) is False else "unknown"
    if value == "!0":
        return "unknown" if "fault" in returns else "bad"
    return "good" if is_zero(value) is not None or value == ">=0" else "unknown"


def named_taker(function: Function) -> bool:
    """Whether annotation or name say that the function comes back with something held."""
    return _ACQUIRES.search(header(function)) is not None or TAKER.search(function.name) is not None


def annotated_dropper(function: Function) -> bool:
    """Whether its annotations say that the function releases what its caller holds."""
    return _RELEASES.search(header(function)) is not None


@fact
def header(function: Function) -> bytes:
    """The function's text before its body, where the annotations stand."""
    return function.text.split(b"{", 1)[0]


def words(key: str) -> list[str]:
    """The identifiers in a lock's text."""
    return _WORD.findall(key)


def plain_taker(function: Function, name: str) -> bool:
    """Whether a function of the tree takes locks whatever its result, so that it is as good as a known taker."""
    callee = function.program.resolve(name, function.path)
    effects = lock_effects(callee) if callee is not None else ()
    return len(effects) == 1 and not effects[0].uncertain and not effects[0].released


def visible(function: Function, held: Held, exits: list[Node], *, dropped: bool) -> bool:
    """Whether a caller can find the lock through what is returned, stored, or is its own pointer that none drops."""
    if held.key.startswith("&"):
        return False
    names = {root_of(held.key), root_of(held.map)} - {""}
    for node in exits:
        if node.expr is not None and (names & node.expr.names() if node.expr.kind != "call" else _taken_in(node, held)):
            return True
    if not dropped and "->" in held.key and not held.key.startswith("&") and held.kind in ("ptl", "spin", "pte_map"):
        return True
    return bool(names & (stored_away(function) - set(function.params)))


def _taken_in(exit_: Node, held: Held) -> bool:
    """Whether a return hands over what the taking call itself gives: `return pte_offset_map(pmd, addr)`."""
    call = exit_.expr
    return call is not None and held.kind in _OBJECTS and (call.line, call.value) == (held.line, held.name)


def nameless(function: Function, held: Held) -> bool:
    """Whether the lock is known by a local variable of this function only (`ptl`, `&range`)."""
    if held.kind in ("ptl", "walk", "notifier"):
        return held.key.removeprefix("&") in local_names(function)
    return held.kind == "spin" and held.key in page_table_locks(function) & local_names(function)


@fact
def stored_away(function: Function) -> frozenset[str]:
    """Names whose value is stored through a pointer or into a field."""
    found: set[str] = set()
    for node in function.cfg.order:
        if node.expr is None:
            continue
        for expr in node.expr.walk():
            if expr.kind == "assign" and expr.value == "=" and expr.args[0].kind != "name":
                source = expr.args[1]
                if source.kind in ("name", "unary"):
                    found |= source.names()
    return frozenset(found)


def passed_on(function: Function, held: Held) -> bool:
    """Whether the lock itself is handed to a call that is no known taker or dropper: it may be released in there."""
    tables = function.tables
    folio = held.kind == "folio_lock"
    for name, everywhere in function.calls.items():
        if name in tables.takes or name in tables.drops or name in tables.lock_pointers or _LOOKS.match(name):
            continue
        if name in tables.gives_resource and "unlock" not in name:
            continue  # a reference of what the lock lies in
        calls = [each for each in everywhere if _held_there(function, each[1], held)]
        if any(_calls_back(function, call, held) for _, call in calls):
            return True
        if not name and held.kind not in _OBJECTS and any(_given_to_method(call, held) for _, call in calls):
            return True
        if "unlock" in name and any(arg.root == root_of(held.key) for _, call in calls for arg in call.args):
            return True
        if "unlock" in name and calls and _releases_kind(function, name, held):
            return True
        if any(arg.key == held.key for _, call in calls for arg in call.args):
            callee = function.program.resolve(name, function.path) if name else None
            if (
                (callee is None and held.kind not in _OBJECTS)
                or (callee is not None and lock_effects(callee))
                or (folio and not _ON_FOLIO.match(name))
            ):
                return True
    return False


def _given_to_method(call: Expr, held: Held) -> bool:
    """Whether a call by pointer gets the object that the lock lies in: releasing it may be part of the method's job."""
    return "->" in held.key and any(arg.key == root_of(held.key) for arg in call.args)


def _releases_kind(function: Function, name: str, held: Held) -> bool:
    """Whether a callee releases a lock of that kind, by whatever name it knows it."""
    callee = function.program.resolve(name, function.path)
    effects = lock_effects(callee) if callee is not None and callee is not function else ()
    return any(family(h.kind) == family(held.kind) for effect in effects for h in effect.released)


def _held_there(function: Function, call: Expr, held: Held) -> bool:
    """Whether the lock, as this taking call took it, is held in some state at another call."""
    site = (held.line, held.name)
    return any((h.line, h.name) == site for prop in locks(function).at_call.get(id(call), ()) for h in prop)


def _calls_back(function: Function, call: Expr, held: Held) -> bool:
    """Whether the call gets a function of ours with the locked object (`kref_put(&x->ref, release_locked)`)."""
    if root_of(held.key) not in {arg.root for arg in call.args}:
        return False
    own = {*function.params, *local_names(function)}
    names = [arg.value for arg in call.args if arg.kind == "name" and arg.value not in own]
    return any(function.program.resolve(name, function.path) is not None for name in names)


def caller_releases(function: Function) -> bool:
    """Whether a caller gives up what it got from this function."""
    return any(name == function.name for caller in callers(function) for _, name in releases(caller))


def twin_releases(function: Function, held: Held) -> bool:
    """Whether another function of the file releases a lock of this text that it did not take."""
    if not held.key:
        return False
    wanted = (family(held.kind), held.key.lstrip("&"))
    return any(
        wanted in dropped_unheld(other)
        for other in function.program.functions(function.path)
        if other is not function and may_change_locks(other)
    )


@fact
def dropped_unheld(function: Function) -> frozenset[tuple[str, str]]:
    """Kind and text of the locks that the function releases without having taken them."""
    facts = locks(function)
    props = [prop for states in facts.flow.before.values() for prop in states]
    props += [prop for _, prop, _, _ in facts.flow.returns]
    return frozenset((family(h.kind), h.key.lstrip("&")) for prop in props for h in prop if h.gone)


@fact
def releases(function: Function) -> dict[Site, list[Node]]:
    """Where each taking call's lock is given up, by the site of that call."""
    found: dict[Site, list[Node]] = {}
    facts = locks(function)
    for calls in function.calls.values():
        for node, call in calls:
            for prop in facts.at_call.get(id(call), ()):
                for held in given_up(function, call, prop):
                    nodes = found.setdefault((held.line, held.name), [])
                    if node not in nodes:
                        nodes.append(node)
    return found


def given_up(function: Function, call: Expr, prop: Prop) -> list[Held]:
    """The held locks that a call releases or may release."""
    if not any(not held.gone for held in prop):
        return []
    drops = function.tables.drops.get(call.value)
    asked: list[tuple[str, str, str]] = []
    if drops is not None:
        for drop in drops:
            arg = call.args[drop.arg].key if drop.arg is not None and drop.arg < len(call.args) else ""
            mapped = call.args[drop.map_arg].key if drop.map_arg is not None and drop.map_arg < len(call.args) else ""
            asked += [(kind, arg if kind == drop.kind else "", mapped) for kind in drop.kinds]
    elif call.value and call.value not in function.tables.takes:
        callee = function.program.resolve(call.value, function.path)
        if callee is not None and callee is not function:
            asked += [
                (held.kind, translate(held.key, callee, call), "")
                for effect in lock_effects(callee)
                for held in effect.released
            ]
    found = (match(prop, kind, key, mapped) for kind, key, mapped in asked)
    return [held for held in found if held is not None]
