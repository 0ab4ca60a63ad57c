"""What may sleep: calls that the tables name, and functions that reach one while the caller's lock is still held.

A sleeper deep in a callee is carried up with every call on the way, with the gfp parameter that decides it and what
must hold of the callee's parameters for control to get there.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mmlint.facts.cfg import Node
from mmlint.facts.flags import FlagSet, flags_at, reclaims
from mmlint.facts.function import Function, keep
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.locks.held import Held, Prop
from mmlint.facts.locks.locks import locks
from mmlint.facts.locks.lockwords import names_called
from mmlint.facts.needs import (
    GUESS,
    UNKNOWN,
    Need,
    Settings,
    blocking_tests,
    callers_know,
    contradicts,
    excludes,
    guarded,
    path_needs,
    settings,
    spelled_out,
)
from mmlint.facts.values import Facts, evaluate, is_zero, refine
from mmlint.finding import Step
from mmlint.frozen import dataclass

_MAX_SITES = 6
USER_COPIES = frozenset(
    """
    copy_from_user copy_to_user _copy_from_user _copy_to_user __copy_from_user __copy_to_user clear_user __clear_user
    get_user put_user __get_user __put_user strncpy_from_user strnlen_user copy_page_from_iter copy_page_to_iter
    copy_to_iter copy_from_iter might_fault
    """.split()
)
"""They do not sleep where page faults are disabled: they come back short."""
_NO_FAULT = frozenset({"kmap_atomic", "pagefault_off"})
"""The contexts in which page faults are disabled."""
LEVELS = 4
_ABOVE = 2
"""How many calls deep a sleeper is looked for below the call that is made under the lock."""


_UNLOCKING = frozenset({"rcu", "pte_map", "walk"})
"""Who gives up one of these for the caller may have given up all that forbids to sleep."""
_ANNOTATED = frozenset({"might_sleep", "might_sleep_if"})
"""Who writes these says that the call may sleep whatever its reference."""
_MAX_GUARDS = 2
"""A sleep behind so many conditions is one that the caller may well rule out."""

_WAITS = re.compile(r"((can|may|do|should|is)_)?(sync|synchronous|wait|block|sleep)(able|ing)?$")
"""Names of parameters that say whether to wait."""


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A way to sleep inside a call.

    `name` is the API call that sleeps, `gfp_param` the parameter whose mask decides it (None: it always may),
    `requires` the parameter values needed to get there, `settings` those of the machine, `steps` the calls on the way,
    outermost first. `guards`: how many blocks on the way may be left out, one in another counted twice.
    `unlocked`: the caller's locks are given up first, so that only an RCU section of his forbids it.
    """

    name: str
    gfp_param: int | None = None
    requires: tuple[Need, ...] = ()
    steps: tuple[Step, ...] = ()
    large: bool = False
    settings: Settings = ()
    guards: int = 0
    unlocked: bool = False

    def forbidden_by(self, held: Held) -> bool:
        """Whether a lock of the caller's is still held when it sleeps."""
        return not self.unlocked or held.kind == "rcu"


def sleeps_at(function: Function, node: Node, call: Expr, facts: Facts, level: int = LEVELS) -> list[Sleeper]:
    """The ways in which one call may sleep, seen from `function`: those it decides itself, and those its caller does.

    `level` is how many calls deep the callee is followed.
    """
    found = _ways(function, node, call, facts, level)
    for name in blocking_tests(facts) if found else ():
        flags = flags_at(function, node, Expr("name", name, (), call.line))
        found = [s for each in found for s in (_by_gfp(function, each, flags) if each.gfp_param is None else [each])]
    return found


def _ways(function: Function, node: Node, call: Expr, facts: Facts, level: int) -> list[Sleeper]:
    table = function.tables
    name = call.value
    row = table.sleeps.get(name)
    if row is not None:
        if row.when in ("always", "large", "depends"):
            return [Sleeper(name, large=row.when == "large", requires=(UNKNOWN,) if row.when == "depends" else ())]
        if row.when.startswith("calls:"):
            return _called_back(function, call, int(row.when[6:]), level)
        if row.when.startswith("if:"):
            return _on_condition(function, node, call, facts, int(row.when[3:]))
        if row.when == "gfp" and row.gfp_arg is not None and row.gfp_arg < len(call.args):
            return _by_gfp(function, Sleeper(name), flags_at(function, node, call.args[row.gfp_arg]))
        return []
    if not name:
        return _by_method(function, call)
    if name in table.nosleep or name in table.takes or name in table.drops:
        return []
    callee = function.program.known(name, function.path)
    if callee is None or callee is function:
        return []
    inside = sleepers(callee, level)
    if inside and _told_not_to(call, callee, facts):
        inside = tuple(s for s in inside if not s.guards and UNKNOWN not in s.requires)
    return [s for inner in inside for s in _through(function, node, call, facts, inner)]


