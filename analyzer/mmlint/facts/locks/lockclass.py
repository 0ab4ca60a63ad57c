"""Locks by their class, as lockdep has it: the member of which structure, whichever object it lies in."""

from __future__ import annotations

import re

from mmlint.facts.function import Function, fact
from mmlint.facts.locks.held import declared_types

_MEMBER = re.compile(r"&?(\w+)->(\w+)$")
_NAMES = re.compile(r"\b(?:struct|const|volatile)\b|[*\s]")
_DEPTH = 4
"""How far down the calls of a function are followed."""


def class_of(function: Function, key: str) -> tuple[str, str] | None:
    """(structure, member) of a lock that is a direct member of what a parameter or local points to; else None."""
    member = _MEMBER.match(key)
    kind = _types(function).get(member[1]) if member else None
    return (kind, member[2]) if member and kind else None


@fact
def _types(function: Function) -> dict[str, str]:
    """The structures that parameters and locals point to, by name."""
    return {name: _NAMES.sub("", text) for name, text in declared_types(function).items() if "struct" in text}


def takes_class(function: Function, name: str, wanted: tuple[str, str]) -> bool:
    """Whether what `function` calls by `name`, or what that calls in its folder, takes a lock of the class."""
    folder, seen, work = _folder(function), {function}, [(function, name)]
    for _ in range(_DEPTH):
        callees = {f for caller, called in work if (f := caller.program.resolve(called, caller.path)) is not None}
        near = [f for f in callees - seen if _folder(f) == folder]
        if any(takes_itself(f, wanted) for f in near):
            return True
        seen |= callees
        work = [(f, called) for f in near for called in f.calls if called]
    return False


def _folder(function: Function) -> str:
    return function.path.rpartition("/")[0]


def takes_itself(function: Function, wanted: tuple[str, str]) -> bool:
    """Whether a call in the function itself takes a lock of the class, and waits for it."""
    rows = function.tables.takes
    for name in rows.keys() & function.calls.keys():
        places = [row.arg for row in rows[name] if row.arg is not None and row.mode not in ("try", "read")]
        for _, call in function.calls[name]:
            if any(i < len(call.args) and class_of(function, call.args[i].key) == wanted for i in places):
                return True
    return False
