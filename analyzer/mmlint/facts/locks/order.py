"""Locks taken against mm's documented order (the ranks of `kernel/locks.toml`, from the comment in mm/rmap.c)."""

from __future__ import annotations

from mmlint.facts.assignments import assigned_values
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks import contract
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import lock_tokens
from mmlint.frozen import dataclass

_HUGETLB = "huge"


@dataclass(frozen=True, slots=True)
class Inversion:
    """A blocking taking of a lock of `kind` at `call` while `held`, which comes later in the order, is held."""

    call: Expr
    kind: str
    held: Held


def of_hugetlb(function: Function) -> bool:
    """Whether a function calls helpers of hugetlb: its locks have an order and lockdep classes of their own."""
    return any(_HUGETLB in word for word in function.calls)


@fact
def inversions(function: Function) -> tuple[Inversion, ...]:
    """The first inversion for each pair of kinds; none in hugetlb code, which has an order of its own."""
    if not lock_tokens(function):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated or of_hugetlb(function):
        return ()
    kinds = function.tables.kinds
    found: dict[tuple[str, str], Inversion] = {}
    for name, calls in function.calls.items():
        for take in function.tables.takes.get(name, ()):
            kind = kinds.get(take.kind)
            if kind is None or not kind.rank or take.mode == "try" or not take.sleeps:
                continue
            for _, call in calls:
                states = facts.held(call)
                always = [h for h in (states[0] if states else ()) if not h.gone and all(h in prop for prop in states)]
                later = [
                    h for h in always if h.kind in kinds and kinds[h.kind].rank > kind.rank and not kinds[h.kind].atomic
                ]
                if later:
                    found.setdefault((take.kind, later[0].kind), Inversion(call, take.kind, later[0]))
    return tuple(found.values())


@fact
def nested_folio_locks(function: Function) -> tuple[Inversion, ...]:
    """Blocking takings of a folio lock under another one; none in functions whose very job is to lock several."""
    table = function.tables.takes
    if not any(row.kind == "folio_lock" for name in table.keys() & function.words for row in table[name]):
        return ()
    facts = locks(function)
    if facts.flow.overflow or function.cfg.truncated or contract.named_taker(function) or of_hugetlb(function):
        return ()
    found = []
    for name, calls in function.calls.items():
        takes = [
            t for t in function.tables.takes.get(name, ()) if t.kind == "folio_lock" and t.arg == 0 and t.mode != "try"
        ]
        for _, call in calls if takes else ():
            states = facts.held(call)
            others = [h for h in (states[0] if states else ()) if h.kind == "folio_lock" and not h.gone and h.key]
            own = _spellings(function, call.args[0])
            others = [h for h in others if h.key not in own and all(h in prop for prop in states)]
            if others and not _allocated(function, call.args[0].root):
                found.append(Inversion(call, "folio_lock", others[0]))
    return tuple(found)


def _spellings(function: Function, folio: Expr) -> set[str]:
    """The variables by which a folio is known: it is the one that it was made from by `page_folio`."""
    return {folio.key, canon(folio), *(canon(value) for value in assigned_values(function).get(folio.key, ()))}


def _allocated(function: Function, name: str) -> bool:
    """Whether the variable gets a new folio in this function: nobody else can hold its lock."""
    calls = {id(call): call for each in function.calls.values() for _, call in each}
    targets = call_targets(function)
    return any(target.root == name and "alloc" in calls[key].value for key, target in targets.items() if key in calls)