def _by_method(function: Function, call: Expr) -> list[Sleeper]:
    """The way to sleep in a call through a table of functions, where the table says that this one may."""
    callee = call.callee
    if callee is None or callee.kind != "field" or callee.args[0].kind != "field":
        return []
    rows = function.tables.methods.get(callee.value, ())
    return [Sleeper(callee.value) for row in rows if row.sleeps_by == callee.args[0].value][:1]


def _told_not_to(call: Expr, callee: Function, facts: Facts) -> bool:
    """Whether a parameter that by its name says whether to wait is given false: then no way that hangs on something
    else counts, as that may well have been set by it.
    """
    told = zip(callee.params, call.args, strict=False)
    return any(_WAITS.match(name) and is_zero(evaluate(arg, facts)) for name, arg in told)


def _called_back(function: Function, call: Expr, index: int, level: int) -> list[Sleeper]:
    """The ways to sleep in a function that the call is given and may run before it returns (`kref_put`)."""
    given = call.args[index] if index < len(call.args) else None
    target = (
        function.program.resolve(given.value, function.path) if given is not None and given.kind == "name" else None
    )
    if target is None or target is function:
        return []
    step = Step(function.path, call.line, f"`{call.value}` may call `{target.name}`")
    found = (s for s in sleepers(target, level) if s.gfp_param is None)
    return [replace(s, requires=tuple(sorted({*s.requires, UNKNOWN})), steps=(step, *s.steps)) for s in found]


def _on_condition(function: Function, node: Node, call: Expr, facts: Facts, index: int) -> list[Sleeper]:
    """The way to sleep in a call that does so if the condition in one of its arguments holds."""
    condition = call.args[index] if index < len(call.args) else None
    after = refine(condition, True, facts) if condition is not None else facts
    if condition is None or after is None or is_zero(evaluate(condition, facts)) is False:
        return [] if after is None else [Sleeper(call.value)]
    masks = blocking_tests(after)
    if masks and masks != blocking_tests(facts):
        flags = flags_at(function, node, Expr("name", masks[0], (), call.line))
        return _by_gfp(function, Sleeper(call.value), flags)
    told = path_needs(function, after)
    return [Sleeper(call.value, requires=told if told != path_needs(function, facts) else (UNKNOWN,))]


def _by_gfp(function: Function, sleeper: Sleeper, flags: FlagSet) -> list[Sleeper]:
    if reclaims(function, flags):
        return [sleeper]
    if len(flags.params) == 1 and not flags.unknown:
        return [] if _rules_out(function, flags) else [replace(sleeper, gfp_param=next(iter(flags.params)))]
    if flags.unknown and not _rules_out(function, flags):
        return [replace(sleeper, gfp_param=None, requires=tuple(sorted({*sleeper.requires, GUESS})))]
    return []


def _rules_out(function: Function, flags: FlagSet) -> bool:
    """Whether a flag without direct reclaim is set whatever else is."""
    masks = function.tables.gfp
    return any(masks[flag].reclaim is False for flag in flags.must if flag in masks)


def _through(function: Function, node: Node, call: Expr, facts: Facts, inner: Sleeper) -> list[Sleeper]:
    if excludes(inner.settings, facts):
        return []
    requires = []
    for need in inner.requires:
        if need.param < 0:
            requires.append(need)
            continue
        if need.param >= len(call.args):
            return []
        arg = call.args[need.param]
        if contradicts(arg, need, facts):
            return []
        if need.of_member:
            continue
        if arg.kind == "name" and arg.value in function.params and arg.key not in facts:
            requires.append(need._replace(param=function.params.index(arg.value)))
        elif evaluate(arg, facts) is None and not spelled_out(arg):
            requires.append(UNKNOWN)
    step = Step(function.path, call.line, f"`{function.name}` calls `{call.value}`")
    carried = replace(inner, steps=(step, *inner.steps), requires=tuple(sorted(set(requires))), gfp_param=None)
    if inner.gfp_param is None:
        return [carried]
    if inner.gfp_param >= len(call.args):
        return []
    return _by_gfp(function, carried, flags_at(function, node, call.args[inner.gfp_param]))


def sleepers(function: Function, level: int = LEVELS) -> tuple[Sleeper, ...]:
    """The ways to sleep inside `function` while its caller's locks are still held, up to `level` calls deep."""
    return keep(function, ("sleepers", level), lambda: _sleepers(function, level))


