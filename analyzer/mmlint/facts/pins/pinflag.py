"""Whether the mm is told that it has pinned pages before a pin's walk begins, on each way from an entry point."""

from __future__ import annotations

from mmlint.facts.function import Function, fact
from mmlint.facts.pins.grabs import grabs

_PIN = "FOLL_PIN"
_MAX_DEPTH = 12
_ENTRY_PAGES = frozenset({"pte_page", "pmd_page", "pud_page", "vm_normal_page"})


@fact
def untold(function: Function) -> tuple[str, ...]:
    """The pin entry points of the file from which `function` is the last to know of FOLL_PIN on an unmarked way.

    An unmarked way leads to a walker that grabs the page of an entry and passes no function that marks the mm.
    """
    first = function.program.functions(function.path)[0]
    return _answers(first).get(function.name, ())


@fact
def _answers(first: Function) -> dict[str, tuple[str, ...]]:
    bodies = sorted(first.program.functions(first.path), key=lambda f: len(f.text))
    functions = {f.name: f for f in bodies}  # of several under different conditions, the one that does most
    table = first.tables.gup
    marks = {name for name, mark in first.tables.marks.items() if mark.what == "has-pinned"}
    if not any(marks & f.words for f in functions.values()) and not _tree_marks(first, marks):
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name in functions:
        if name in table and _PIN in table[name].implies:
            for way in _ways(functions, [name], marks, set()):
                last = next(each for each in reversed(way[:-1]) if _PIN in functions[each].words or each == name)
                if name not in found.get(last, ()):
                    found[last] = (*found.get(last, ()), name)
    return found


def _tree_marks(first: Function, marks: set[str]) -> bool:
    """Whether the tree has the mark at all: before 5.14 it was a field, before 5.10 there was none."""
    return any(first.program.elsewhere(name, first.path) is not None for name in marks)


def _takes_pages(function: Function, functions: dict[str, Function]) -> bool:
    """Whether a walker takes the page of an entry: by a try, or by a helper of the file that knows pins."""
    if grabs(function):
        return True
    helpers = (functions[name] for name in function.calls if name in functions)
    return bool(_ENTRY_PAGES & function.words) and any(_PIN in helper.words for helper in helpers)


def _ways(functions: dict[str, Function], way: list[str], marks: set[str], seen: set[str]) -> list[list[str]]:
    """The first unmarked way below the last function of `way` to each walker that grabs pages."""
    here = functions[way[-1]]
    if here.name in seen or marks & here.words or len(way) > _MAX_DEPTH:
        return []
    seen.add(here.name)
    if _takes_pages(here, functions):
        return [way]
    return [found for name in here.calls if name in functions for found in _ways(functions, [*way, name], marks, seen)]
