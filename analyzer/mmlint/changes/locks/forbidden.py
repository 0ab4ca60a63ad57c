"""Calls that may sleep and that a patch adds to a function which runs where nothing may sleep, whoever calls it.

That it does so is said by the kernel tables: functions on which callers count not to sleep, functions that are always
entered with a lock, and callbacks (a field of an operation table, an argument of `call_rcu`) that run in a known
context. What such a function calls in its file runs there too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.sleep import USER_COPIES, Sleeper, no_fault, sleeps_at
from mmlint.facts.needs import GUESS
from mmlint.finding import Step
from mmlint.frozen import dataclass
from mmlint.kernel.entries import Callback

_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Context:
    """Why nothing may sleep in a function: `why` in words, `root` the function that the tables speak of."""

    why: str
    root: Function
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A call that may sleep since the patch, in a function of that context."""

    call: Expr
    sleeper: Sleeper
    context: Context


def forbidden_sleeps(change: FunctionChange) -> tuple[Forbidden, ...]:
    """The calls of a changed function that may sleep only since the change, where its context forbids it."""
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return ()
    sites = list(_fresh(compared))
    context = context_of(compared.after) if sites else None
    return tuple(Forbidden(call, sleeper, context) for call, sleeper in sites) if context is not None else ()


def _fresh(compared: Comparison) -> Iterator[tuple[Expr, Sleeper]]:
    """The calls that may sleep in the caller's context after the patch and did not before; none where others did: the
    context forbids it on some ways only.
    """
    if any(act.expr.kind == "call" and sleeps_alone(compared.before, act.expr) for act in compared.old):
        return
    for act in compared.new:
        if act.expr.kind != "call" or act.word.startswith(("ptl:", "guard:")):
            continue
        now = sleeps_alone(compared.after, act.expr)
        if not now:
            continue
        old = compared.sources.get(id(act))
        if old is None or (old.expr.kind == "call" and not sleeps_alone(compared.before, old.expr)):
            yield act.expr, now[0]


def sleeps_alone(function: Function, call: Expr) -> list[Sleeper]:
    """The ways to sleep in a call that need nothing else, in the states in which no caller's lock was given up."""
    states = locks(function).at_call.get(id(call), {})
    node = next((n for n, each in function.calls.get(call.value, ()) if each is call), None)
    return [
        sleeper
        for prop, facts in states.items()
        if node is not None and not any(h.gone and h.kind != "mmap_lock" for h in prop)
        for sleeper in sleeps_at(function, node, call, facts)
        if sleeper.gfp_param is None and not sleeper.large and not sleeper.unlocked and GUESS not in sleeper.requires
        if not sleeper.requires or not sleeper.steps
        if not (sleeper.name in USER_COPIES and no_fault(prop))
    ]


def context_of(function: Function, levels: int = _LEVELS) -> Context | None:
    """The context that the function is known to run in, by itself or by a caller of its file."""
    why = _why(function)
    if why:
        return Context(why, function)
    for caller in _callers_here(function) if levels else ():
        calls = [call for _, call in caller.calls.get(function.name, ())]
        if not calls or any(h.gone for call in calls for prop in locks(caller).held(call) for h in prop):
            continue
        found = context_of(caller, levels - 1)
        if found is not None:
            step = caller.step(calls[0].line, f"`{caller.name}` calls `{function.name}`")
            return Context(found.why, found.root, (*found.steps, step))
    return None


def _callers_here(function: Function) -> Iterator[Function]:
    return (f for f in function.program.functions(function.path) if f is not function and f.has(function.name))


@fact
def _why(function: Function) -> str:
    """What the tables say of the function's context, in words; empty for nothing."""
    tables = function.tables
    if function.name in tables.nosleep:
        return "its callers count on it not to sleep"
    entered = tables.entered.get(function.name)
    if entered is not None:
        return f"it is entered with {_named(entered.holds)}"
    return _called_back(function)


def _called_back(function: Function) -> str:
    """The same for a callback: a field that the file gives it, or a call that is given it."""
    file = function.program.file(function.path)
    text = file.text if file is not None else b""
    kinds = function.tables.kinds
    for row in (each for rows in function.tables.callbacks.values() for each in rows):
        atomic = tuple(kind for kind in row.holds if kind in kinds and kinds[kind].atomic)
        if atomic and row.name.encode() in text and _given(text, row, function.name):
            return f"`{row.name}` runs it with {_named(atomic)}"
        if row.after and row.owner.encode() in text:
            first, left = _left_held(function, row, text)
            if left:
                return f"`{row.name}` comes behind `{first}`, which leaves {_named(left)}"
    return ""


def _left_held(function: Function, row: Callback, text: bytes) -> tuple[str, tuple[str, ...]]:
    """The callback that is run before a function, by the initialiser that names both, and the atomic locks it leaves
    held.
    """
    field, first = (re.escape(each.encode()) for each in (row.name, row.after))
    name, owner = re.escape(function.name.encode()), row.owner.encode()
    kinds = function.tables.kinds
    for body in re.findall(rb"\bstruct\s+%s\b[^;{}]*\{([^{}]*)\}" % owner, text):
        before = re.search(rb"\.%s\s*=\s*(\w+)" % first, body)
        if before is None or not re.search(rb"\.%s\s*=\s*%s\b" % (field, name), body):
            continue
        callees = function.program.named(function.path, before[1].decode())
        ends = [
            prop
            for each in callees
            for n in each.cfg.order
            if n.kind == "return"
            for prop in locks(each).flow.states(n)
        ]
        left = set.intersection(*({h.kind for h in prop if not h.gone} for prop in ends)) if ends else set()
        atomic = tuple(sorted(kind for kind in left if kind in kinds and kinds[kind].atomic))
        if atomic:
            return before[1].decode(), atomic
    return "", ()


def _given(text: bytes, row: Callback, function: str) -> bool:
    """Whether a file hands a function to the callee of a row, sets such a member to it, or fills such a structure."""
    word, name = (re.escape(each.encode()) for each in (row.name, function))
    if row.arg is not None:
        return re.search(rb"\b%s\s*\([^;{}]*\b%s\b" % (word, name), text) is not None
    if re.search(rb"->%s\s*=\s*&?%s\b" % (word, name), text):
        return True
    owners = "|".join(row.owner.split())
    return any(
        not owners or _filled(text, given.start(), owners)
        for given in re.finditer(rb"\.%s\s*=\s*&?%s\b" % (word, name), text)
    )


def _filled(text: bytes, at: int, owners: str) -> bool:
    """Whether a place lies in an initialiser, or behind a variable, of one of these structures."""
    opened = text.rfind(b"\n}", 0, at) + 1
    return re.search(rb"\bstruct\s+(%s)\b" % owners.encode(), text[opened:at]) is not None


_WORDS = {
    "spin": "a spinlock held",
    "raw_spin": "a raw spinlock held",
    "rwlock": "a rwlock held",
    "ptl": "a page-table lock held",
    "bh": "bottom halves off",
    "irq": "interrupts off",
    "rcu": "RCU read-locked",
}


def _named(kinds: tuple[str, ...]) -> str:
    return _WORDS.get(kinds[0], f"{kinds[0]} held") if kinds else "a lock held"
