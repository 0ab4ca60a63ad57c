"""What the analyzer believes of a function, for people who doubt a finding: locks at each line, flags, summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmlint.facts.flags import FlagSet, environments
from mmlint.facts.function import Function
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import lock_effects, locks
from mmlint.facts.locks.sleep import sleepers
from mmlint.facts.program import Program
from mmlint.facts.steps import render


def explain(program: Program, path: str, name: str | None = None) -> str:
    """The facts of one function of a file, or of every function that takes or drops a lock.

    Raises LookupError, in one line, when the file or the function is not there.
    """
    shown = [f for f in _asked(program, path, name) if name or locks(f).at_call]
    return "\n\n".join("\n".join(describe(f)) for f in shown)


def steps_of(program: Program, path: str, name: str | None = None) -> str:
    """The protocol steps of one function of a file, or of all. Raises LookupError like `explain`."""
    return "\n".join(render(f).rstrip("\n") for f in _asked(program, path, name))


def _asked(program: Program, path: str, name: str | None) -> Sequence[Function]:
    if program.file(path) is None:
        raise LookupError(f"{path}: no such file in the tree; give the path from the tree's root")
    functions = program.named(path, name) if name else program.functions(path)
    if name and not functions:
        raise LookupError(f"{path}: no function is called `{name}`; `mmlint facts {path}` lists those with locks")
    return functions


def describe(function: Function) -> Iterator[str]:
    """The facts of a function, in lines."""
    source = function.source
    yield f"{function.name}  {function.path}:{source.start_line}-{source.end_line}"
    if source.condition:
        yield f"  under {source.condition}"
    if source.damaged:
        yield "  not read completely: the body holds something the parser does not understand"
    facts = locks(function)
    if facts.flow.overflow:
        yield "  locks: too many combinations, given up"
    if facts.uncertain:
        yield "  locks: a callee changes them in a way its result does not tell"
    yield "  locks"
    yield from _lock_lines(function)
    flags = list(_flag_lines(function))
    if flags:
        yield "  flags"
        yield from flags
    yield "  callers see"
    yield from _summary(function)


def _lock_lines(function: Function) -> Iterator[str]:
    facts = locks(function)
    last: list[str] = []
    calls = sorted((c.line, c.column, c) for calls in function.calls.values() for _, c in calls)
    for line, _, call in calls:
        states = sorted({_state(prop) for prop in facts.held(call)})
        if states and states != last:
            yield f"    {line:>6}  {call.value or '(pointer)'}: {' | '.join(states)}"
            last = states


def _state(prop: frozenset[Held]) -> str:
    if not prop:
        return "nothing"
    return ", ".join(f"{'not ' if h.gone else ''}{h.kind} {h.key}".strip() for h in sorted(prop))


def _flag_lines(function: Function) -> Iterator[str]:
    seen: set[str] = set()
    for node in function.cfg.order:
        for variable, value in environments(function).get(node.id, {}).items():
            text = f"{variable}: {_flags(function, value)}"
            if value.may and text not in seen:
                seen.add(text)
                yield f"    {node.line:>6}  {text}"


def _flags(function: Function, value: FlagSet) -> str:
    parts = [f"always {' | '.join(sorted(value.must))}"] if value.must else []
    parts += [f"perhaps {' | '.join(sorted(value.may - value.must))}"] if value.may - value.must else []
    parts += [f"and parameter `{function.params[i]}`" for i in sorted(value.params)]
    return "; ".join(parts + (["and something unknown"] if value.unknown else []))


def _summary(function: Function) -> Iterator[str]:
    effects = lock_effects(function)
    for effect in effects:
        result = f" when it returns {effect.value}" if effect.value else ""
        change = [f"takes {_state(effect.taken)}"] if effect.taken else []
        change += (
            [f"releases {', '.join(f'{h.kind} {h.key}' for h in sorted(effect.released))}"] if effect.released else []
        )
        yield f"    {' and '.join(change) or 'leaves the locks alone'}{result}"
    for sleeper in sleepers(function):
        mask = f", if `{function.params[sleeper.gfp_param]}` allows reclaim" if sleeper.gfp_param is not None else ""
        after = ", after giving the caller's locks up" if sleeper.unlocked else ""
        yield f"    may sleep in `{sleeper.name}`{mask}{after}"
    if not effects and not sleepers(function):
        yield "    neither a change of locks nor a sleep"
