"""Questions that a patch no longer asks, with nothing else in their place: terms of a condition, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmlint.changes.about import from_new_call
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.questions.askedby import ruled_out, ruling_out
from mmlint.changes.questions.needless import needless
from mmlint.changes.questions.onlyif import asks_more_of_others
from mmlint.changes.questions.otherwise import FLAG, mask
from mmlint.changes.questions.spared import spares_work, terms_around
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.ir import Expr
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import acts, bare, negated, plain
from mmlint.facts.telling import tells
from mmlint.frozen import dataclass

_MOST = 2
_ASKING = frozenset({"entry", "decl", "branch", "return", "nop", "exit"})
_CONSTANTS = re.compile(r"-?[A-Z0-9][A-Z0-9_]*( \| [A-Z0-9_]+)*$")
_WORD = re.compile(r"[A-Za-z_]\w*")
_NO_QUESTION = re.compile(
    r"(^|_)(empty|EMPTY)(_|$|\()|IS_ENABLED|WARN|BUG|DEBUG|IS_ERR|static_branch|likely|NULL|^[A-Z0-9_]+$"
)


@dataclass(frozen=True, slots=True)
class Fewer:
    """`node` (after the patch) stands where `term` was asked too; `whole`: nothing else reads that parameter."""

    node: Node
    term: str
    whole: bool = False


def unread(change: FunctionChange) -> list[Fewer]:
    """The parameters, no pointers, that decided about something and that nothing in the function reads any more."""
    compared = alone(change)
    if compared is None or compared.before.source.params != compared.after.source.params:
        return []
    found = []
    for param in compared.after.source.params:
        if not param.name or "*" in param.type_text or _read(compared.after.cfg.nodes, param.name):
            continue
        asked = [n for n in _tests(compared.before.cfg.order) if n.expr is not None and param.name in n.expr.names()]
        place = compared.behind(asked[0]) if any(_decides(compared.before, n) for n in asked) else None
        if place is not None:
            found.append(Fewer(place, param.name, whole=True))
    return found


def dropped_terms(change: FunctionChange) -> list[Fewer]:
    """The term of a condition or of an answer that is not asked any more, if the patch drops one, and adds none."""
    compared = alone(change)
    if compared is None:
        return []
    found = [*_of_branches(compared), *_of_answers(compared), *_of_values(compared)] or list(_of_predicates(compared))
    return found if len(found) == 1 and missed(change, compared, found[0].term) else []


def missed(change: FunctionChange, compared: Comparison, term: str, *, anywhere: bool = False) -> bool:
    """Whether what a dropped term asked is news to the function, and asked for elsewhere as before; `anywhere`: it may
    be in another file, where what it calls is still defined.
    """
    if _goes_elsewhere(change, term, anywhere=anywhere) or _filled_no_more(compared, term):
        return False
    if needless(compared, term) or _fills_it(compared, term):
        return False
    return not from_new_call(compared, frozenset(_WORD.findall(term)))


def _filled_no_more(compared: Comparison, term: str) -> bool:
    """Whether a call that was handed a variable to put its answer in is not any more: it answers in another way."""
    fills = (act for act in compared.old if act.expr.kind == "call" and any(a.key == f"&{term}" for a in act.expr.args))
    pairs = ((act, compared.pairs.get(id(act))) for act in fills)
    return any(now is not None and f"&{term}" not in {a.key for a in now.expr.args} for _, now in pairs)


def _goes_elsewhere(change: FunctionChange, term: str, *, anywhere: bool = False) -> bool:
    """Whether a call, member or constant of a term goes from other functions of the patch too, or leaves the file:
    what is asked for is on its way out.
    """
    for word in set(_WORD.findall(term)):
        asks = rf"(&|->|\.){word}\b" + ("" if " == " in term else rf"|\b{word}\(")
        if not word.isupper() and not re.search(asks, term):
            continue
        if change.lost_elsewhere(word):
            return True
        kept = bool(FLAG.match(word) or re.search(rf"(->|\.){word}\b", term))  # others may ask for it elsewhere
        kept = kept or (anywhere and _known_elsewhere(change, word))
        if not kept and re.search(rb"\b" + word.encode() + rb"\b", change.file.after) is None:
            return True
    return False


def _known_elsewhere(change: FunctionChange, word: str) -> bool:
    """Whether a function of this name can still be called, or another file of the patch goes on speaking of it."""
    others = (file.after for file in change.patch.files if file is not change.file)
    name = re.compile(rb"\b" + word.encode() + rb"\b")
    called = change.patch.after.resolve(word, change.file.path) is not None
    return called or any(name.search(text) is not None for text in others)


def alone(change: FunctionChange) -> Comparison | None:
    """The comparison, if the patch does nothing new in the function, and changes none that names it."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return None
    if any(act.expr.kind == "call" for act in compared.added) or _set(compared.after) - _set(compared.before):
        return None
    return compared


