"""Functions that only ask, and answer otherwise after a patch though they ask for nothing new."""

from __future__ import annotations

import re
from itertools import combinations

from mmlint.changes.change import FunctionChange
from mmlint.changes.questions.formula import Answers, Choice, Formula, answer, deep_answer, questions, states, value
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.frozen import dataclass

_MOST_SHOWN = 2
_WARNING = frozenset({"unshare", "pinned", "interval_retry", "seq", "tlb_pending"})
"""Classes of guards that say yes where something must not be done, or has to be done again."""
_LEVEL = re.compile(r"(?<![a-z])(pte|pmd|pud)(?![a-z])")


@dataclass(frozen=True, slots=True)
class Otherwise:
    """`node` returns `now` (None: one or the other) in the state `where`, in which the function answered otherwise."""

    node: Node
    where: tuple[str, ...]
    now: bool | None


def same_answers(change: FunctionChange) -> bool:
    """Whether the function only asks, and answers what it did in every state."""
    if change.before is None or change.after is None:
        return False
    pairs = ((each(change.before), each(change.after)) for each in (answer, deep_answer))
    return any(old is not None and new is not None and _same(old, new) for old, new in pairs)


def answers_otherwise(change: FunctionChange) -> Otherwise | None:
    """Where a function that asks for no more than before answers something else; not where it always does.

    One that asks for less in so many words is another matter (`mmlint.changes.questions.fewer`), unless it asks
    another predicate that the one of before asked among others.
    """
    before, after = change.before, change.after
    if before is None or after is None or change.patch.partial or change.named_elsewhere or before.name != after.name:
        return None
    old, new = answer(before), answer(after)
    if old is None or new is None:
        return None
    if questions(new) != questions(old):
        fresh = questions(new) - questions(old)
        old, new = deep_answer(before), deep_answer(after)
        if old is None or new is None or not fresh or not questions(new) < questions(old):
            return None
    every = states(old, new)
    apart = [state for state in every if value(old, state) is not value(new, state)]
    differs = apart and len(apart) < len(every) and not _like_twin(before, after)
    differs = differs and not (_warns(after) and all(value(new, state) for state in apart))
    node = _place(after, change) if differs else None
    return None if node is None else Otherwise(node, *_told(apart, every, new))


def _warns(function: Function) -> bool:
    """Whether a yes of the function keeps its callers from something: to say it more often does no harm."""
    guard = function.tables.guards.get(function.name)
    return guard is not None and guard.class_ in _WARNING


def _like_twin(before: Function, after: Function) -> bool:
    """Whether the function answers now what its namesake for another level of the page tables does, and did not."""
    names = {_LEVEL.sub(level, after.name) for level in ("pte", "pmd", "pud")} - {after.name}
    twins = (twin for name in sorted(names) for twin in after.program.named(after.path, name))
    old, new = (answer(side) for side in (before, after))
    formulas = (answer(twin) for twin in twins)
    return any(
        twin is not None
        and old is not None
        and new is not None
        and _same(*(_leveled(f) for f in (new, twin)))
        and not _same(*(_leveled(f) for f in (old, twin)))
        for twin in formulas
    )


def _same(old: Formula, new: Formula) -> bool:
    every = states(old, new)
    return bool(every) and all(value(old, state) is value(new, state) for state in every)


def _leveled(formula: Formula) -> Formula:
    """A formula without the level of the page tables in what it asks."""
    if isinstance(formula, bool):
        return formula
    return Choice(_LEVEL.sub("", formula.question), _leveled(formula.yes), _leveled(formula.no))


def _told(apart: list[Answers], every: list[Answers], new: Formula) -> tuple[tuple[str, ...], bool | None]:
    """The fewest answers under which the two always differ, as text, and what the new one says then."""
    for size in range(1, _MOST_SHOWN + 1):
        for names in combinations(sorted(every[0]), size):
            for state in apart:
                alike = [each for each in every if all(each[name] is state[name] for name in names)]
                if all(each in apart for each in alike):
                    says = {value(new, each) for each in alike}
                    shown = tuple(name if state[name] else f"!{name}" for name in names)
                    return shown, says.pop() if len(says) == 1 else None
    return (), None


def _place(after: Function, change: FunctionChange) -> Node | None:
    """The last result on a changed line, or the last one."""
    results = [n for n in after.cfg.order if n.kind == "return" and n.expr is not None]
    added = [n for n in results if n.line in change.file.added]
    return max(added or results, key=lambda n: n.line, default=None)
