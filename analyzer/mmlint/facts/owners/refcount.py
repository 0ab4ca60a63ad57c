"""Accesses to the reference count of a page that do not go through the helpers of include/linux/page_ref.h.

The counter is followed through `&`, locals, parameters of helpers in reach, results of helpers, `container_of` and
macros. What an access does is read off the primitive's name: an atomic that writes, one that reads, or neither (a wait
key, a prefetch, an assertion).
"""

from __future__ import annotations

import re
from functools import lru_cache

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, cut_short, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.lockwords import names_called
from mmlint.finding import Step
from mmlint.frozen import dataclass
from mmlint.source.file import SourceFile

FIELDS = frozenset({"_refcount", "__page_refcount", "_mapcount"})
_CORE_FOLDERS = ("mm/", "include/linux/")
_HELPER = re.compile(r"(__)?(page|folio|ptdesc|slab)_ref_\w+$|(set|init)_page_count$|folio_set_count$")
_WRITES = re.compile(
    r"(raw_|arch_)?(atomic|atomic64|atomic_long|refcount|kref)_(fetch_)?"
    r"(set|inc|dec|add|sub|and|or|xor|andnot|xchg|cmpxchg|try_cmpxchg|get|put)\w*$"
    r"|(try_|sync_)?(cmp)?xchg\w*$|WRITE_ONCE$|smp_store_\w+$|memset\w*$|memcpy$|memmove$"
    r"|__(atomic|sync)_(fetch_|add_|sub_|and_|or_|xor_|exchange|compare|store|lock|bool|val)\w*$"
    r"|_*(test_and_)?(set|clear|change)_bit\w*$"
)
_READS = re.compile(
    r"(raw_|arch_)?(atomic|atomic64|atomic_long|refcount|kref)_read\w*$|READ_ONCE$|smp_load_acquire$|data_race$"
)
_MENTIONED = re.compile(rb"\b(_refcount|__page_refcount|_mapcount)\b")
_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class RawAccess:
    """One access: `field` is the counter, `writes` whether it changes it, `via` the primitive or operator."""

    node: Node
    at: Expr
    field: str
    writes: bool
    via: str
    steps: tuple[Step, ...] = ()


@fact
def raw_accesses(function: Function) -> tuple[RawAccess, ...]:
    """Every access of `function` to the counters, none where it is itself a helper of the counter's own header."""
    if not _mentioned(function.source.file) or is_home(function) or not _comes_by(function):
        return ()
    return tuple(_accesses(function, _aliases(function), 0))


def _comes_by(function: Function) -> bool:
    """Whether its text names a counter, a macro of its file that does, or a helper that returns the address of one."""
    if function.has(*FIELDS):
        return True
    macros = function.source.file.macros
    if any(_MENTIONED.search(macros[name].body_text) for name in macros.keys() & function.words):
        return True
    resolve, path = function.program.resolve, function.path
    called = (resolve(name, path) for name in names_called(function) if name not in function.tables.takes)
    return any(returned_counter(callee) for callee in called if callee is not None)


@lru_cache(maxsize=8)
def _mentioned(file: SourceFile) -> bool:
    if b"_refcount" not in file.text and b"_mapcount" not in file.text:
        return False  # ten times as fast as the pattern
    return _MENTIONED.search(file.masked) is not None


def is_home(function: Function) -> bool:
    """Whether `function` is a primitive on the count: its header's own, or one by name in a header or in mm."""
    path = function.path
    if path.endswith("/page_ref.h") or path == "page_ref.h":
        return True
    row = function.tables.ref_helpers.get(function.name)
    named = (row is not None and row.home) or _HELPER.match(function.name) is not None
    return named and (path.endswith(".h") or path.startswith(_CORE_FOLDERS))


def _counter(expr: Expr, aliases: dict[str, str], function: Function) -> str:
    """The counter whose address (or whose value, for an lvalue) `expr` denotes, or the empty string."""
    while (expr.kind == "unary" and expr.value in "&*") or (expr.kind == "field" and expr.value == "counter"):
        expr = expr.args[0]
    if expr.kind == "field" and expr.value in FIELDS:
        return expr.value
    if expr.kind == "binary":
        return next((c for a in expr.args if (c := _counter(a, aliases, function))), "")
    if expr.kind == "num":
        return next(
            (
                f
                for f in FIELDS
                if f"offsetof(struct page, {f})" in expr.value or f"offsetof(struct folio, {f})" in expr.value
            ),
            "",
        )
    if expr.kind == "call" and expr.value:
        callee = (
            function.program.resolve(expr.value, function.path) if expr.value not in function.tables.takes else None
        )
        return returned_counter(callee) if callee is not None and callee is not function else ""
    return aliases.get(expr.key, "")


_BUSY: set[tuple[str, str]] = set()


