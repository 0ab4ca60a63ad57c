"""Calls that may sleep where a lock of the function itself, or a context that it entered, forbids it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import permutations

from mmlint.facts.cfg import Node
from mmlint.facts.function import NOT_SHOWN, Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import Held, Prop, family
from mmlint.facts.locks.locks import LockFacts, atomic, changes_locks, locks, may_be_atomic
from mmlint.facts.locks.sleep import USER_COPIES, Sleeper, drops_first, no_fault, sleeps_at
from mmlint.facts.needs import GUESS, UNKNOWN
from mmlint.facts.values import Facts
from mmlint.frozen import dataclass
from mmlint.kernel.rows import Drop, Take
from mmlint.source.file import SourceFile

_SECTIONS = frozenset({"rcu", "pte_map", "irq", "preempt"})
"""Contexts that a lock held as well says more about."""
_ALONE = frozenset({"irq", "preempt"})
"""Contexts that keep others from this CPU: at boot there are none."""
_OOPS = frozenset({"oops_enter", "oops_exit", "bust_spinlocks", "make_task_dead", "panic_on_oops"})
"""Words of a function that tells of a crash: what it reads for that is as bad as the state that it tells of."""
_AT_BOOT = re.compile(rb"\b__init\b")
_LARGE_FOLIOS = re.compile(rb"\bmapping_set_(large_folios|folio_\w+)")
_CONDITION_INSIDE = re.compile(r"wait_event")
"""Macros that evaluate an argument between sleeping and returning."""
_COMMAND_INSIDE = re.compile(r"wait_event\w*_cmd$")
"""Macros that run what they are given with the lock given up."""
_MACRO = re.compile(rb"^[ \t]*#[ \t]*define[ \t]+(\w+)\(", re.M)
Site = tuple[int, str]
"""A taking call: its line and name."""


@dataclass(frozen=True, slots=True)
class AtomicSleep:
    """A call that may sleep where something atomic is held. `cause` is the same for calls that are one mistake: to one
    function of the tree in one section, and all in sections that a loop left open.
    """

    node: Node
    call: Expr
    sleeper: Sleeper
    context: str
    kind: str
    lock_line: int
    lock_name: str
    cause: str = ""


@fact
def atomic_sleeps(function: Function) -> tuple[AtomicSleep, ...]:
    """The calls of `function` that may sleep in an atomic context which the function itself entered."""
    if not may_be_atomic(function) or not changes_locks(function):
        return ()
    lock_facts = locks(function)
    if lock_facts.flow.overflow:
        return ()
    found: dict[int, AtomicSleep] = {}
    commands = _commands(function)
    for calls in function.calls.values():
        for node, call in calls:
            if id(call) in commands:
                continue
            for prop, facts in lock_facts.at_call.get(id(call), {}).items():
                hit = _atomic_sleep(function, node, call, prop, facts)
                if hit is not None:
                    found.setdefault(id(call), hit)
    left_open = _left_open(function, lock_facts) if found else frozenset()
    causes = ((each, _cause(function, each, left_open)) for each in found.values())
    return tuple(sorted((replace(s, cause=c) for s, c in causes), key=lambda s: (s.call.line, s.call.column)))


def _cause(function: Function, found: AtomicSleep, left_open: frozenset[Site]) -> str:
    if (found.lock_line, found.lock_name) in left_open:
        return f"{function.name}: left open"
    if not found.sleeper.steps:
        return ""
    return f"{function.name}: {found.lock_name} {found.lock_line} {found.call.value}"


def _still_held(function: Function, call: Expr, held: Held) -> bool:
    """Whether no lines are left out between the taker and a call, or what is shown next of the lock is its release."""
    gaps = (gap.line for _, gap in function.calls.get(NOT_SHOWN, ()))
    if not any(held.line < line < call.line for line in gaps):
        return True
    behind = [_lines_behind(function, rows, held, call) for rows in (function.tables.drops, function.tables.takes)]
    drop, take = (min(lines, default=None) for lines in behind)
    return drop is not None and (take is None or drop < take)


def _lines_behind(
    function: Function, rows: Mapping[str, tuple[Drop | Take, ...]], held: Held, call: Expr
) -> Iterator[int]:
    """The lines behind a call on which such a lock is given up, or taken, as the rows say."""
    for name, calls in function.calls_of(rows).items():
        if any(family(held.kind) in map(family, row.kinds) for row in rows[name]):
            yield from (each.line for _, each in calls if each.line > call.line)


def _atomic_sleep(function: Function, node: Node, call: Expr, prop: Prop, facts: Facts) -> AtomicSleep | None:
    inside = _taken_inside(call)
    held = [h for h in atomic(function, prop) if not drops_first(function, call, h) and (h.line, h.name) not in inside]
    held = [h for h in held if _still_held(function, call, h)]
    if not held:
        return None
    for sleeper in sleeps_at(function, node, call, facts):
        if sleeper.name in USER_COPIES and (no_fault(prop) or not _OOPS.isdisjoint(function.words)):
            continue
        still = [h for h in held if sleeper.forbidden_by(h)]
        if still and sleeper.gfp_param is None and GUESS not in sleeper.requires:
            lock = min(still, key=lambda h: (h.kind != "ptl", h.kind in _SECTIONS, -h.line, h.kind))
            if _ruled_out(function, sleeper, lock) or _other_kind(function, node, lock):
                sleeper = replace(sleeper, requires=tuple(sorted({*sleeper.requires, UNKNOWN})))
            return AtomicSleep(node, call, sleeper, lock.key, lock.kind, lock.line, lock.name)
    return None


def _commands(function: Function) -> frozenset[int]:
    """The calls (by id) that a waiting macro makes with the lock given up."""
    macros = (call for name, calls in function.calls.items() if _COMMAND_INSIDE.match(name) for _, call in calls)
    return frozenset(id(inner) for call in macros for arg in call.args for inner in arg.calls())


def _taken_inside(call: Expr) -> frozenset[Site]:
    """What the condition takes that a macro waits for: it returns once the condition holds, and does not sleep then."""
    if not _CONDITION_INSIDE.search(call.value):
        return frozenset()
    return frozenset((inner.line, inner.value) for arg in call.args for inner in arg.calls())


def _ruled_out(function: Function, sleeper: Sleeper, lock: Held) -> bool:
    """Whether what the function is for says that the sleep hardly happens there, or that the lock is not taken in every
    kernel: its taker is a macro of the file as well.
    """
    if lock.kind in _ALONE and _AT_BOOT.search(function.text.split(b"{", 1)[0]):
        return True
    if lock.name not in function.tables.takes and lock.name in _macros(function.source.file):
        return True
    return sleeper.large and _of_small_folios(function)


def _other_kind(function: Function, node: Node, lock: Held) -> bool:
    """Whether a loop sleeps for one kind of its elements and has taken the lock, in a turn before, for another kind.

    The elements of one list are of one kind as a rule.
    """
    elements = {arg.value for n in function.cfg.order if n.kind == "iter" and n.expr is not None for arg in n.expr.args}
    takes = {at.id for at, call in function.calls.get(lock.name, ()) if call.line == lock.line} if elements else set()
    tests = (n for n in function.cfg.order if n.kind == "branch" and n.expr is not None and n.expr.root in elements)
    for test in tests if takes else ():
        sides = [_in_this_turn(target) for target, _ in test.succ]
        if any(node.id in here and not takes & here and takes <= there for here, there in permutations(sides, 2)):
            return True
    return False


def _in_this_turn(start: Node) -> set[int]:
    """The nodes that follow before the loop goes on to its next element."""
    found: set[int] = set()
    work = [start]
    while work:
        here = work.pop()
        if here.kind != "iter" and here.id not in found:
            found.add(here.id)
            work += [target for target, _ in here.succ]
    return found


@lru_cache(maxsize=8)
def _macros(file: SourceFile) -> frozenset[str]:
    """The macros with parameters that a file defines."""
    return frozenset(name.decode() for name in _MACRO.findall(file.text))


@fact
def _of_small_folios(function: Function) -> bool:
    """Whether it is a method of objects whose files never allow large folios."""
    folder = function.path.rpartition("/")[0]
    program = function.program
    given = program.initialisers(folder).values()
    if not any((function.path, function.name) in values for values in given):
        return False
    files = (program.file(f"{folder}/{name}") for name in program.tree.names(folder) if name.endswith(".c"))
    return not any(file is not None and _LARGE_FOLIOS.search(file.text) for file in files)


def _left_open(function: Function, lock_facts: LockFacts) -> frozenset[Site]:
    """The sections that a loop enters again while they are open, and those open with them."""
    found: set[Site] = set()
    for name in function.tables.takes.keys() & function.calls.keys():
        for _, call in function.calls[name]:
            for prop in lock_facts.at_call.get(id(call), ()):
                sites = {(h.line, h.name) for h in prop if h.kind in _SECTIONS and not h.gone}
                if (call.line, name) in sites:
                    found |= sites
    return frozenset(found)