def sleeps_anyway(function: Function, above: int = _ABOVE) -> bool:
    """Whether the function, or one that calls it, may sleep whatever it is told: it runs where that is allowed."""
    if any(not found.requires and found.gfp_param is None for found in sleepers(function)):
        return True
    return any(sleeps_anyway(caller, above - 1) for caller in (callers(function, including=True) if above else ()))


def _can_sleep(function: Function, level: int) -> bool:
    """Whether the text names a sleeper, or a function that does: a cheap look before the flow is followed."""

    def look() -> bool:
        table = function.tables
        called = set(names_called(function))
        return not (table.sleeps.keys().isdisjoint(called) and table.methods.keys().isdisjoint(called)) or (
            level > 1 and any(_leads_to_sleep(function, name, level - 1) for name in sorted(called - table.nosleep))
        )

    return keep(function, ("can sleep", level), look)


def _leads_to_sleep(function: Function, name: str, level: int) -> bool:
    table = function.tables
    if name in table.takes or name in table.drops or name in table.guards:
        return False
    callee = function.program.known(name, function.path)
    return callee is not None and callee is not function and _can_sleep(callee, level)


def _sleepers(function: Function, level: int) -> tuple[Sleeper, ...]:
    if level <= 0 or not _can_sleep(function, level) or function.cfg.truncated:
        return ()
    lock_facts = locks(function)
    if lock_facts.flow.overflow:
        return ()
    best: dict[tuple[int | None, tuple[Need, ...], bool, Settings, bool], Sleeper] = {}
    for calls in function.calls.values():
        for node, call in calls:
            states = lock_facts.at_call.get(id(call), {})
            given_up = any(h.gone and h.kind != "mmap_lock" for prop in states for h in prop)
            for prop, facts in states.items():
                gone = {h.kind for h in prop if h.gone} - {"mmap_lock"}
                if _UNLOCKING & gone or _gives_up(function, call):
                    continue
                for found in sleeps_at(function, node, call, facts, level - 1):
                    if found.name in USER_COPIES and no_fault(prop):
                        continue
                    kept = _seen_from_outside(function, node, call, facts, found)
                    kept = replace(kept, unlocked=True) if gone or (given_up and _not_held(function, facts)) else kept
                    slot = (kept.gfp_param, kept.requires, kept.large, kept.settings, kept.unlocked)
                    if slot not in best or len(best[slot].steps) > len(kept.steps):
                        best[slot] = kept
    ranked = sorted(best.values(), key=lambda s: (s.unlocked, s.large, len(s.requires), len(s.steps), s.name))
    return tuple(ranked[:_MAX_SITES])


def _not_held(function: Function, facts: Facts) -> bool:
    """Whether the caller has said through a pointer that there is nothing to give up (`if (*locked) unlock()`)."""
    return any(is_zero(facts.get(f"*{name}")) is True for name in function.params)


def _seen_from_outside(function: Function, node: Node, call: Expr, facts: Facts, found: Sleeper) -> Sleeper:
    """A way to sleep at a call with what must hold in this function for control to get to the call."""
    requires = {*found.requires, *path_needs(function, facts)}
    guards = found.guards
    if found.name not in _ANNOTATED and UNKNOWN not in requires:
        guards += guarded(function, node)
        if guards >= _MAX_GUARDS or callers_know(function, node):
            requires.add(UNKNOWN)
    return replace(
        found,
        requires=tuple(sorted(requires)),
        settings=tuple(sorted({*found.settings, *settings(function, facts)})),
        guards=guards,
        steps=found.steps or (Step(function.path, call.line, _says(function, found)),),
    )


def _says(function: Function, sleeper: Sleeper) -> str:
    return f"`{function.name}` calls `{sleeper.name}`, which may sleep"


def no_fault(prop: Prop) -> bool:
    """Whether page faults are disabled in a state."""
    return any(h.kind in _NO_FAULT and not h.gone for h in prop)


def _gives_up(function: Function, call: Expr) -> bool:
    """Whether the call releases an atomic lock of the caller before it sleeps (with mmap_lock the others stay held)."""
    drops = function.tables.drops.get(call.value, ())
    return call.value in function.tables.sleeps and any(drop.kind != "mmap_lock" for drop in drops)


def drops_first(function: Function, call: Expr, held: Held) -> bool:
    """Whether the call gives the lock up before it sleeps (`migration_entry_wait_on_locked`)."""
    return any(held.kind in d.kinds or d.kind in ("ptl", "spin") for d in function.tables.drops.get(call.value, ()))
