"""Protocol steps: which calls do a step, which sinks it guards, what is as good and what is weaker (`steps.toml`).

`tables().steps` is the way in; it is read at the first use, for only rules that compare two states of a function ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mmlint.frozen import dataclass
from mmlint.kernel import entries as e
from mmlint.kernel.reader import TableError, read_shipped, visible
from mmlint.kernel.row import Row

if TYPE_CHECKING:
    from mmlint.kernel.tables import Tables

_FILE = Path(__file__).parent / "steps.toml"


_THOUGH_EQUAL = frozenset({"batch", "nonpresent", "present"})
"""Orders that hold of calls which do the same step elsewhere."""


@dataclass(frozen=True, slots=True)
class Steps:
    """The step tables with every word written out: the steps `by_name`, the orders of strength, the equal calls and the
    states that predicates hold for.
    """

    by_name: dict[str, e.Step]
    stronger: dict[str, e.Stronger]
    same: dict[str, e.Same]
    states: dict[str, e.States]

    def done_by(self, call: str) -> tuple[e.Step, ...]:
        """The steps that a call does."""
        return tuple(step for step in self.by_name.values() if call in step.calls)

    def guarding(self, sink: str) -> tuple[e.Step, ...]:
        """The steps that guard a sink."""
        return tuple(step for step in self.by_name.values() if sink in step.sinks)

    def equals(self, call: str) -> frozenset[str]:
        """The calls, and `a+b` pairs of calls, that do the same as `call`."""
        return frozenset(other for row in self.same.values() if call in row.calls for other in row.calls)

    def weakened(self, before: str, after: str) -> e.Stronger | None:
        """The order in which `after` is weaker than `before`, if one says so."""
        return next(self.weaker(before, after), None)

    def weaker(self, before: str, after: str) -> Iterator[e.Stronger]:
        """The orders in which `after` is weaker than `before`.

        Equal calls are never weaker, save that one entry is less than a batch and that an entry which is not present
        has a layout of its own.
        """
        equal = after in self.equals(before)
        for row in self.stronger.values():
            if equal and row.only not in _THOUGH_EQUAL:
                continue
            if before in row.calls and after in row.calls and row.calls.index(before) < row.calls.index(after):
                yield row


@cache
def _shipped() -> dict[str, list[Row]]:
    return read_shipped(_FILE)


@cache
def steps_of(table: Tables) -> Steps:
    """The steps of a view of the tables. Raises TableError for a word that stands for no name."""
    all_rows = {s: [*table.sections.get(s, ()), *_shipped().get(s, ())] for s in ("step", "stronger", "same", "states")}
    steps = [row for row in visible(all_rows["step"], table.release) if isinstance(row, e.Step)]
    stronger = [row for row in visible(all_rows["stronger"], table.release) if isinstance(row, e.Stronger)]
    same = [row for row in visible(all_rows["same"], table.release) if isinstance(row, e.Same)]
    states = [row for row in visible(all_rows["states"], table.release) if isinstance(row, e.States)]
    return Steps(
        by_name={
            row.name: replace(row, calls=expand(row.calls, table), sinks=expand(row.sinks, table))
            for row in steps[::-1]
        },
        stronger={row.name: replace(row, calls=expand(row.calls, table)) for row in reversed(stronger)},
        states={row.name: row for row in reversed(states)},
        same={row.name: replace(row, calls=expand(row.calls, table)) for row in reversed(same)},
    )


def _resource(table: Tables, word: str, side: str) -> Iterable[str]:
    """The calls of a resource on one side; spaces of its name are written as `-`."""
    return (
        row.name
        for each in table.resources.values()
        if each.name.replace(" ", "-") == word
        for row in getattr(each, side)
    )


def _flush(table: Tables, which: str) -> Iterable[str]:
    return (n for n, row in table.flushes.items() if which in ("", row.scope) or (which == "sync" and row.sync))


def _carry(table: Tables, which: str) -> Iterable[str]:
    bit, _, op = which.partition(":")
    return (n for n, row in table.carries.items() if row.bit == bit and op in ("", row.op))


_WORDS: dict[str, Callable[[Tables, str], Iterable[str]]] = {
    "guard": lambda t, which: (n for n, row in t.guards.items() if row.class_ == which),
    "wrprotect": lambda t, _: t.wrprotects,
    "set_entry": lambda t, which: (n for n, row in t.set_entries.items() if which in ("", row.op)),
    "flush": _flush,
    "notifier": lambda t, which: (n for n, row in t.notifiers.items() if row.role == which),
    "mark": lambda t, which: (n for n, row in t.marks.items() if row.what == which),
    "carry": _carry,
    "take": lambda t, which: (n for n, rows in t.takes.items() if any(row.kind == which for row in rows)),
    "drop": lambda t, which: (n for n, rows in t.drops.items() if any(row.kind == which for row in rows)),
    "takes": lambda t, which: _resource(t, which, "takes"),
    "gives": lambda t, which: _resource(t, which, "gives"),
}


def expand(words: Iterable[str], table: Tables) -> tuple[str, ...]:
    """The words with every `@table:which` replaced by the names it stands for, without repeats.

    Raises TableError for a word that stands for nothing.
    """
    found: dict[str, None] = {}
    for word in words:
        if not word.startswith("@"):
            found[word] = None
            continue
        found.update(dict.fromkeys(_named(word, table)))
    return tuple(found)


@cache
def _named(word: str, table: Tables) -> tuple[str, ...]:
    section, _, which = word[1:].partition(":")
    names = tuple(_WORDS[section](table, which)) if section in _WORDS else ()
    if not names:
        raise TableError(f"{word!r} stands for no name; write @table:which, such as @guard:pinned")
    return names
