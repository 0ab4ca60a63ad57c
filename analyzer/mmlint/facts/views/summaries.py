"""What a caller can notice of a function, without line numbers: where it is equal, callers need no second look."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from mmlint.facts.function import Function, fact
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import lock_effects
from mmlint.facts.locks.sleep import sleepers
from mmlint.facts.needs import GUESS
from mmlint.facts.owners.resources import acquired


@fact
def summary(function: Function) -> tuple[tuple[Hashable, ...], ...]:
    """A comparable value of what callers read of this function; its parts are empty for nothing."""
    known = (s for s in sleepers(function) if GUESS not in s.requires and not s.unlocked)
    sleeping = tuple(sorted({(s.name, s.gfp_param or -1, s.requires, s.large) for s in known}))
    locking = tuple(
        sorted(
            {
                (_anywhere(effect.taken), _anywhere(effect.released), effect.value or "")
                for effect in lock_effects(function)
            }
        )
    )
    handing = tuple((row.resource, row.holder, row.when) for row in acquired(function))
    return (sleeping, locking, handing)


def _anywhere(held: Iterable[Held]) -> tuple[Held, ...]:
    return tuple(sorted({h._replace(line=0) for h in held}))
