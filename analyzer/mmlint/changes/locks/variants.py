"""Lock calls that a patch spells wrong: a release that does not fit the taking call, a trylock without a look at it."""

from __future__ import annotations

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import match
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass

_SPINS = frozenset({"spin", "raw_spin", "ptl"})
_MODES = frozenset({"irq", "irqsave", "bh", ""})


@dataclass(frozen=True, slots=True)
class Variant:
    """A release at `call` of what `taken` takes in line `line`, which saves (or does not save) other state."""

    call: Expr
    taken: str
    line: int


def unused_trylocks(change: FunctionChange) -> list[Expr]:
    """The trylocks whose result nothing looks at since the patch."""
    compared = comparison(change)
    if compared is None:
        return []
    takes = compared.after.tables.takes
    return [
        act.expr
        for act in compared.new
        if act.use == "bare"
        and any(take.when == "nonzero" and "trylock" in take.name for take in takes.get(act.word, ()))
        and (old := compared.sources.get(id(act))) is not None
        and old.use != "bare"
    ]


def wrong_variants(change: FunctionChange) -> list[Variant]:
    """The releases that do not fit their taking call after the patch, where all of that lock fitted before."""
    if change.before is None or change.after is None or not lock_tokens(change.after):
        return []
    old = {(found.call.value, found.taken) for found in _misfits(change.before)}
    return [found for found in _misfits(change.after) if (found.call.value, found.taken) not in old]


def _misfits(function: Function) -> list[Variant]:
    facts = locks(function)
    found: dict[int, Variant] = {}
    for name, calls in function.calls.items():
        drops = [d for d in function.tables.drops.get(name, ()) if d.kind in _SPINS and d.arg is not None]
        for _, call in calls if drops and not facts.flow.overflow else ():
            for prop in facts.held(call):
                drop = drops[0]
                key = call.args[drop.arg].key if drop.arg is not None and drop.arg < len(call.args) else ""
                held = match(prop, drop.kind, key, "")
                takes = function.tables.takes.get(held.name, ()) if held is not None and held.key == key else ()
                modes = {take.mode for take in takes}
                if held is not None and modes and modes <= _MODES and drop.mode in _MODES and drop.mode not in modes:
                    found.setdefault(id(call), Variant(call, held.name, held.line))
    return list(found.values())
