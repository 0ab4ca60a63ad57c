"""What a caller can notice of a function, without line numbers: equal summaries mean that callers need no second look."""

from __future__ import annotations

from collections.abc import Hashable

from mmlint.facts.function import Function, fact
from mmlint.facts.locks import lock_effects
from mmlint.facts.sleep import sleepers


@fact
def summary(function: Function) -> Hashable:
    """A comparable value of everything that callers' analyses read of this function."""
    sleeping = frozenset((s.name, s.gfp_param, s.requires, s.large) for s in sleepers(function))
    locking = frozenset(
        (frozenset(h._replace(line=0) for h in e.taken), frozenset(h._replace(line=0) for h in e.released), e.value)
        for e in lock_effects(function)
    )
    return (sleeping, locking)