def _set(function: Function) -> frozenset[str]:
    """The members and elements that the function stores to."""
    stores = (e.args[0] for n in function.cfg.order for op, e in n.events if op == "assign")
    return frozenset(target.key for target in stores if target.kind in ("field", "index"))


def _of_branches(compared: Comparison) -> Iterator[Fewer]:
    gone, fresh = ([n for n in nodes if n.kind == "branch"] for nodes in (compared.gone, compared.fresh))
    masks = [(flag, now) for was in gone for now in fresh if (flag := _flag_less(compared, was, now))]
    if masks:
        yield from (Fewer(now, flag) for flag, now in masks)
        return
    asked, before = _texts(compared.after.cfg.order), _texts(compared.before.cfg.order)
    if asked - before:
        return
    still = {plain(n) for n in fresh}
    dropped = [n for n in gone if plain(n) not in asked or (plain(n) not in still and _open(compared, n))]
    kept = [plain(n) for n in gone if n not in dropped]
    if not 0 < len(dropped) <= _MOST or kept != [plain(n) for n in fresh]:
        return
    node = dropped[0]
    if not weighs(node.expr) or kept_in_a_value(compared, node) or spares_work(compared, node):
        return
    if asked_by_callee(compared, node):
        return
    for other in (term for each in dropped for term in terms_around(each) if term not in dropped):
        if ruled_out(compared.before.tables, node, other) or asks_more_of_others(compared.before, node, other):
            return
        places = (n for n in (*fresh, *compared.after.cfg.order) if n.kind == "branch" and plain(n) == plain(other))
        place = next(places, None)
        if place is not None and not _asks_for_null(node.expr, other.expr):
            if not _asked_around(compared, node, place) and not _asked_behind(compared, node, place):
                yield Fewer(place, plain(node))
            return


def _fills_it(compared: Comparison, term: str) -> bool:
    """Whether the arm of the test sets what it asks for: it was to be done once, and may be done each time."""
    order = reach(compared.before)
    tests = [n for n in order.order if n.kind == "branch" and plain(n) == term]
    return any(
        op == "assign"
        and e.args[0].key == term.lstrip("!")
        and e.args[1].value != "NULL"
        and order.chosen(test, n) is not None
        for test in tests
        for n in order.order
        for op, e in n.events
    )


def _asked_around(compared: Comparison, term: Node, place: Node) -> bool:
    """Whether another test of the term decides, after the patch, whether control gets to the place at all."""
    order = reach(compared.after)
    same = (n for n in order.order if n.kind == "branch" and n is not place and plain(n) == plain(term))
    return any(order.chosen(n, place) is not None for n in same)


def _asked_behind(compared: Comparison, term: Node, place: Node) -> bool:
    """Whether the term is asked on every way on from the place, where it was not asked again before."""
    old, new = reach(compared.before), reach(compared.after)
    same = [n for n in new.order if n.kind == "branch" and plain(n) == plain(term) and new.before(place, n)]
    if any(n is not term and plain(n) == plain(term) and old.before(term, n) for n in old.order):
        return False
    return any(new.always_meets(place, outcome, same) for outcome in (True, False))


def _open(compared: Comparison, node: Node) -> bool:
    """Whether a test whose words are asked elsewhere, too, tells what none before it told."""
    order = reach(compared.before)
    return not any(
        other is not node and plain(other) == plain(node) and order.chosen(other, node) is not None
        for other in _tests(order.order)
        if other.kind == "branch"
    )


