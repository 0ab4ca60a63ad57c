"""Calls that pin or get user pages: which flags reach them, where the pages go, direct and through wrappers.

A wrapper is a function that returns successfully with pages still held; what it passes on (flags parameter, array
parameter, result) makes its own callers sites as well.
"""

from __future__ import annotations

from dataclasses import replace

from mmlint.facts.cfg import Node
from mmlint.facts.flags import UNKNOWN, FlagSet, flags_at
from mmlint.facts.function import Function, call_targets, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass
from mmlint.kernel.rows import GupEntry

LONGTERM = "FOLL_LONGTERM"
_COMPARES = frozenset({"==", "!=", "<", ">", "<=", ">="})
_WRITE_BIT = FlagSet(may=frozenset({"FOLL_WRITE"}))


@dataclass(frozen=True, slots=True)
class GupSite:
    """One call that takes user pages.

    `kind` is pin, get or extract; `flags` are what the caller passes, with what the entry point implies; `pages` is the
    array or page that receives them (None: nobody asks for them). `entry` is the row of the entry point reached.
    """

    node: Node
    call: Expr
    entry: GupEntry
    flags: FlagSet
    pages: Expr | None

    @property
    def kind(self) -> str:
        """pin, get or extract."""
        return self.entry.kind

    @property
    def lacks_longterm(self) -> bool:
        """Whether it is known that FOLL_LONGTERM does not reach the call."""
        return self.takes_flags and self.flags.exact and LONGTERM not in self.flags.may

    @property
    def takes_flags(self) -> bool:
        """Whether the entry point has a flags argument (fast GUP took `int write` up to 5.1)."""
        return self.entry.flags is not None


@fact
def gup_calls(function: Function) -> tuple[GupSite, ...]:
    """The direct calls of GUP entry points that can hand out references, in order of control flow."""
    table = function.tables.gup
    if not function.mentions(table) or function.name in table:
        return ()
    found = []
    for name, calls in function.calls.items():
        entry = table.get(name)
        if entry is None or entry.kind == "fault":
            continue
        for node, call in calls:
            found.append(GupSite(node, call, entry, _flags(function, node, call, entry), _pages(function, call, entry)))
    return tuple(sorted(found, key=lambda s: (s.call.line, s.call.column)))


def _pages(function: Function, call: Expr, entry: GupEntry) -> Expr | None:
    if entry.result == "page":
        return call_targets(function).get(id(call))
    if entry.pages is None or entry.pages >= len(call.args):
        return None
    pages = call.args[entry.pages]
    return None if pages.value in ("NULL", "0") else pages


def _flags(function: Function, node: Node, call: Expr, entry: GupEntry) -> FlagSet:
    implied = frozenset(entry.implies)
    if entry.flags is None or entry.flags >= len(call.args):
        return replace(FlagSet(implied, implied), unknown=entry.kind == "extract")
    return argument_flags(function, node, call.args[entry.flags]).union(FlagSet(implied, implied))


def argument_flags(function: Function, node: Node, expr: Expr) -> FlagSet:
    """The flags of an argument: as `flags_at`, comparisons read as the write bit, struct fields file-wide."""
    if (expr.kind == "binary" and expr.value in _COMPARES) or (expr.kind == "unary" and expr.value == "!"):
        return _WRITE_BIT
    flags = flags_at(function, node, expr)
    if not flags.unknown:
        return flags
    if expr.kind == "binary" and expr.value == "|":
        return argument_flags(function, node, expr.args[0]).union(argument_flags(function, node, expr.args[1]))
    if expr.kind == "field":
        return _field_flags(function, expr.value)
    return flags


def _field_flags(function: Function, field: str) -> FlagSet:
    """What the file stores into a flags field: unknown as soon as one store is, or if there is none."""
    joined: FlagSet | None = None
    added = FlagSet()
    for other in function.program.functions(function.path):
        if field not in other.words:
            continue
        for node in other.cfg.order:
            for op, expr in node.events:
                if op != "assign" or expr.args[0].kind != "field" or expr.args[0].value != field:
                    continue
                value = flags_at(other, node, expr.args[1])
                if expr.value == "=":
                    joined = value if joined is None else joined.either(value)
                elif expr.value == "|=":
                    added = added.union(replace(value, must=frozenset()))
                else:
                    return UNKNOWN
    if joined is None or joined.params:
        return UNKNOWN
    return joined.union(added)


def one_page(pages: Expr) -> bool:
    """Whether the pages go to one page pointer (`&page`), and to no array."""
    return pages.kind == "unary" and pages.value == "&" and pages.args[0].kind == "name"
