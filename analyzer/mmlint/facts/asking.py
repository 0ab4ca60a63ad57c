"""Functions that do nothing but ask: a call of one is a test, too."""

from __future__ import annotations

from mmlint.facts.function import Function, fact

_DEPTH = 2


@fact
def asks(function: Function) -> frozenset[str]:
    """The tests that a function makes which does nothing else; empty for one that changes anything."""
    return _asks(function, _DEPTH)


def _asks(function: Function, depth: int) -> frozenset[str]:
    tables = function.tables
    found: set[str] = set()
    for name in function.calls:
        if name in tables.set_entries or name in tables.wrprotects or name in tables.marks:
            return frozenset()
        if name in tables.guards:
            found.add(name)
        elif depth and name:
            for callee in function.program.named(function.path, name)[:1]:
                if callee is not function:
                    found |= _asks(callee, depth - 1)
    return frozenset(found)