@fact
def returned_counter(function: Function) -> str:
    """The counter whose address `function` returns, or the empty string."""
    key = (function.path, function.name)
    if "*" not in function.source.returns or not function.words & FIELDS:
        return ""
    if key in _BUSY:
        cut_short()
        return ""
    _BUSY.add(key)
    try:
        for node in function.cfg.order:
            if node.kind == "return" and node.expr is not None:
                found = _counter(node.expr, _aliases(function), function)
                if found:
                    return found
        return ""
    finally:
        _BUSY.discard(key)


@fact
def _aliases(function: Function) -> dict[str, str]:
    """The locals that hold the address of a counter, and what `container_of` says is one."""
    found: dict[str, str] = {}
    for _ in range(3):
        known = len(found)
        for node in function.cfg.order:
            for expr in node.expr.walk() if node.expr is not None else ():
                if expr.kind == "assign" and expr.value == "=" and expr.args[0].kind in ("name", "field"):
                    source = expr.args[1]
                    if source.kind != "unary" or source.value == "&":
                        counter = _address(source, found, function)
                        if counter:
                            found[expr.args[0].key] = counter
                elif expr.kind == "call" and expr.value == "container_of" and len(expr.args) == 3:
                    _, owner, member = expr.args
                    if member.value in FIELDS and "page" in owner.key + member.key:
                        found[expr.args[0].key] = member.value
        if len(found) == known:
            break
    return found


def _address(expr: Expr, aliases: dict[str, str], function: Function) -> str:
    """The counter that a pointer value points to; the value of a counter is no address."""
    if expr.kind in ("field", "index"):
        return aliases.get(expr.key, "")
    return _counter(expr, aliases, function)


def _accesses(function: Function, aliases: dict[str, str], depth: int) -> list[RawAccess]:
    found = []
    for node in function.cfg.order:
        for expr in node.expr.walk() if node.expr is not None else ():
            if expr.kind == "call":
                found += _call(function, node, expr, aliases, depth)
            elif (
                expr.kind == "assign"
                and expr.args[0].kind in ("field", "unary")
                and (c := _counter(expr.args[0], aliases, function))
            ):
                found.append(RawAccess(node, expr, c, True, expr.value))
            elif expr.kind == "unary" and expr.value.endswith(("++", "--")) and expr.args[0].kind in ("field", "unary"):
                counter = _counter(expr.args[0], aliases, function)
                if counter:
                    found.append(RawAccess(node, expr, counter, True, expr.value[-2:]))
    return found


def _call(function: Function, node: Node, call: Expr, aliases: dict[str, str], depth: int) -> list[RawAccess]:
    writes, reads = _WRITES.match(call.value), _READS.match(call.value)
    if reads and id(call) in _waited(function):
        return []
    if writes or reads:
        counter = next((c for a in call.args if (c := _counter(a, aliases, function))), "")
        source_only = (
            writes
            and call.value in ("memcpy", "memmove", "WRITE_ONCE")
            and call.args
            and not _counter(call.args[0], aliases, function)
        )
        return [RawAccess(node, call, counter, bool(writes), call.value)] if counter and not source_only else []
    macro = _macro(function, call)
    if macro:
        return [RawAccess(node, call, macro, True, call.value)]
    if depth >= _MAX_DEPTH or not call.value:
        return []
    for index, arg in enumerate(call.args):
        counter = _address(arg, aliases, function) if arg.kind in ("name", "unary", "binary") else ""
        if counter:
            callee = function.program.resolve(call.value, function.path)
            inner = _param_write(callee, index, depth + 1) if callee is not None and callee is not function else None
            if callee is not None and inner is not None:
                step = Step(callee.path, inner.at.line, f"`{callee.name}` writes it by `{inner.via}`")
                return [RawAccess(node, call, counter, True, call.value, (step, *inner.steps))]
    return []


def _param_write(callee: Function, index: int, depth: int) -> RawAccess | None:
    """The first write through parameter `index` of a helper that is handed a counter's address."""
    if index >= len(callee.params) or not callee.params[index]:
        return None
    accesses = _accesses(callee, {callee.params[index]: "_refcount"}, depth)
    return next((a for a in accesses if a.writes and callee.params[index] in a.at.names()), None)


@fact
def _waited(function: Function) -> frozenset[int]:
    """The calls inside a wait keyed by a counter (`___wait_var_event(&page->_refcount, condition, ...)`)."""
    found: set[int] = set()
    for calls in function.calls.values():
        for _, call in calls:
            if call.args and "wait" in call.value and _counter(call.args[0], {}, function):
                found |= {id(inner) for inner in call.calls()}
    return frozenset(found)


_MACRO_WRITE = re.compile(rb"\b(\w+)\s*\([^()]*&?\s*\(*[^;]*?(?:->|\.)\s*(_refcount|__page_refcount|_mapcount)\b")


def _macro(function: Function, call: Expr) -> str:
    """The counter that a macro of the same file writes."""
    macro = function.source.file.macros.get(call.value)
    if macro is None:
        return ""
    for match in _MACRO_WRITE.finditer(macro.body_text):
        if _WRITES.match(match[1].decode()):
            return match[2].decode()
    return ""
