"""By which door pages came in and by which they go out: pin and unpin, get and put, followed through a file.

Pages are known by where they are kept: a local, a parameter, a struct field, a scatterlist. What is stored into what is
read off every assignment of a function, without order; a field is the same field in every function of the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.holders import SAME_PAGE
from mmlint.facts.ir import Expr
from mmlint.facts.owners.gup import gup_calls
from mmlint.facts.reach import reach
from mmlint.frozen import dataclass

PIN, GET, OTHER = "pin", "get", "other"
_SAME = SAME_PAGE | {"nth_page", "page_pool_page"}
"""What is taken, and given back, through the door that its first argument came by."""
_SG_READ = frozenset({"sg_page", "sg_page_iter_page"})
SG_STORE = frozenset(
    {"sg_set_page", "sg_set_folio", "sg_alloc_table_from_pages", "sg_alloc_table_from_pages_segment"}
    | {"sg_alloc_append_table_from_pages"}
)
"""Calls that put pages into a scatterlist."""
_REFERENCE, _GOT, _PIN_RESOURCE = "folio reference", "GUP page reference", "page pin"

Tokens = frozenset[str]
NONE: Tokens = frozenset()


@dataclass(frozen=True, slots=True)
class Door:
    """A page going out: `kind` is pin (unpin_*) or get (put_page and its kin), `tokens` where it was kept."""

    call: Expr
    kind: str
    tokens: Tokens


@fact
def _env(function: Function) -> dict[str, Tokens]:
    """What each variable may hold or be stored into."""
    env: dict[str, Tokens] = {name: frozenset((f"param:{i}",)) for i, name in enumerate(function.params) if name}
    pairs = [
        e.args
        for n in function.cfg.order
        if n.expr is not None
        for e in n.expr.walk()
        if e.kind == "assign" and e.value == "="
    ]
    for _ in range(3):
        for target, source in pairs:
            held = _tokens(function, source, env)
            if target.kind == "name":
                env[target.value] = env.get(target.value, NONE) | held
            elif target.kind in ("field", "index", "unary") and source.root and not _is_number(source):
                env[source.root] = env.get(source.root, NONE) | frozenset(
                    t for t in _tokens(function, target, env) if t.startswith("field:")
                )
        for name in SG_STORE:
            for _, call in function.calls.get(name, ()):
                if len(call.args) > 1 and call.args[1].root:
                    root = call.args[1].root
                    env[root] = env.get(root, NONE) | {"sg"}
    return env


def _is_number(expr: Expr) -> bool:
    return expr.kind == "field" and expr.value.startswith(("nr", "num", "n", "count", "len", "size", "flags"))


def _tokens(function: Function, expr: Expr, env: dict[str, Tokens]) -> Tokens:
    kind = expr.kind
    if kind == "name":
        if expr.value in ("NULL", "true", "false"):
            return NONE
        own = NONE if expr.value in function.params else frozenset((f"local:{function.name}:{expr.value}",))
        return own | env.get(expr.value, NONE)
    if kind == "field":
        return frozenset((f"field:{expr.value}",))
    if kind == "index" or (kind == "unary" and expr.value in "*&"):
        return _tokens(function, expr.args[0], env)
    if kind == "binary" and expr.value in "+-":
        return _tokens(function, expr.args[0], env)
    if kind == "call":
        if expr.value in _SG_READ:
            return frozenset(("sg",))
        if expr.value in _SAME and expr.args:
            return _tokens(function, expr.args[0], env)
        callee = next(iter(function.program.named(function.path, expr.value)), None) if expr.value else None
        return _accessed(callee) if callee is not None and callee is not function else NONE
    return NONE


@fact
def _accessed(function: Function) -> Tokens:
    """The fields that an accessor returns."""
    if len(function.text) > 600:
        return NONE
    found = {
        n.expr.value for n in function.cfg.order if n.kind == "return" and n.expr is not None and n.expr.kind == "field"
    }
    return frozenset(f"field:{name}" for name in found)


def tokens(function: Function, expr: Expr) -> Tokens:
    """Where the pages that `expr` denotes are kept."""
    return _tokens(function, expr, _env(function))


@fact
def releases(function: Function) -> tuple[Door, ...]:
    """The pages that `function` gives back by calls of the tables."""
    table = function.tables.gives_resource
    found = []
    if not function.mentions(table):
        return ()
    for name, calls in function.calls.items():
        kinds = {row.resource for row in table.get(name, ())} & {_REFERENCE, _PIN_RESOURCE}
        if len(kinds) != 1:
            continue
        kind = PIN if _PIN_RESOURCE in kinds else GET
        index = next(int(row.holder.rpartition(":")[2]) for row in table[name] if row.resource in kinds)
        for _, call in calls:
            if index < len(call.args):
                found.append(Door(call, kind, tokens(function, call.args[index])))
    return tuple(sorted(found, key=lambda d: (d.call.line, d.call.column)))


@fact
def helped_releases(function: Function) -> tuple[Door, ...]:
    """The pins that `function` gives back by helpers of its file, at once or on some condition."""
    found = []
    for name, calls in function.calls.items():
        callee = next((f for f in function.program.named(function.path, name) if f is not function), None)
        pins = [door for door in releases(callee) if door.kind == PIN] if callee is not None and name else []
        places = {int(t[6:]) for door in pins for t in door.tokens if t.startswith("param:")}
        for index in sorted(places):
            found += [Door(c, PIN, tokens(function, c.args[index])) for _, c in calls if index < len(c.args)]
    return tuple(found)


def _entries(function: Function) -> Iterator[tuple[str, Tokens]]:
    for _, kind, places in _gup_entries(function):
        yield kind, places
    targets = call_targets(function)
    for name, calls in function.calls.items():
        if name in function.tables.gup:
            continue
        rows = [r for r in function.tables.takes_resource.get(name, ()) if r.resource in (_REFERENCE, _GOT)]
        for _, call in calls if rows else ():
            holder = rows[0].holder.lstrip("*")
            if holder.startswith("arg:") and int(holder[4:]) < len(call.args):
                yield OTHER, tokens(function, call.args[int(holder[4:])])
            elif holder == "result" and id(call) in targets:
                yield OTHER, tokens(function, targets[id(call)])


def _gup_entries(function: Function) -> Iterator[tuple[Expr, str, Tokens]]:
    """The calls by which `function` gets or pins pages, and where it keeps them."""
    for site in gup_calls(function):
        if site.pages is not None:
            yield site.call, site.kind, tokens(function, site.pages)


def entries(function: Function) -> dict[str, frozenset[str]]:
    """For each place in the file of `function`: by which doors pages come into it."""
    first = function.program.functions(function.path)[0]
    return _file_entries(first)


@fact
def _file_entries(first: Function) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    program = first.program
    for function in program.functions(first.path):
        if not function.mentions(first.tables.gup) and not function.mentions(first.tables.takes_resource):
            continue
        for kind, places in _entries(function):
            for token in places:
                found.setdefault(token, set()).add(kind)
                if token.startswith("param:"):
                    for passed in _passed(function, int(token[6:])):
                        found.setdefault(passed, set()).add(kind)
    return {token: frozenset(kinds) for token, kinds in found.items() if not token.startswith("param:")}


def _passed(function: Function, index: int) -> Tokens:
    """Where the callers in the file keep what they pass as parameter `index`."""
    found: set[str] = set()
    for caller in function.program.functions(function.path):
        if caller is function or function.name not in caller.words:
            continue
        for _, call in caller.calls.get(function.name, ()):
            if index < len(call.args):
                found |= {t for t in tokens(caller, call.args[index]) if not t.startswith("param:")}
    return frozenset(found)


def came_by(function: Function, door: Door) -> frozenset[str]:
    """The doors by which the pages of a release may have come in, as far as the file shows."""
    known = entries(function)
    return frozenset[str]().union(*(known.get(t, NONE) for t in _places(function, door.tokens)))


def _places(function: Function, held: Tokens) -> Tokens:
    """Where pages are kept in the file: for a parameter, where the callers keep what they pass."""
    params = frozenset(t for t in held if t.startswith("param:"))
    return (held - params).union(*(_passed(function, int(token[6:])) for token in params))


@fact
def _has_gup(first: Function) -> bool:
    """Whether the file of its first function calls what gets or pins pages; else no page came in by a known door."""
    return any(f.mentions(first.tables.gup) for f in first.program.functions(first.path))


def _wrong(function: Function) -> list[Door]:
    """The releases of which everything known of the pages says that they came in by the other door."""
    other = {PIN: frozenset((GET,)), GET: frozenset((PIN,))}
    found = [door for door in releases(function) if came_by(function, door) == other[door.kind]]
    return [door for door in found if not _by_choice(function, door)]


def _by_choice(function: Function, door: Door) -> bool:
    """Whether a test that does not look at the pages chooses between this release and the other door for them: then
    the function knows how they came in.
    """
    others = [d for d in releases(function) if d.kind != door.kind and d.tokens & door.tokens] if door.tokens else []
    if not others:
        return False
    order, nodes = reach(function), {id(call): node for calls in function.calls.values() for node, call in calls}
    mine = nodes[id(door.call)]
    return any(
        order.chosen(test, mine) is (not order.chosen(test, node))
        for node in (nodes[id(each.call)] for each in others)
        for test in order.order
        if test.kind == "branch" and order.chosen(test, node) is not None
    )


def by_wrong_door(function: Function, call: Expr) -> bool:
    """Whether a call gives pages back by the door that none of them came in by."""
    return any(door.call is call for door in _wrong(function))


@fact
def mixed(function: Function) -> tuple[Door, ...]:
    """The releases by the wrong door, without those for which the way in is to blame."""
    first = function.program.functions(function.path)[0]
    if not _has_gup(first) or not releases(function):
        return ()
    wrong = _wrong(function)
    blamed = {id(door.call) for entry in _blamed(first) for _, door in entry.out} if wrong else set()
    return tuple(door for door in wrong if id(door.call) not in blamed)


@dataclass(frozen=True, slots=True)
class WayIn:
    """A call that gets or pins pages of which every release in the file, `out`, is one for the other kind."""

    call: Expr
    kind: str
    out: tuple[tuple[Function, Door], ...]


@fact
def ways_in(function: Function) -> tuple[WayIn, ...]:
    """The calls of `function` that are the one cause of several releases by the wrong door."""
    if not function.mentions(function.tables.gup):
        return ()
    mine = {id(call) for call, _, _ in _gup_entries(function)}
    return tuple(w for w in _blamed(function.program.functions(function.path)[0]) if id(w.call) in mine)


@fact
def _blamed(first: Function) -> tuple[WayIn, ...]:
    """The ways into the file of its first function that all of two or more releases contradict."""
    functions = first.program.functions(first.path)
    wrong = {id(door.call) for f in functions for door in _wrong(f)} if _has_gup(first) else set()
    if len(wrong) < 2:
        return ()
    doors = [(f, door, _places(f, door.tokens)) for f in functions for door in releases(f)]
    found = []
    for function in functions:
        for call, kind, held in _gup_entries(function):
            places = _places(function, held)
            out = tuple((f, door) for f, door, kept in doors if kept & places)
            if len(out) > 1 and all(id(door.call) in wrong for _, door in out):
                found.append(WayIn(call, kind, out))
    return tuple(found)
