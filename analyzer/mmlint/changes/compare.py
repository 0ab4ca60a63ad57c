"""Two states of a function laid side by side: which act of the one is which act of the other, and what is left over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import field

from mmlint.changes.change import FunctionChange
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act, acts
from mmlint.frozen import dataclass
from mmlint.linediff import opcodes

_BY_SCOPE = frozenset({"__free", "CLASS", "guard", "scoped_guard"})
_Key = Callable[[Act], Hashable]


@dataclass(slots=True)
class Comparison:
    """The acts of both sides. `pairs` maps an act of before (by id) to its counterpart; `still` holds the ids of the
    acts that stand on an unchanged line; `lines` maps the numbers of unchanged lines, `standing` are
    those of after; `removed` and `added` have no counterpart.
    """

    before: Function
    after: Function
    old: tuple[Act, ...]
    new: tuple[Act, ...]
    pairs: dict[int, Act] = field(default_factory=dict)
    sources: dict[int, Act] = field(default_factory=dict)
    still: set[int] = field(default_factory=set)
    hunks: dict[int, int] = field(default_factory=dict)
    lines: dict[int, int] = field(default_factory=dict)
    standing: frozenset[int] = frozenset()

    @property
    def removed(self) -> list[Act]:
        """Acts of before that nothing in after stands for."""
        return [act for act in self.old if id(act) not in self.pairs]

    @property
    def added(self) -> list[Act]:
        """Acts of after that stand for nothing in before."""
        return [act for act in self.new if id(act) not in self.sources]

    @property
    def gone(self) -> list[Node]:
        """The nodes of before that stand on lines which the patch removes."""
        return [node for node in self.before.cfg.order if not _all_in(node, self.lines)]

    @property
    def fresh(self) -> list[Node]:
        """The nodes of after that stand on lines which the patch adds."""
        return [node for node in self.after.cfg.order if not _all_in(node, self.standing)]

    @property
    def scoped(self) -> bool:
        """Whether the function has come to give things up at the end of a scope, or with its device."""
        fresh = self.after.words - self.before.words
        return not fresh.isdisjoint(_BY_SCOPE) or any(word.startswith("devm_") for word in fresh)

    def behind(self, node: Node) -> Node | None:
        """What stands, after the patch, where a node stood: the first statement behind it that the patch leaves, or the
        last one before it.
        """
        order = self.before.cfg.order
        at = order.index(node)
        lines = (self.lines.get(n.line) for n in (*order[at:], *order[at::-1]) if n.expr is not None)
        line = next((line for line in lines if line is not None), None)
        return next((n for n in self.after.cfg.order if n.line == line and n.expr is not None), None)

    def reworded(self) -> Iterator[tuple[Act, Act, Expr, Expr]]:
        """The calls of one function of which one argument alone is another: the calls and the argument, old and new."""
        for act in self.old:
            now = self.pairs.get(id(act))
            if (
                now is None
                or act.expr.kind != "call"
                or now.word != act.word
                or len(act.expr.args) != len(now.expr.args)
            ):
                continue
            other = [(a, b) for a, b in zip(act.expr.args, now.expr.args, strict=True) if a.key != b.key]
            if len(other) == 1:
                yield act, now, *other[0]

    def join(self, a: Act, b: Act) -> None:
        """Make `b` the counterpart of `a`."""
        self.pairs[id(a)] = b
        self.sources[id(b)] = a


def _all_in(node: Node, lines: Collection[int]) -> bool:
    """Whether a patch leaves all the lines that a node stands on (true of what stands for no code)."""
    return node.expr is None or all(line in lines for line in range(node.line, node.expr.end_line + 1))


def comparison(change: FunctionChange) -> Comparison | None:
    """The comparison of a change, computed once; None where one side is missing or could not be read."""
    before, after = change.before, change.after
    if before is None or after is None or before.cfg.truncated or after.cfg.truncated:
        return None
    key = ("comparison", id(before))
    if key not in after.cache:
        after.cache[key] = _compare(before, after, change)
    found: Comparison = after.cache[key]
    return found


def _compare(before: Function, after: Function, change: FunctionChange) -> Comparison:
    result = Comparison(before, after, acts(before), acts(after))
    same, hunks_old, hunks_new = _lines(before, after)
    result.lines, result.standing = same, frozenset(same.values())
    _join_still(result, same)
    for act in result.old:
        result.hunks[id(act)] = hunks_old.get(act.line, -1)
    for act in result.new:
        result.hunks[id(act)] = hunks_new.get(act.line, -1)
    renamed = change.patch.renamed
    equal = {
        word: min(names) for word in {a.word for a in (*result.old, *result.new)} if (names := _worth(before, word))
    }
    hunk = result.hunks

    def word(act: Act) -> str:
        return renamed.get(act.word, act.word)

    def worth(act: Act) -> str:
        return equal.get(word(act), word(act))

    stages: tuple[_Key, ...] = (
        lambda act: (hunk[id(act)], word(act), act.key),
        lambda act: (word(act), act.key),
        lambda act: (hunk[id(act)], word(act)),
        lambda act: (hunk[id(act)], worth(act)),
        lambda act: (worth(act), act.names),
        lambda act: (word(act), _subject(act)),
    )
    for stage in stages:
        _match(result, stage)
    return result


def _subject(act: Act) -> Hashable:
    """The first argument of a call; what has none is like nothing else."""
    return act.expr.args[0].key if act.expr.kind == "call" and act.expr.args else id(act)


def _worth(function: Function, word: str) -> frozenset[str]:
    """The names a word may be exchanged for: those that a row calls the same, guards of its class, and what does the
    same to a bit of an entry.
    """
    tables, guard = function.tables, function.tables.guards.get(word)
    alike = tables.with_class(guard.class_) if guard is not None else frozenset()
    return alike | tables.carried_alike(word) | tables.steps.equals(word)


def _join_still(result: Comparison, same: dict[int, int]) -> None:
    waiting: dict[tuple[int, str], list[Act]] = defaultdict(list)
    for act in result.new:
        waiting[act.line, act.word].append(act)
    for act in result.old:
        there = waiting.get((same.get(act.line, 0), act.word))
        if there:
            result.join(act, there[0])
            result.still.update((id(act), id(there.pop(0))))


def _match(result: Comparison, key: _Key) -> None:
    waiting: dict[Hashable, list[Act]] = defaultdict(list)
    for act in result.added:
        waiting[key(act)].append(act)
    for act in result.removed:
        there = waiting.get(key(act))
        if there:
            result.join(act, there.pop(0))


def _lines(before: Function, after: Function) -> tuple[dict[int, int], dict[int, int], dict[int, int]]:
    """Unchanged lines (old number to new), and the hunk that each other line stands in, old and new."""
    a, b = _stripped(before), _stripped(after)
    same: dict[int, int] = {}
    hunks: tuple[dict[int, int], dict[int, int]] = ({}, {})
    lo_a, lo_b = before.source.start_line, after.source.start_line
    for number, (tag, i1, i2, j1, j2) in enumerate(opcodes(a, b)):
        if tag == "equal":
            same.update((lo_a + i, lo_b + j) for i, j in zip(range(i1, i2), range(j1, j2), strict=True))
        else:
            hunks[0].update((lo_a + i, number) for i in range(i1, i2))
            hunks[1].update((lo_b + j, number) for j in range(j1, j2))
    return same, hunks[0], hunks[1]


def _stripped(function: Function) -> list[bytes]:
    return [line.strip() for line in function.text.split(b"\n")]


def named(found: Iterable[Act], word: str) -> list[Act]:
    """The acts of one word."""
    return [act for act in found if act.word == word]
