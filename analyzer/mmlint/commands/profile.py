"""`--profile`: where the time of a run goes, by stage and by rule."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import Any, TypeVar

from mmlint.frozen import dataclass
from mmlint.output.text import plural
from mmlint.rule import known, load

_Result = TypeVar("_Result")
_Place = tuple[str, int, str]
"""A function as the profiler names it: file, line, name."""

_STAGES = {
    "inputs": "reading inputs",
    "source": "parsing",
    "facts": "facts",
    "kernel": "kernel tables",
    "engine": "comparing states",
    "patches": "comparing states",
    "policy": "policy",
    "settings": "policy",
    "mmlint_rules": "rules",
}
_REST = "the rest"
_SHOWN = 0.001
"""Rules below this many seconds that found nothing are not worth a row."""
_CHECKS = ("check", "compare", "check_patch")


@dataclass(slots=True)
class _Rules:
    """Seconds and findings by code."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    hits: Counter[str] = field(default_factory=Counter)


def measure(work: Callable[[], _Result]) -> tuple[_Result, str]:
    """The result of `work`, and a table of what took the time: stages by their own time, rules with what they ask for.

    The profiler itself makes everything slower, small functions most; the shares are what to read.
    """
    from mmlint.kernel.tables import tables

    began = time.perf_counter()
    load()
    loading = time.perf_counter() - began
    profiler = cProfile.Profile()
    profiler.runcall(tables)  # else they count for the first rule
    with _timed() as rules:
        result = profiler.runcall(work)
    return result, _table(pstats.Stats(profiler), rules, loading)


@contextmanager
def _timed() -> Iterator[_Rules]:
    """Every rule keeps the time for a while. A fact that several rules need counts for the one that asks first."""
    rules = _Rules()
    plain = [(rule, name, getattr(rule, name)) for rule in known() for name in _CHECKS if getattr(rule, name)]
    for rule, name, check in plain:
        object.__setattr__(rule, name, _clocked(rule.code, check, rules))
    try:
        yield rules
    finally:
        for rule, name, check in plain:
            object.__setattr__(rule, name, check)


def _clocked(code: str, check: Callable[[Any], Iterator[Any]], rules: _Rules) -> Callable[[Any], Iterator[Any]]:
    def run(subject: Any) -> Iterator[Any]:
        began = time.perf_counter()
        for hit in check(subject):
            rules.seconds[code] += time.perf_counter() - began
            rules.hits[code] += 1
            yield hit
            began = time.perf_counter()
        rules.seconds[code] += time.perf_counter() - began

    return run


def _table(stats: pstats.Stats, rules: _Rules, loading: float) -> str:
    calls: dict[_Place, Any] = stats.stats  # type: ignore[attr-defined]
    stages: defaultdict[str, float] = defaultdict(float, {"loading rules": loading})
    for place, (_, _, own, _, _) in calls.items():
        stages[_stage(place, calls)] += own
    total = sum(stages.values()) or 1.0
    rows = [f"{total:8.3f} s  in all, in one process, slowed by measuring"]
    rows += [f"{seconds:8.3f} s  {seconds / total:4.0%}  {stage}" for stage, seconds in _most(stages)]
    rows.append("by rule, with the facts that it was the first to ask for:")
    names = {rule.code: rule.name for rule in load()}
    rows += [
        f"{seconds:8.3f} s  {seconds / total:4.0%}  {code}  {names[code]}, {plural(rules.hits[code], 'hit')}"
        for code, seconds in _most(rules.seconds)
        if seconds >= _SHOWN or rules.hits[code]
    ]
    return "".join(row + "\n" for row in rows)


def _most(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda row: (-row[1], row[0]))


def _stage(place: _Place, calls: dict[_Place, Any]) -> str:
    """The stage a function works for; a library's is that of whoever makes it work longest."""
    seen = {place}
    while (own := _own_stage(place[0])) is None:
        callers = {caller: row[3] for caller, row in calls[place][4].items() if caller not in seen}
        if not callers:
            return _REST
        place = max(callers, key=lambda caller: callers[caller])
        seen.add(place)
    return own


def _own_stage(file: str) -> str | None:
    parts = Path(file).parts
    if "mmlint_rules" in parts:
        return _STAGES["mmlint_rules"]
    if "mmlint" not in parts:
        return None
    at = len(parts) - 1 - parts[::-1].index("mmlint")
    inside = parts[at + 1].removesuffix(".py") if at + 1 < len(parts) else ""
    return _STAGES.get(inside, _REST)
