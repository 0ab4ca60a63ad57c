"""Tests that a patch turns round or puts otherwise: the same question with the answers exchanged, or another flag."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.reach import Reach, once, reach
from mmlint.facts.steps import Act, opposite, plain
from mmlint.frozen import dataclass

_COMPOSED = rb"^#[ \t]*define[ \t]+%s[ \t]+\(((?:\w+[ \t]*\|[ \t]*)+\w+)\)[ \t]*$"
_WORDS = re.compile(r"\w+")
FLAG = re.compile(
    r"_?(VM|PAGE|SEGMENT_ENTRY|FOLL|FAULT_FLAG|MMF|PTE|TTU|RMAP|PG|ZAP_FLAG|MM_CP|MIGRATE|SWP|FGP|AS)_[A-Z0-9_]+$"
)
_TRUTHS = frozenset({"0", "1", "true", "false"})


@dataclass(frozen=True, slots=True)
class Inverted:
    """`now` (of after) asks what it asked before; `act` (of after) stands on the other side, None if it is the result
    of the function that is turned round.
    """

    now: Node
    act: Act | None


def inverted(change: FunctionChange) -> list[Inverted]:
    """The tests and results that a patch inverts with nothing else changed about them."""
    compared = comparison(change)
    if compared is None or change.before is None or change.before.name != change.name:
        return []
    changed = {other.name for other in change.patch.changes}
    branches = (each for each in _branches(compared) if not _given_else(compared, each.now))
    turned = (each for each in branches if changed.isdisjoint(_asked(each.now)))
    return [*turned, *(() if change.named_elsewhere else _results(compared))]


def _given_else(compared: Comparison, test: Node) -> bool:
    """Whether a variable that the test asks is given other values by the patch: then the test means something else."""
    sides = [assigned_values(side) for side in (compared.before, compared.after)]
    for name in test.expr.names() if test.expr is not None else ():
        old, new = ({e.key for e in side.get(name, ()) if e.kind != "call"} for side in sides)
        if old != new:
            return True
    return False


def other_flags(change: FunctionChange) -> list[tuple[Node, str, str]]:
    """The tests and results in which one flag became another of its kind and nothing else changed: the node after the
    patch, the flag before and after. Nothing if the function makes the same exchange anywhere else.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    gone, fresh = (_tests(order, lines) for order, lines in _sides(compared))
    found = []
    there, here = ({n.expr.key for n in side if n.expr is not None} for side in (gone, fresh))
    gone = [was for was in gone if was.expr is not None and was.expr.key not in here]
    for node in fresh:
        if node.expr is not None and node.expr.key in there:
            continue
        pairs = [pair for was in gone if (pair := _exchange(was, node)) is not None]
        if len(pairs) == 1 and pairs[0][0].split(" | ")[0] not in compared.after.words:
            found.append((node, *pairs[0]))
    known = (flag for _, _, flag in found if not _brought(change, flag))
    return found if len(found) == 1 and list(known) else []


def other_members(change: FunctionChange) -> list[tuple[Node, str, str]]:
    """The test in which one member of an object became another, if nothing else is different: the node after the patch,
    the member before and after. Both are known to the file, and the patch takes neither away nor brings it elsewhere.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial:
        return []
    gone, fresh = (_tests(order, lines) for order, lines in _sides(compared))
    if len(gone) != 1 or len(fresh) != 1:
        return []
    was, now = gone[0].expr, fresh[0].expr
    pair = _other_member(was, now) if was is not None and now is not None else None
    if pair is None or any(change.lost_elsewhere(m) or change.gained_elsewhere(m) for m in pair):
        return []
    known = all(re.search(rf"\b{m}\b".encode(), side) for m in pair for side in (change.file.before, change.file.after))
    return [(fresh[0], *pair)] if known else []


def _other_member(was: Expr, now: Expr) -> tuple[str, str] | None:
    """The two members of one object, if nothing else makes the difference between two expressions."""
    if was.kind != now.kind or (was.value != now.value and was.kind != "field") or len(was.args) != len(now.args):
        return None
    if was.kind == "field" and was.value != now.value:
        return (was.value, now.value) if was.args[0].key == now.args[0].key else None
    other = [(a, b) for a, b in zip(was.args, now.args, strict=True) if a.key != b.key]
    return _other_member(*other[0]) if len(other) == 1 else None


def told_anyway(change: FunctionChange) -> list[tuple[Act, str, str]]:
    """The calls of which one argument told whether a flag is set, and is a constant now: the call after the patch, what
    it told and what it tells.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere:
        return []
    found = []
    for _, now, was, told in compared.reworded():
        flags = any(FLAG.match(name) for e in was.walk() for name in e.names())
        if flags and told.key in _TRUTHS and any(e.value == "&" for e in was.walk()):
            found.append((now, was.key, told.key))
    return found


