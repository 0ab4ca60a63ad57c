"""References of a percpu_ref taken for granted where nothing says that the object is not being taken down.

`percpu_ref_get` is for those who hold a reference. Whether a caller does is not to be seen in most functions; what is
looked for are places that say themselves that nobody need hold one: the object was just found by a look-up, it was
reached from a page whose own count is only being raised, or the reference was killed before.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.owners.counthooks import kind_looks
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

_RESOURCE = "percpu reference"
_READ_SIDE = frozenset({"rcu", "preempt", "srcu"})
_PAGEMAP = ("pgmap", "page_pgmap")


@dataclass(frozen=True, slots=True)
class Unlive:
    """A get of a reference that may be dead: `why` is found, page or killed, `source` where that is seen."""

    call: Expr
    why: str
    source: Expr


@fact
def unlive_gets(function: Function) -> tuple[Unlive, ...]:
    """The gets of a percpu reference that nothing makes safe."""
    gets = [pair for name in sorted(_takers(function, "always")) for pair in function.calls.get(name, ())]
    if not gets:
        return ()
    tries = [pair for name in sorted(_takers(function, "nonzero")) for pair in function.calls.get(name, ())]
    order = reach(function)
    found = []
    for node, call in gets:
        if not call.args or any(order.before(at, node) for at, each in tries if _same(each, call)):
            continue
        sources = (*_killed(function, node, call), *_reached_by_page(function, call), *_found(function, node, call))
        found += [Unlive(call, why, source) for why, source in sources[:1]]
    return tuple(sorted(found, key=lambda each: each.call.line))


def _takers(function: Function, when: str) -> set[str]:
    rows = function.tables.takes_resource
    names = function.words.intersection(rows)
    return {name for name in names for row in rows[name] if row.resource == _RESOURCE and row.when == when}


def _same(a: Expr, b: Expr) -> bool:
    return bool(a.args and b.args) and canon(a.args[0]) == canon(b.args[0])


def _killed(function: Function, node: Node, call: Expr) -> Iterator[tuple[str, Expr]]:
    """The kill of the same reference that stands before on every way, with no revival in between."""
    order = reach(function)
    rows = function.tables.teardowns.items()
    kills, revivals = ({name for name, row in rows if row.what == what} for what in ("kill", "revive"))
    revived = [at for calls in function.calls_of(revivals).values() for at, _ in calls]
    for calls in function.calls_of(kills).values():
        for at, kill in calls:
            if _same(kill, call) and order.dominates(at, node) and not any(order.before(r, node) for r in revived):
                yield "killed", kill


def _reached_by_page(function: Function, call: Expr) -> Iterator[tuple[str, Expr]]:
    """The count of the page through which the pagemap is reached, raised here without it."""
    if any(word in call.args[0].key for word in _PAGEMAP):
        looks = [look for look in kind_looks(function) if look.test.args]
        if any(call.args[0].key.find(look.test.args[0].key) >= 0 for look in looks):
            yield "page", looks[0].test


def _found(function: Function, node: Node, call: Expr) -> Iterator[tuple[str, Expr]]:
    """The look-up that gave the object whose reference is taken, where only a read side is held since."""
    owner = call.args[0].args[0] if call.args[0].kind == "unary" and call.args[0].value == "&" else call.args[0]
    if owner.kind != "field" or _kept(function, call):
        return
    key, order = owner.args[0].key, reach(function)
    for at in order.order:
        for op, expr in at.events:
            if op == "assign" and expr.args[0].key == key and order.before(at, node):
                lookup = next((c for c in expr.args[1].calls() if c.value in function.tables.lookups), None)
                if lookup is not None and not _kept(function, lookup):
                    yield "found", lookup


def _kept(function: Function, call: Expr) -> bool:
    """Whether a lock is held at a call that may keep the object: any but the read sides."""
    return any(held.kind not in _READ_SIDE for held in locks(function).held_at(call))
