"""Which rules a function wakes: those of whose words one stands in its text, and those that name none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmlint.kernel.tables import Tables
    from mmlint.rule import Rule


class Triggers:
    """The `check` rules by the words that wake them; sets of rules are numbers with a bit for each."""

    def __init__(self, rules: Sequence[Rule], tables: Tables) -> None:
        self.rules = rules
        self.tables = tables
        self._always = 0
        self._by_word: dict[str, int] = {}
        self._sets: dict[int, tuple[Rule, ...]] = {}
        for place, rule in enumerate(rules):
            if rule.check is None:
                continue
            if not rule.tokens and not rule.tables:
                self._always |= 1 << place
            for word in {*rule.tokens, *(word for table in rule.tables for word in getattr(tables, table))}:
                self._by_word[word] = self._by_word.get(word, 0) | 1 << place
        self._words = frozenset(self._by_word)

    def woken_by(self, words: frozenset[str]) -> tuple[Rule, ...]:
        """The rules to run on a function with these words, in the order of `rules`."""
        woken = self._always
        for word in words & self._words:
            woken |= self._by_word[word]
        found = self._sets.get(woken)
        if found is None:
            found = tuple(rule for place, rule in enumerate(self.rules) if woken >> place & 1)
            self._sets[woken] = found
        return found


_kept: list[Triggers] = []


def triggers(rules: Sequence[Rule], tables: Tables) -> Triggers:
    """The triggers of these very objects; those of the last call are kept."""
    if not _kept or _kept[0].rules is not rules or _kept[0].tables is not tables:
        _kept[:] = [Triggers(rules, tables)]
    return _kept[0]