def asked_by_callee(compared: Comparison, node: Node) -> bool:
    """Whether a call that the test guarded asks the same itself, or for what rules the flag of the test out."""
    order, before = reach(compared.before), compared.before
    asked = {call.value for call in node.expr.calls()} if node.expr is not None else set()
    asked |= ruling_out(before.tables, mask(node))
    guarded = [a.word for a in compared.old if a.expr.kind == "call" and order.chosen(node, a.node) is not None]
    callees = (before.program.resolve(word, before.path) for word in guarded if asked)
    again = (act for callee in callees if callee is not None and asked & callee.words for act in acts(callee))
    return any(act.word in asked and act.tests for act in again)


def _of_predicates(compared: Comparison) -> Iterator[Fewer]:
    """The question that a function which answers yes or no, or does nothing but answer with constants, asks no more, in
    a branch or in its result.
    """
    if compared.before.source.returns.split()[-1:] != ["bool"] and not _only_answers(compared.before):
        return
    was, now = (_questions(side.cfg.order) for side in (compared.before, compared.after))
    gone = [term for key, term in was.items() if key not in now]
    results = [n for n in compared.after.cfg.order if n.kind == "return" and n.expr is not None]
    place = max(results, key=lambda n: n.line, default=None)
    if place is None or not now or not now.keys() < was.keys() or len(gone) != 1 or not weighs(gone[0]):
        return
    if gone[0].key in local_names(compared.before):
        return  # what a variable kept may be answered at once now
    if not any(_asks_for_null(gone[0], term) for term in now.values()):
        yield Fewer(place, gone[0].key)


def _only_answers(function: Function) -> bool:
    """Whether a function has tests and constant results, several of them, and no more than that."""
    results = {n.expr.key for n in function.cfg.order if n.kind == "return" and n.expr is not None}
    plain_nodes = all(n.kind in _ASKING or _keeps_to_itself(n) for n in function.cfg.order)
    asks = all(tells(call.value) for calls in function.calls.values() for _, call in calls)
    return len(results) > 1 and plain_nodes and asks and all(_CONSTANTS.match(key) for key in results)


def _keeps_to_itself(node: Node) -> bool:
    return node.kind == "expr" and all(op == "call" or e.args[0].kind == "name" for op, e in node.events)


def _questions(nodes: list[Node]) -> dict[str, Expr]:
    """What the branches and results of a function ask, by text."""
    exprs = (n.expr for n in nodes if n.kind in ("branch", "return") and n.expr is not None)
    asked = (bare(term) for expr in exprs for term in terms(expr))
    return {term.key: term for term in asked if term.kind != "num" and term.key not in ("true", "false")}


def _flag_less(compared: Comparison, was: Node, now: Node) -> str:
    """The flag that a test of two asked for before it asked for one that does not come with it, or nothing."""
    gone, left = mask(was), mask(now)
    if len(gone - left) != 1 or not left < gone or was.expr is None or now.expr is None:
        return ""
    flag = next(iter(gone - left))
    row = compared.before.tables.implied.get(flag)
    if row is not None and not left.isdisjoint(row.implies):
        return ""
    return flag if flag.isupper() and was.expr.names() - {flag} == now.expr.names() else ""


def _of_answers(compared: Comparison) -> Iterator[Fewer]:
    old, new = (
        [n for n in side.cfg.order if n.kind == "return" and n.expr is not None and n.line not in lines]
        for side, lines in ((compared.before, compared.lines), (compared.after, compared.standing))
    )
    if len(old) != 1 or len(new) != 1 or old[0].expr is None or new[0].expr is None:
        return
    was, now = terms(old[0].expr), terms(new[0].expr)
    gone = [term for term in was if term.key not in {t.key for t in now}]
    if not now or len(gone) != 1 or len(was) != len(now) + 1 or not weighs(gone[0]):
        return
    if not any(_asks_for_null(gone[0], term) for term in now):
        yield Fewer(new[0], gone[0].key)


