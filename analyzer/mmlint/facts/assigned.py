"""What an assignment, or a call that may write through its arguments, leaves of the facts on a path."""

from __future__ import annotations

import re
from functools import lru_cache

from mmlint.facts.ir import Expr
from mmlint.facts.remembered import ALIAS, stands_for
from mmlint.facts.values import Facts, renamed, with_fact, without

_WORD = re.compile(r"[A-Za-z_]\w*")
_FIELD = re.compile(r"->(\w+)")


@lru_cache(maxsize=65536)
def mentioned(key: str) -> frozenset[str]:
    """The words in a key: what an assignment must hit to make the fact stale."""
    return frozenset(_WORD.findall(key))


@lru_cache(maxsize=65536)
def _fields(key: str) -> frozenset[str]:
    """The field names in a key."""
    return frozenset(_FIELD.findall(key))


def assign(facts: Facts, target: Expr, value: str | None) -> Facts:
    """Facts after `target = value`."""
    if facts:
        facts = without(facts, _stale(facts, target))
    if value is not None and (target.kind in ("name", "field") or target.kind == "unary"):
        facts = with_fact(facts, target.key, value)
    return facts


def _stale(facts: Facts, target: Expr) -> list[str]:
    """The keys of facts that an assignment to `target` makes stale."""
    word = target.value
    if target.kind == "name":
        return [k for k in facts if word in (mentioned(k) if k[0] != ALIAS else mentioned(_text(k, facts)))]
    if target.kind == "field":
        return [k for k in facts if word in (_fields(k) if k[0] != ALIAS else _fields(_text(k, facts)))]
    root = target.root
    return [k for k in facts if k != root and root in mentioned(_text(k, facts))]


def touch(facts: Facts, argument: Expr) -> Facts:
    """Facts after `argument` was passed to a function that may write through it."""
    if not facts:
        return facts
    if argument.kind == "unary" and argument.value == "&":
        return assign(facts, argument.args[0], None)
    if argument.kind == "name":
        word = argument.value
        named = [k for k in facts if k != word and word in mentioned(_text(k, facts) if k[0] == ALIAS else k)]
        if not named:
            return facts
        texts = ((k, _text(k, facts)) for k in named)
        return without(facts, [k for k, t in texts if ("->" in t or t.startswith("*")) and "(" not in t])
    return facts


def _text(key: str, facts: Facts) -> str:
    """What a fact is about: its key, and the condition that a boolean stands for."""
    return f"{key} {facts[key]}" if key.startswith(ALIAS) else key


def remember(facts: Facts, target: Expr, source: Expr) -> Facts:
    """Facts after a boolean was given a condition whose outcome is not known, or a variable what another holds: the one
    is known with the other.
    """
    condition = stands_for(source)
    if condition is None or target.kind != "name" or target.value in mentioned(condition):
        return facts
    for key in [k for k in facts if "(" in k and condition in mentioned(k)] if source.kind == "name" else ():
        facts = with_fact(facts, renamed(key, condition, target.value), facts[key])
    return with_fact(facts, f"{ALIAS}{target.value}", condition)
