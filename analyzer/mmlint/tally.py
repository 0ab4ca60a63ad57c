"""How many places each rule looked at, and how many of them break it: what a policy report is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from mmlint.failures import Failures, note_failure
from mmlint.finding import Finding
from mmlint.kernel.reader import visible
from mmlint.kernel.tables import Tables
from mmlint.rule import Rule, places_of
from mmlint.triggers import triggers

if TYPE_CHECKING:
    from mmlint.facts.function import Function

    Count = Callable[[Function], int]

NOT_COUNTED = -1
_CALLS = {
    "device_pages": "calls that turn an entry into its page",
    "gup": "GUP calls",
    "page_puts": "calls that give a page reference back",
    "pointer_senses": "calls whose result is a pointer or tells of failure",
    "ref_helpers": "calls of primitives of the page count",
    "set_entries": "calls that write page-table entries",
    "takes": "calls that take a lock",
}
"""What the calls of the names in a kernel table are."""
_NO_CALL = re.compile(r"[A-Z0-9_]+$|\w+_t$|__free$")
"""Constants, types, and what stands in a declaration."""


def words_of(rule: Rule, tables: object) -> frozenset[str]:
    """The words of which one must stand in a function for the rule to look at it; empty: it looks at all."""
    return frozenset(rule.tokens).union(*(getattr(tables, table) for table in rule.tables))


class Looks:
    """What the rules look at in a tree of the release that `tables` are for."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.release = tables.release
        rows = tables.sections.values()
        here = {row.name for section in rows for row in visible(section, tables.release)}
        self._elsewhere = frozenset(row.name for section in rows for row in section) - here

    def has(self, rule: Rule) -> bool:
        """Whether the release has anything that the rule is about, for all that the tables know."""
        words = words_of(rule, self.tables)
        return bool(words or not rule.tables) and not (words and words <= self._elsewhere)

    def unit(self, rule: Rule) -> str:
        """What the places of a rule are, in the plural; empty where they are not counted."""
        return unit_of(rule)


def unit_of(rule: Rule) -> str:
    """What the places of a rule are, in the plural; empty where they are not counted."""
    looked = places_of(rule)
    if looked is not None:
        return looked.what
    if rule.tables:
        return ", ".join(_CALLS.get(table, f"calls that the table `{table}` lists") for table in rule.tables)
    if not rule.tokens:
        return ""
    more = f" and {len(rule.tokens) - 1} more" if len(rule.tokens) > 1 else ""
    return f"{'functions that name' if _named(rule.tokens) else 'calls of'} {rule.tokens[0]}{more}"


def tally(
    functions: Iterable[Function], rules: Sequence[Rule], found: Sequence[Finding], failures: Failures | None = None
) -> dict[str, tuple[int, int]]:
    """By rule the places that it looked at in a file (`NOT_COUNTED` if it does not say), and those that break it.

    What counting them raises is noted in `failures`, if given.
    """
    broken: dict[str, set[tuple[int, int]]] = {}
    for finding in found:
        broken.setdefault(finding.code, set()).add((finding.line, finding.column))
    looked: dict[str, int] = {}
    for function in functions:
        for rule in triggers(rules, function.tables).woken_by(function.words):
            count = _counter(rule.code, function.tables, rule)
            try:
                looked[rule.code] = NOT_COUNTED if count is None else looked.get(rule.code, 0) + count(function)
            except Exception as error:
                note_failure(failures, error, rule, function.path, function.line)
    return {code: (places, len(broken.get(code, ()))) for code, places in looked.items()}


_counters: dict[tuple[str, int], tuple[Rule, Tables, Count | None]] = {}


def _counter(code: str, tables: Tables, rule: Rule) -> Count | None:
    """What counts the places of a rule; kept for as long as rule and tables are the same objects."""
    kept = _counters.get((code, id(tables)))
    if kept is None or kept[0] is not rule or kept[1] is not tables:
        kept = _counters[code, id(tables)] = (rule, tables, _made(rule, tables))
    return kept[2]


def _made(rule: Rule, tables: Tables) -> Count | None:
    looked = places_of(rule)
    if looked is not None:
        return looked.count
    words = words_of(rule, tables)
    if not words:
        return None
    if _named(words):
        return lambda _: 1
    return lambda function: sum(len(found) for name, found in function.calls.items() if name in words)


def _named(words: Iterable[str]) -> bool:
    """Whether the words are no functions: then the functions that name them are counted."""
    return all(_NO_CALL.match(word) for word in words)