def fewer_flags(change: FunctionChange) -> list[tuple[Node, str]]:
    """The results that are a mask of fewer flags than before: the node after the patch, and the flag that is gone."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere:
        return []
    gone, fresh = ([n for n in _tests(order, lines) if n.kind == "return"] for order, lines in _sides(compared))
    alone = len(gone) == len(fresh) == 1
    was, now = (_spelled(change.file.after, mask(nodes[0])) if alone else frozenset() for nodes in (gone, fresh))
    lost = was - now if set() < now < was else frozenset()
    still = lost and {word for other in change.others if other.before is not None for word in other.before.words}
    return [(fresh[0], flag) for flag in sorted(lost) if FLAG.match(flag) and flag not in still]


def _spelled(text: bytes, names: frozenset[str]) -> frozenset[str]:
    """The flags of a mask, those that stand behind a macro of the file (`#define BOTH (A | B)`) by their names."""
    found: set[str] = set()
    for name in names:
        macro = re.search(_COMPOSED % re.escape(name).encode(), text, re.M) if name.isupper() else None
        found |= set(_WORDS.findall(macro[1].decode())) if macro is not None else {name}
    return frozenset(found)


def mask(node: Node) -> frozenset[str]:
    """The names in the masks of an expression."""
    walked = node.expr.walk() if node.expr is not None else ()
    return frozenset(name for e in walked if e.kind == "binary" and e.value == "&" for name in e.names())


def _tests(order: Reach, standing: frozenset[int]) -> list[Node]:
    return [n for n in order.order if n.kind in ("branch", "return") and n.line not in standing and n.expr is not None]


def _exchange(was: Node, now: Node) -> tuple[str, str] | None:
    """The flag of one test and the one that stands in its place in the other, which is the same but for it."""
    assert was.expr is not None
    assert now.expr is not None
    gone, fresh = mask(was) - mask(now), mask(now) - mask(was)
    kinds = {flag.split("_")[0] if FLAG.match(flag) else "" for flag in gone | fresh}
    if not gone or not fresh or len(kinds) != 1 or "" in kinds:
        return None
    a, b = " | ".join(sorted(gone)), " | ".join(sorted(fresh))
    if len(gone) == len(fresh) == 1:
        return (a, b) if re.sub(rf"\b{a}\b", b, was.expr.key) == now.expr.key else None
    return (a, b) if was.expr.names() - gone == now.expr.names() - fresh else None


def _brought(change: FunctionChange, flag: str) -> bool:
    """Whether the patch defines a flag, or names it in other functions that it changes."""
    define = re.compile(rf"\bdefine\s+{flag}\b|^\s*{flag}\s*[=,]".encode(), re.M)
    return any(define.search(f.after) and not define.search(f.before) for f in change.patch.files) or any(
        other.after is not None and flag in other.after.words for other in change.others
    )


def _results(compared: Comparison) -> Iterator[Inverted]:
    """A result that is another one's negation, where no caller is changed."""
    gone, fresh = (_single(order, "return", lines) for order, lines in _sides(compared))
    for key, now in fresh.items():
        was = gone.get(key)
        if was is not None and opposite(was) is not opposite(now):
            yield Inverted(now, None)


def _twice(compared: Comparison, act: Act) -> bool:
    """Whether several exits return the same: which is which is a matter of how the texts are laid side by side."""
    return act.word == "return" and sum(a.word == "return" and a.key == act.key for a in compared.old) > 1


def _branches(compared: Comparison) -> Iterator[Inverted]:
    (old, lines), (new, standing) = _sides(compared)
    gone, fresh = _single(old, "branch", lines), _single(new, "branch", standing)
    for key, now in fresh.items():
        was = gone.get(key)
        if was is None:
            continue
        sides = [
            (
                old.chosen(was, act.node) is not opposite(was),
                new.chosen(now, there.node) is not opposite(now),
                there,
            )
            for act in compared.old
            if (there := compared.pairs.get(id(act))) is not None
            and old.chosen(was, act.node) is not None
            and new.chosen(now, there.node) is not None
            and id(act) in compared.still
            and not _twice(compared, act)
        ]
        turned = [there for before, after, there in sides if before is not after]
        if turned and len(turned) == len(sides) and not _else_new(compared, new, now, turned[0]):
            yield Inverted(now, turned[0])


def _else_new(compared: Comparison, order: Reach, now: Node, turned: Act) -> bool:
    """Whether the patch adds a call that is made on the other side of the test alone: that case has its own way now."""
    other = order.chosen(now, turned.node) is False
    return any(a.expr.kind == "call" and order.chosen(now, a.node) is other for a in compared.added)


def _sides(compared: Comparison) -> list[tuple[Reach, frozenset[int]]]:
    """The order of either side, with the lines that the patch leaves alone."""
    return [
        (reach(compared.before), frozenset(compared.lines)),
        (reach(compared.after), compared.standing),
    ]


def _single(order: Reach, kind: str, standing: frozenset[int]) -> dict[str, Node]:
    """The tests or results on changed lines that occur once there, by what they ask."""
    return once(order, (kind,), lambda n: "" if n.line in standing or (n.expr and n.expr.kind == "num") else plain(n))


def _asked(node: Node) -> set[str]:
    """What a test calls."""
    return {call.value for call in node.expr.calls()} if node.expr is not None else set()
