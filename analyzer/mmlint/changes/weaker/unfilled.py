"""Memory that is handed on as the allocator gave it: what nobody fills is read, or others see what was there before."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.facts import graph
from mmlint.facts.flags import flags_at
from mmlint.facts.function import Function, call_targets
from mmlint.facts.ir import Expr
from mmlint.facts.layout import plain_members
from mmlint.facts.locks.held import declared_types
from mmlint.facts.steps import Act, performed
from mmlint.facts.telling import tells

_FILLS = re.compile(
    r"mem(set|cpy|move)|memzero|zero_(user|segment)|copy_(from|page|user)|str\w*cpy|clear_|_(clear|zero|fill|copy)"
)
_INSERTS = re.compile(r"(^|_)insert(_|$)")
_SETS = re.compile(r"(^|_)set_\w")
_COPIES = frozenset({"memcpy", "memmove", "memset"})
_ONE_BIT = re.compile(r"(^|_)(set|clear|test|change|assign)_(bit|cpu|node)$|^bitmap_(set|clear)$")
_LEAVES = re.compile(
    r"free|(^|_)(put|get|insert|drvdata|private|err|null|ptr|offset)(_|$)|_to_(page|pfn|phys|folio)$|^__pa$|^kmemleak",
    re.I,
)
"""Calls that leave the memory as it is: they give it up, hand its address on or ask for it."""
_PAGE_OF = re.compile(r"_to_(page|folio)$")
_TAG = re.compile(r"^struct (\w+) \*$")
UNFILLED = "unfilled"
"""What the rows of `steps.toml` say of an allocator that zeroes and one that does not."""
_SPOKEN = re.compile(r"zero|initiali[sz]|overwr|fill|clear", re.I)


def unfilled(function: Function, act: Act) -> bool:
    """Whether what an allocation gives is kept, and read or seen by others in a part that nothing fills."""
    call = act.expr
    target = call_targets(function).get(id(call))
    if target is None:
        handed = call.args[0] if call.args else None
        target = handed.args[0] if handed is not None and handed.kind == "unary" and handed.value == "&" else None
    if target is None or call.kind != "call" or not function.whole or _zeroed(function, act):
        return False
    memory = _Memory(function, act, target)
    if memory.is_filled():
        return False
    tag = _TAG.match(declared_types(function).get(target.key, ""))
    if tag is not None and "sizeof" in call.key:
        return "array" not in call.value and memory.lacks(tag[1])
    return memory.bits() or (not memory.written and memory.kept() and memory.partly_copied())


def untouched(function: Function, act: Act) -> bool:
    """Whether the function writes nothing into what an allocation gives a variable, and hands its pages to a callee."""
    target = call_targets(function).get(id(act.expr))
    memory = _Memory(function, act, target) if target is not None and function.whole else None
    return memory is not None and not (memory.is_filled() or memory.written or memory.handed) and memory.paged()


def meant(change: FunctionChange) -> bool:
    """Whether the changelog says something of what the memory holds."""
    return _SPOKEN.search(f"{change.patch.subject} {change.patch.body}") is not None


def _zeroed(function: Function, act: Act) -> bool:
    rows = function.tables.steps.stronger.values()
    flags = {row.calls[0] for row in rows if row.only == UNFILLED and len(row.calls) == 2 and row.calls[0].isupper()}
    return any(
        not flags.isdisjoint(flags_at(function, act.node, arg).may) or not flags.isdisjoint(arg.names())
        for arg in act.expr.args
    )


class _Memory:
    """What becomes of allocated memory behind its allocation."""

    def __init__(self, function: Function, act: Act, target: Expr) -> None:
        self.function, self.call, self.target = function, act.expr, target
        reached = graph.after([t for t, _ in act.node.succ])
        self.nodes = [n for n in function.cfg.order if n.id in reached]
        self.keys = {target.key}
        for expr in self._assigned():
            if expr.args[1].key in self.keys and expr.args[0].kind == "name":
                self.keys.add(expr.args[0].key)
        self.handed = [
            (call, arg)
            for node in self.nodes
            for op, call in node.events
            if op == "call" and not tells(call.value) and not _LEAVES.search(call.value)
            for arg in call.args
            if self._is(arg) and not _stores(call, arg)
        ]
        self.written = any(self._inside(expr.args[0]) for expr in self._assigned())

    def _assigned(self) -> Iterator[Expr]:
        return (e for n in self.nodes for op, e in n.events if op == "assign" and e.value == "=")

    def _is(self, arg: Expr) -> bool:
        """Whether an argument is the memory itself, or its address at some place."""
        while (arg.kind == "unary" and arg.value in "&*") or arg.kind == "index" or arg.value in ("+", "|"):
            if arg.key in self.keys:
                return True
            arg = arg.args[0]
        return arg.key in self.keys

    def _inside(self, target: Expr) -> bool:
        """Whether an lvalue is the memory or an element of it."""
        return target.key not in self.keys and self._is(target)

    def is_filled(self) -> bool:
        """Whether something fills the memory as a whole, as far as can be seen."""
        if any(e.args[0].kind == "unary" and self._inside(e.args[0]) for e in self._assigned()):
            return True
        return any(_FILLS.search(call.value) and not self._partly(call) for call, _ in self.handed)

    def partly_copied(self) -> bool:
        """Whether nothing is done to it but that a part is copied, if that."""
        return all(call.value in _COPIES and self._partly(call) for call, _ in self.handed)

    def _partly(self, call: Expr) -> bool:
        """Whether a copy is of another length than the allocation: the one's variables do not occur in the other."""
        if call.value not in _COPIES or call.args[0].key not in self.keys:
            return _ONE_BIT.search(call.value) is not None
        sized = {part.key for arg in self.call.args for part in _variables(arg)}
        return bool(sized) and sized.isdisjoint(part.key for part in _variables(call.args[-1]))

    def bits(self) -> bool:
        """Whether single bits of it are set or asked for before anything else is done to it."""
        return bool(self.handed) and _ONE_BIT.search(self.handed[0][0].value) is not None

    def paged(self) -> bool:
        """Whether a callee gets the page that it is in."""
        calls = (call for n in self.nodes for op, call in n.events if op == "call" and not tells(call.value))
        inner = (part for call in calls for arg in call.args for part in arg.calls() if _PAGE_OF.search(part.value))
        return any(self._is(arg) for part in inner for arg in part.args)

    def kept(self) -> bool:
        """Whether it outlives the function: it is in a member, or becomes one, or goes into a table."""
        calls = (call for n in self.nodes for op, call in n.events if op == "call" and _INSERTS.search(call.value))
        if any(self._is(arg) for call in calls for arg in call.args):
            return True
        kept = any(e.args[0].kind == "field" and e.args[1].key in self.keys for e in self._assigned())
        return self.target.kind == "field" or kept

    def lacks(self, tag: str) -> bool:
        """Whether a member that the file reads is set neither here, nor by whom the memory is handed to, nor by who
        called for it.
        """
        members = plain_members(self.function, tag)
        if not members:
            return False
        given = {e.value for n in self.nodes for e in self._given(n.events)}
        for call, _ in self.handed:
            callee = self.function.program.resolve(call.value, self.function.path)
            if callee is None or any(_FILLS.search(word) for word in callee.calls):
                return False
            given |= performed(callee)
        file = self.function.program.file(self.function.path)
        for caller in self.function.program.functions(self.function.path):
            given |= _set_in(caller) if self.function.name in caller.words else frozenset()
        text = file.masked.decode(errors="replace") if file is not None else ""
        return any(re.search(rf"(->|\.){re.escape(name)}\b(?!\s*=[^=])", text) for name in sorted(members - given))

    def _given(self, events: tuple[tuple[str, Expr], ...]) -> Iterator[Expr]:
        for op, expr in events:
            parts = expr.args if op == "call" else expr.args[:1] if op == "assign" and expr.value == "=" else ()
            yield from (e for part in parts for e in part.walk() if e.kind == "field" and e.args[0].root in self.keys)


def _stores(call: Expr, value: Expr) -> bool:
    """Whether a call sets something to a value, by its name."""
    sets = _SETS.search(call.value) is not None and _ONE_BIT.search(call.value) is None
    return sets and len(call.args) == 2 and call.args[1] is value


def _set_in(function: Function) -> frozenset[str]:
    sets = (e.args[0] for n in function.cfg.order for op, e in n.events if op == "assign" and e.value == "=")
    return frozenset(target.value for target in sets if target.kind == "field")


def _variables(size: Expr) -> Iterator[Expr]:
    """The variables and members that a size is made of."""
    if size.kind in ("name", "field") and not size.key.isupper():
        yield size
    elif size.kind == "binary":
        for arg in size.args:
            yield from _variables(arg)
