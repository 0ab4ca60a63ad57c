"""What a patch does elsewhere that it did not do before: helpers called now, callees and callers that changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function
from mmlint.facts.steps import NO_CALL, Act, acts, performed, spelled
from mmlint.kernel.entries import Step


class Gains:
    """What the rest of a patch does now that it did not do before."""

    def __init__(self, change: FunctionChange, compared: Comparison) -> None:
        self.change = change
        self.compared = compared
        self.program = compared.after.program
        self.tables = compared.after.tables

    def helper_does(self, call: Act, act: Act, row: Step) -> bool:
        """Whether a call does the step in its body; a callee that cannot be seen may, if it is about the same thing."""
        if call.expr.kind != "call" or (self._known(call.word) and not act.word.startswith("flag:")):
            return False
        path = self.compared.after.path
        callee = next(iter(self.program.named(path, call.word)), None)
        callee = callee or self.compared.before.program.resolve(call.word, path)
        if callee is None:
            return bool(call.names & act.names) and not call.word.startswith(ACCESSORS)
        return self._does(performed(callee), act, row)

    def elsewhere(self, act: Act, row: Step) -> bool:
        """Whether a callee or caller that the patch changes, or adds, now does the step."""
        for other in self.change.patch.changes:
            if other is self.change or other.after is None:
                continue
            linked = other.after.name in _words(self.compared.after) or self.compared.after.name in _words(other.after)
            if linked and self._does(frozenset(self._fresh(other)), act, row):
                return True
        return False

    def _fresh(self, other: FunctionChange) -> Iterator[str]:
        compared = comparison(other)
        if other.after is None:
            return
        if compared is None:
            yield from performed(other.after)
            return
        yield from (a.word for a in compared.added)

    def _does(self, words: Iterable[str], act: Act, row: Step) -> bool:
        alike = self.tables.steps.equals(act.word) | {act.word}
        guard = self.tables.guards.get(act.word)
        if guard is not None:
            alike |= self.tables.with_class(guard.class_)
        if not act.word.startswith(NO_CALL):
            alike |= set(row.calls)
        wanted = {spelled(word) for word in alike if not self._other_layout(act.word, word)}
        return any(spelled(word) in wanted for word in words)

    def _other_layout(self, word: str, other: str) -> bool:
        """Whether two accessors change a bit where it lies in present entries, and where it lies in others."""
        mine, its = (self.tables.carries.get(each) for each in (word, other))
        if mine is None or its is None or mine.op == "test":
            return False
        return "any" not in (mine.form, its.form) and mine.form != its.form

    def _known(self, word: str) -> bool:
        t = self.tables
        return any(
            word in table
            for table in (t.guards, t.set_entries, t.wrprotects, t.flushes, t.marks, t.carries, t.takes, t.drops)
        )


ACCESSORS = (
    "page_",
    "pte_",
    "pmd_",
    "pud_",
    "ptep_get",
    "pmdp_get",
    "vma_",
    "folio_nr",
    "folio_page",
    "READ_ONCE",
    "WRITE_ONCE",
)


def _words(function: Function) -> frozenset[str]:
    return frozenset(act.word for act in acts(function))
