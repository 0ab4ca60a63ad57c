"""Functions that a patch leaves as they were but for one word: another operator, constant or variable stands there."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import zip_longest

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.jumps import jumps
from mmlint.changes.edits.mistaken import mistaken, without_value
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import declared_types
from mmlint.facts.locks.locks import locks
from mmlint.facts.steps import Act
from mmlint.facts.telling import tells
from mmlint.facts.things import given
from mmlint.frozen import dataclass

_TOKEN = re.compile(rb"[A-Za-z_]\w*|\d\w*|&&|\|\||[=!<>]=|<<|>>|->|[^\s\w]")
_COMMENT = re.compile(rb"/\*.*?\*/|//[^\n]*", re.S)
_EXCHANGED = (
    frozenset({b"&&", b"||"}),
    frozenset({b"==", b"!="}),
    frozenset({b"<", b"<="}),
    frozenset({b">", b">="}),
    frozenset({b"<", b">"}),
    frozenset({b"true", b"false"}),
    frozenset({b"break", b"continue"}),
)
_ANSWERS = frozenset({b"true", b"false", b"0", b"1", b"NULL"})


@dataclass(frozen=True, slots=True)
class Slip:
    """`now` stands at `node` (of after) in the place of `was`; "" where there is none. `call`: it is an argument."""

    node: Node
    was: str
    now: str
    call: str = ""


def slip(change: FunctionChange) -> Slip | None:
    """The one word that a patch exchanges in a function, or the one negation that it adds or takes away."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere:
        return None
    if any(other.name in compared.after.words for other in change.others):
        return None  # what it calls may mean something else now
    before, after = compared.before, compared.after
    pair = differ(tokens(before), tokens(after))
    node = _place(after, change.touched)
    if pair is None or node is None or change.lost_elsewhere(pair[0].decode()):
        return None
    failed = pair[0].startswith(b"-E") and node.kind == "return"
    if frozenset(pair) in _EXCHANGED or b"" in pair or failed:
        return Slip(node, pair[0].decode(), pair[1].decode())
    was, now = (word.decode() for word in pair)
    if _label(change, was, now) or without_value(after, node, now):
        return Slip(node, was, now)
    return _argument(compared, node, was, now)


def _label(change: FunctionChange, was: str, now: str) -> bool:
    """Whether a jump leads to another label, and the rest of the function does not say which of the two is right."""
    sides = (change.before, change.after)
    labels = {n.name for side in sides if side is not None for n in side.cfg.nodes if n.kind == "nop"} - {""}
    if was == now or not {was, now} <= labels:
        return False
    return not jumps(change) and not jumps(replace(change, before=change.after, after=change.before))


def _place(function: Function, lines: frozenset[int]) -> Node | None:
    """The first statement that lies on one of some lines in part, or the nearest in front: a jump is none."""
    nodes = [n for n in function.cfg.order if n.expr is not None]
    here = next((n for n in nodes if n.expr is not None and _on(n.expr, lines)), None)
    ahead = (n for n in nodes if lines and n.line < min(lines))
    return here or max(ahead, key=lambda n: n.line, default=None)


def _on(expr: Expr, lines: frozenset[int]) -> bool:
    return any(part.line in lines for part in expr.walk())


@fact
def tokens(function: Function) -> tuple[bytes, ...]:
    """The tokens of the parameters and the body, comments left out."""
    text = _COMMENT.sub(b" ", function.text)
    return tuple(_TOKEN.findall(text[text.find(b"(") :]))


def differ(old: tuple[bytes, ...], new: tuple[bytes, ...]) -> tuple[bytes, bytes] | None:
    """The two words that make the difference; b"" for none."""
    if len(old) == len(new):
        found = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        return found[0] if len(found) == 1 else None
    if abs(len(old) - len(new)) != 1:
        return None
    place = next((i for i, (a, b) in enumerate(zip_longest(old, new)) if a != b), 0)
    if old[place : place + 1] == (b"-",) and new[place : place + 1] == (b"0",) and old[place + 2 :] == new[place + 1 :]:
        return b"-" + old[place + 1], b"0"
    longer, shorter = (old, new) if len(old) > len(new) else (new, old)
    if longer[place] != b"!" or longer[place + 1 :] != shorter[place:]:
        return None
    return (b"!", b"") if longer is old else (b"", b"!")


def _argument(compared: Comparison, node: Node, was: str, now: str) -> Slip | None:
    """An argument that was a variable or a constant, and is another variable of its type or a constant."""
    before = compared.before
    for act in compared.old:
        there = compared.pairs.get(id(act))
        if there is None or act.expr.kind != "call" or act.word != there.word or act.key == there.key:
            continue
        if (was, now) not in {(a.key, b.key) for a, b in zip(act.expr.args, there.expr.args, strict=False)}:
            continue
        if act.word in before.tables.drops and _only_now_held(compared, act, there, was, now):
            return None
        if now.encode() in _ANSWERS and (was in before.params or was.encode() in _ANSWERS):
            return Slip(node, was, now, act.word)
        if _fewer_of(was, now):
            return Slip(node, was, now, act.word)
        types = declared_types(before)
        alike = was in types and types.get(now) == types[was] and "*" in types[was]
        if (alike or (was in types and now.encode() in _ANSWERS)) and (
            known_call(before, act.word) or given(before, act.word, act.expr)
        ):
            return Slip(node, was, now, act.word)
        if alike and not tells(act.word) and mistaken(compared, act, there, was, now):
            return Slip(node, was, now, act.word)
    return None


def _fewer_of(was: str, now: str) -> bool:
    """Whether one constant of a family means all of something, by its name, and the other does not."""
    family = was.removesuffix("ALL")
    return family != was and family.isupper() and family.endswith("_") and now.isupper() and now.startswith(family)


def _only_now_held(compared: Comparison, act: Act, there: Act, was: str, now: str) -> bool:
    """Whether a release is of a lock that is held there, and was of one that is not."""
    held = [
        [{h.key for h in prop if not h.gone} for prop in locks(side).held(each.expr)]
        for side, each in ((compared.before, act), (compared.after, there))
    ]
    return all(held) and not any(was in keys for keys in held[0]) and all(now in keys for keys in held[1])


def known_call(function: Function, word: str) -> bool:
    """Whether the tables say what a call does to a page, an entry, a lock or a reference."""
    tables = function.tables
    about = (tables.set_entries, tables.takes_resource, tables.takes, tables.drops, tables.guards, tables.marks)
    return any(word in rows for rows in about) or bool(tables.steps.done_by(word))
