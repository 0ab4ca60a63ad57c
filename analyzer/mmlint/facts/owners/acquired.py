"""What a function leaves to its callers to give back: pins and page references, read off what it owns at its returns.

A helper that pins and returns the array, fills an array or a page pointer of its caller, or keeps pins in an object
that it was handed, is to its callers what `pin_user_pages` is to it. Which result says that the pages were taken must
be told by the returns; else the helper says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.holders import HELD, MOVED, Own, Prop, canon, mentions_bare
from mmlint.facts.ir import Expr, asks_for_error
from mmlint.facts.values import Facts, counts_nothing, is_error, is_negative, is_zero
from mmlint.kernel.rows import Taking
from mmlint.kernel.tables import PAGES, PINNED, Tables

TAKEN = {"nonzero": "ok", "noterr": "ok", "valid": "ok", "zero": "0", "positive": ">0", "notneg": ">=0"}
"""What the result of a call is where it took something, by the `when` of its row; `valid`: neither NULL nor error."""
REFUSED: dict[str, tuple[str, ...]] = {
    "nonzero": ("0",),
    "noterr": ("err",),
    "valid": ("0",),
    "zero": ("<0",),
    "positive": ("0", "<0"),
    "notneg": ("<0",),
}
"""What it is where nothing was taken. Which callers of a `valid` helper can get an error depends on what they ask for:
those that do not test for one are not told of it."""
_PAGE = re.compile(r"struct (page|folio) \*")

_ALLOCATES = re.compile(r"alloc|dup|^(vmap|vzalloc)")

End = tuple[Node, Prop, Facts, str | None]


def candidates(function: Function) -> frozenset[str]:
    """The helpers that `function` names, of its file and folder, whose text takes pages in some way."""
    program = function.program
    here = function.path.rpartition("/")[0]
    tables, words = function.tables, function.words
    near = (words & _takers(program.functions(function.path)[0])) | (words & program.folder(here).takers)
    return near.difference(tables.takes_resource, tables.gives_resource, (function.name,)) if near else near


@fact
def _takers(first: Function) -> frozenset[str]:
    """The functions of the file of `first` that take pages, by themselves or through one another."""
    others = first.program.functions(first.path)
    calls = first.tables.page_takers
    found = {f.name for f in others if not f.words.isdisjoint(calls)}
    while more := {f.name for f in others if f.name not in found and not f.words.isdisjoint(found)}:
        found |= more
    return frozenset(found)


@cache
def _unpinners(tables: Tables) -> dict[str, str]:
    """The calls that give pins back, with the resource."""
    return {n: row.resource for n, rows in tables.gives_resource.items() for row in rows if row.resource in PINNED}


def by_release(function: Function) -> dict[str, tuple[Taking, ...]]:
    """Helpers that are not seen, or say nothing, and must have taken pins: the function gives back what they returned.

    Only for an array of pages in a variable that nothing else fills, whose result is tested before it is used.
    """
    tables = function.tables
    gives = _unpinners(tables)
    if not function.mentions(gives) or not function.words.isdisjoint(tables.page_takers):
        return {}
    released = {
        canon(call.args[0]).split("[")[0]: gives[name]
        for name in sorted(gives)
        for _, call in function.calls.get(name, ())
        if call.args
    }
    made: dict[str, list[Expr]] = {}
    tests: set[str] = set()
    filled: set[str] = set()
    for expr in (each for node in function.cfg.order if node.expr is not None for each in node.expr.walk()):
        if expr.kind == "assign" and expr.args[0].key in released and expr.args[1].value != "NULL":
            made.setdefault(expr.args[0].key, []).append(expr.args[1])
        elif expr.kind == "assign" and "[" in expr.args[0].key:
            filled.add(expr.args[0].key.split("[")[0])
        elif asks_for_error(expr):
            tests.add(expr.args[0].key)
    found: dict[str, tuple[Taking, ...]] = {}
    for name, sources in made.items():
        call = sources[0]
        if len(sources) > 1 or name not in tests - filled or call.kind != "call" or _ALLOCATES.search(call.value):
            continue
        array = re.search(rf"struct (?:page|folio) \*\*\s*{re.escape(name)}\b".encode(), function.text)
        if array and call.value not in tables.takes_resource and not _seen(function, call.value):
            row = Taking(name=call.value, resource=released[name], holder="result", when="noterr", source=function.path)
            found[call.value] = (row,)
    return found


def _seen(function: Function, name: str) -> bool:
    return not function.program.partial and function.program.resolve(name, function.path) is not None


def may_hand_out(function: Function) -> bool:
    """Whether a signature has room for pages: a page or folio in its result or parameters, or pins in an object."""
    source = function.source
    if source.damaged or function.path.startswith("include/"):
        return False
    texts = (source.returns + " *" * ("*" not in source.returns), *(p.type_text for p in source.params))
    return any(_PAGE.search(text) for text in texts) or function.mentions(function.tables.gup)


def handed_out(function: Function, ends: Iterable[End]) -> tuple[Taking, ...]:
    """Rows that say of a call of `function` what the tables say of a taking call. `ends`: the states at its returns."""
    ends = list(ends)
    places = sorted(
        {(own.resource, holder) for node, prop, _, _ in ends for own in prop for holder in _at(function, node, own)}
    )
    found = []
    for resource, holder in places:
        when = _when(function, ends, resource, holder)
        if when:
            found.append(Taking(name=function.name, resource=resource, holder=holder, when=when, source=function.path))
    return tuple(found)


def _at(function: Function, node: Node, own: Own) -> list[str]:
    """The holders through which a caller gets a thing at this return."""
    if own.resource not in PAGES:
        return []
    found = []
    if own.state == HELD and node.kind == "return" and node.expr is not None and "*" in function.source.returns:
        found += ["result"] if any(mentions_bare(node.expr, name) for name in own.names) else []
    for name in own.names if own.state in (HELD, MOVED) else ():
        root, arrow, member = name.lstrip("*").partition("->")
        if root not in function.params:
            continue
        index = function.params.index(root)
        array = own.resource in PINNED or "**" in function.source.params[index].type_text.replace(" ", "")
        if arrow:
            found += [f"arg:{index}->{member}"] if own.resource in PINNED and member.isidentifier() else []
        elif name.startswith("*") or (own.state == HELD and array):
            found.append(f"*arg:{index}")
        elif own.state == HELD:
            found.append(f"arg:{index}")
    return found


def _when(function: Function, ends: list[End], resource: str, holder: str) -> str:
    """The `when` that tells the returns with the thing from those without; empty where the result does not tell."""
    having: list[str | None] = []
    lacking: list[tuple[Node, str | None]] = []
    nodes = set()
    for node, prop, _, value in ends:
        if any(own.resource == resource and holder in _at(function, node, own) for own in prop):
            having.append(value)
            nodes.add(node.id)
        else:
            lacking.append((node, value))
    # a state without it that leaves by the same return with the same value: callers cannot tell it from one with it
    told = [value for node, value in lacking if node.id not in nodes or value not in having]
    when = (_pointer if "*" in function.source.returns else _number)(having, told)
    if when == "always" and lacking:
        return ""
    return when if when == "nonzero" or not re.match(r"arg:\d+$", holder) else ""


def _pointer(having: list[str | None], lacking: list[str | None]) -> str:
    if any(is_zero(v) or is_error(v) for v in having):
        return ""
    nulls, errors = (any(test(v) for v in lacking) for test in (is_zero, is_error))
    if not all(is_zero(v) or is_error(v) or v == "bad" for v in lacking):
        return ""
    return (
        "valid" if (nulls and errors) or "bad" in lacking else "nonzero" if nulls else "noterr" if errors else "always"
    )


def _number(having: list[str | None], lacking: list[str | None]) -> str:
    if not lacking:
        return "always"
    if all(is_zero(v) for v in having) and not any(is_zero(v) is not False for v in lacking):
        return "zero"
    if all(is_zero(v) is False and not is_negative(v) for v in having):
        if all(is_zero(v) for v in lacking):
            return "nonzero"
        if all(counts_nothing(v) for v in lacking) and all(v == ">0" or (v or "").isdigit() for v in having):
            return "positive"
    if all(is_negative(v) is False for v in having) and all(is_negative(v) for v in lacking):
        return "notneg"
    return ""
