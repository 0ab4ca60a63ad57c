"""References that a mapping takes over, and that a function comes to give up all the same.

Whoever enters a page into the reverse map passes on the reference that it holds, unless it has taken one for that.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import canon
from mmlint.facts.ir import Expr
from mmlint.facts.owners.aliases import same_thing
from mmlint.facts.steps import Act, performed
from mmlint.facts.things import Thing, kind_of, things
from mmlint.frozen import dataclass

_PAGE = "page"
_DEPTH = 2
"""How many calls down the reverse map is looked for."""


@dataclass(frozen=True, slots=True)
class PutMapped:
    """`release` (of after) gives up `thing`, of which `mapping` passed the reference on."""

    thing: Thing
    mapping: Act
    release: Node
    call: Expr


def put_mapped(change: FunctionChange) -> list[PutMapped]:
    """The releases that control comes to behind a mapping now, and came to none before."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    found = []
    for thing, mapping, then in _mapped(compared, compared.after):
        was, now = _reached(compared.before, mapping, thing), _reached(compared.after, then, thing)
        if now and not was:
            found.append(PutMapped(thing, then, *now[0]))
    return found[:1]


def spared(change: FunctionChange) -> frozenset[str]:
    """The pages that a patch ceases to put behind their mapping: the release was one too many."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return frozenset()
    return frozenset(
        thing.key
        for thing, mapping, then in _mapped(compared, compared.before)
        if _reached(compared.before, mapping, thing) and not _reached(compared.after, then, thing)
    )


def _mapped(compared: Comparison, side: Function) -> Iterator[tuple[Thing, Act, Act]]:
    """The pages that one side puts somewhere, with the calls of both sides that enter them into the reverse map."""
    for thing, calls in things(side).items():
        if thing.kind != _PAGE or not calls or _gets(side, thing.key):
            continue
        names = same_thing(side, thing.key)
        for act in compared.old:
            now = compared.pairs.get(id(act))
            if now is None or now.word != act.word or act.expr.kind != "call":
                continue
            if _maps(side, (act if side is compared.before else now).expr, names):
                yield thing, act, now


def _maps(function: Function, call: Expr, names: frozenset[str]) -> bool:
    """Whether a call enters the page into the reverse map, and takes no reference of it for that."""
    places = [i for i, arg in enumerate(call.args) if canon(arg) in names]
    if not places or not call.value:
        return False
    if call.value in _rmap(function):
        return 0 in places
    callee = function.program.resolve(call.value, function.path)
    return callee is not None and callee is not function and not mapping_params(callee).isdisjoint(places)


@fact
def mapping_params(function: Function) -> frozenset[int]:
    """The parameters of which a function passes the caller's reference to a mapping."""
    return _mapping_params(function, _DEPTH)


def _mapping_params(function: Function, depth: int) -> frozenset[int]:
    if performed(function).isdisjoint(_rmap(function)) or function.source.damaged or function.cfg.truncated:
        return frozenset()
    calls = [call for name in _rmap(function).intersection(function.calls) for _, call in function.calls[name]]
    mapped = {canon(call.args[0]) for call in calls if call.args}
    for name in function.calls if depth > 1 and not mapped else ():
        callee = next((f for f in function.program.named(function.path, name) if f is not function), None)
        inner = _mapping_params(callee, depth - 1) if callee is not None else frozenset()
        mapped |= {canon(call.args[i]) for _, call in function.calls[name] for i in inner if i < len(call.args)}
    found = {i for i, name in enumerate(function.params) if name and not mapped.isdisjoint(same_thing(function, name))}
    return frozenset(i for i in found if not _gets(function, function.params[i]))


def _rmap(function: Function) -> frozenset[str]:
    row = function.tables.steps.by_name.get("rmap-added")
    return frozenset(row.calls) if row is not None else frozenset()


def _gets(function: Function, key: str) -> bool:
    """Whether the function takes one more reference of the page; the further ones of a large folio do not count."""
    names, rows = same_thing(function, key), function.tables.takes_resource
    return any(
        kind_of(row.resource) == _PAGE
        and row.holder.startswith("arg")
        and not row.nr
        and any(canon(arg) in names for arg in call.args)
        for name in rows.keys() & function.calls.keys()
        for row in rows[name]
        for _, call in function.calls[name]
    )


def _reached(function: Function, mapping: Act, thing: Thing) -> list[tuple[Node, Expr]]:
    """The releases that control comes to behind a mapping that did not fail, while the thing has its name."""
    releases = {node.id: (node, call) for node, call in things(function).get(thing, ())}
    found, seen, work = [], {mapping.node.id}, _on(mapping, mapping.node)
    while work:
        node = work.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        if node.id in releases:
            found.append(releases[node.id])
        elif not (node.sets(thing.key) or _iterates(node, thing.key)):
            work += _on(mapping, node)
    return sorted(found, key=lambda each: each[0].line)


def _iterates(node: Node, key: str) -> bool:
    return node.kind == "iter" and node.expr is not None and any(arg.key == key for arg in node.expr.args)


def _on(mapping: Act, node: Node) -> list[Node]:
    """Where control goes on from a node; of a test of the mapping's result only where that was none."""
    fails = _fails(node.expr) if node in mapping.tests and node.expr is not None else None
    return [target for target, label in node.succ if fails is None or label is not fails]


def _fails(test: Expr) -> bool:
    """The outcome of a test of a status that means failure."""
    if test.kind == "unary" and test.value == "!":
        return not _fails(test.args[0])
    return not (test.kind == "binary" and test.value == "==" and test.args[1].key == "0")