def _of_values(compared: Comparison) -> Iterator[Fewer]:
    """A condition in a value (`a || b ? n : 0`, `1 + (a || b)`) of which a term is gone, all else being as it was."""
    old = [n for n in _statements(compared.before, frozenset(compared.lines)) if _conditions(n)]
    new = _statements(compared.after, compared.standing)
    found = [(now, gone) for was in old for now in new for gone in _shortened(was, now)]
    if len(found) == 1 and weighs(found[0][1]):
        yield Fewer(found[0][0], found[0][1].key)


def _statements(function: Function, standing: frozenset[int]) -> list[Node]:
    """The statements that are neither tests nor results, and that lie on a changed line in part."""
    nodes = (n for n in function.cfg.order if n.kind == "expr" and n.expr is not None)
    return [n for n in nodes if n.expr is not None and any(e.line not in standing for e in n.expr.walk())]


def _shortened(was: Node, now: Node) -> Iterator[Expr]:
    """The term without which one statement is the other."""
    for condition in _conditions(was):
        left, right = condition.args
        for kept, gone in ((left, right), (right, left)):
            text = was.expr.key if was.expr is not None else ""
            texts = {text.replace(f"({condition.key})", kept.key), text.replace(condition.key, kept.key)}
            texts |= {text.replace(choice.key, _turned(choice, kept)) for choice in _choices(was, condition)}
            if now.expr is not None and now.expr.key in texts and not _asks_for_null(gone, kept):
                yield gone


def _choices(node: Node, condition: Expr) -> Iterator[Expr]:
    walked = node.expr.walk() if node.expr is not None else ()
    return (e for e in walked if e.kind == "cond" and e.args[0] is condition)


def _turned(choice: Expr, test: Expr) -> str:
    """A choice by another test, with that test's `!` gone and the arms exchanged for it."""
    arms = [arm.key for arm in choice.args[1:]]
    first, second = arms[::-1] if negated(test) else arms
    return f"{bare(test).key} ? {first} : {second}"


def _conditions(node: Node) -> list[Expr]:
    return [e for e in node.expr.walk() if e.kind == "binary" and e.value in ("||", "&&")] if node.expr else []


def terms(expr: Expr) -> list[Expr]:
    """The operands of a condition that is made by `&&` and `||`, or the condition itself."""
    expr = bare(expr)
    if expr.kind == "binary" and expr.value in ("&&", "||"):
        return [term for arg in expr.args for term in terms(arg)]
    return [expr]


def _texts(nodes: list[Node]) -> frozenset[str]:
    return frozenset(plain(n) for n in _tests(nodes))


def weighs(expr: Expr | None) -> bool:
    """Whether a term asks something about the state of things, and not for a name."""
    if expr is None or expr.kind == "num" or any(e.kind == "str" for e in expr.walk()):
        return False
    return not _NO_QUESTION.search(expr.key)


def _asks_for_null(term: Expr | None, other: Expr | None) -> bool:
    """Whether a term only asks whether what another one looks into, or compares, is there."""
    key = term.key.lstrip("!") if term is not None and term.kind != "call" else ""
    return other is not None and any(e.key == key for e in other.walk())


def kept_in_a_value(compared: Comparison, node: Node) -> bool:
    """Whether a value that the patch computes is made of the term."""
    key = plain(node)
    return any(
        e.key == key and e.line not in compared.standing
        for n in compared.after.cfg.order
        if n.expr is not None and n.kind != "branch"
        for e in n.expr.walk()
    )


def _tests(nodes: list[Node]) -> list[Node]:
    return [n for n in nodes if n.kind in ("branch", "switch") and n.expr is not None]


def _decides(function: Function, test: Node) -> bool:
    """Whether anything but a message or an assertion hangs on a test."""
    order = reach(function)
    only = order.side(test, True) ^ order.side(test, False)
    hanging = (n for n in order.order if only >> order.rank[n.id] & 1 and n.kind not in ("branch", "nop"))
    return test.kind == "switch" or not all(n.expr is not None and tells(n.expr.value) for n in hanging)


def _read(nodes: list[Node], name: str) -> bool:
    return any(node.expr is not None and name in node.expr.names() for node in nodes)
