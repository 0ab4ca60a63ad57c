"""Early exits that a patch deletes, test and all, with nothing else: who was turned away before goes on now."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import takewhile

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison
from mmlint.changes.edits.vanished import serves
from mmlint.changes.questions.fewer import Fewer, alone, asked_by_callee, kept_in_a_value, missed, weighs
from mmlint.changes.questions.spared import beside, spares_work
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.locks.balance import left_held
from mmlint.facts.locks.held import local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import bare, performed, plain

_NOTHING = frozenset({"0"})
_JUMP = re.compile(r"\breturn\b|\b(goto \w+|break|continue);")


def exit_gone(change: FunctionChange) -> Fewer | None:
    """Where control goes on now, and the test that sent some away from there, if the patch only deletes that."""
    compared = alone(change)
    if compared is None or change.patch.large or change.patch.elsewhere or compared.added:
        return None
    found = _only_exit(compared)
    if found is None:
        return None
    node, place = found
    bits = _of_bits(compared, node)
    if not (_of_state(node) or bits) or not weighs(node.expr) or kept_in_a_value(compared, node):
        return None
    if not bits and spares_work(compared, node) and _says_nothing(node):
        return None
    if (
        _just_asked(compared, node)
        or _asked_again(compared, node)
        or asked_by_callee(compared, node)
        or _kept_a_lock(compared)
    ):
        return None
    return Fewer(place, plain(node)) if missed(change, compared, plain(node), anywhere=True) else None


def _kept_a_lock(compared: Comparison) -> bool:
    """Whether a way out that is gone kept a lock which its siblings give up: it was wrong to leave there."""
    return any(left.exit.line not in compared.lines for left in left_held(compared.before))


def _just_asked(compared: Comparison, node: Node) -> bool:
    """Whether the same was asked before on every way, and no lock is taken since under which it may be otherwise."""
    order, takes, drops = reach(compared.before), compared.before.tables.takes, compared.before.tables.drops
    locks = [act.node for act in compared.old if act.word in takes or act.word in drops]
    names = {e.key for e in node.expr.walk() if e.kind in ("name", "field")} if node.expr is not None else set()
    return any(
        other is not node
        and plain(other) == plain(node)
        and order.chosen(other, node) is not None
        and not any(order.before(other, lock) and order.before(lock, node) for lock in locks)
        and not any(order.before(other, n) and order.before(n, node) and n.sets(*names) for n in order.order)
        for other in order.order
        if other.kind == "branch"
    )


def _asked_again(compared: Comparison, node: Node) -> bool:
    """Whether a call that is still made asks, itself or inside, what the tables know to be the same."""
    after, steps = compared.after, compared.before.tables.steps
    asked = [act.word for act in compared.removed if node in act.tests]
    same = {word for each in asked for row in steps.done_by(each) if any(row.sinks) for word in row.calls}
    place, order = compared.behind(node), reach(after)
    behind = (a for a in compared.new if place is not None and (a.node is place or order.before(place, a.node)))
    for act in behind if same else ():
        callee = after.program.resolve(act.word, after.path) if act.expr.kind == "call" and act.word else None
        if act.word in same or (callee is not None and not same.isdisjoint(performed(callee))):
            return True
    return False


def _says_nothing(test: Node) -> bool:
    """Whether the way out of a test tells the caller no more than that nothing went wrong."""
    ends = (n for n, _ in test.succ if n.kind == "return")
    return all(n.expr is None or n.expr.key in _NOTHING for n in ends)


def _of_state(node: Node) -> bool:
    """Whether a test is about more than what a variable holds: that is an answer, and others speak of it. A variable
    that has just been read from a member stands for it.
    """
    if node.expr is None:
        return False
    asked = bare(node.expr)
    just_read = [e for before in node.pred for op, e in before.events if op == "assign" and e.args[0].key == asked.key]
    return any(
        part.kind in ("field", "call") for expr in (asked, *(e.args[1] for e in just_read)) for part in expr.walk()
    )


def _of_bits(compared: Comparison, node: Node) -> bool:
    """Whether a test is about bits of what was read or told once and is compared later (`seq & 1`): that is no answer
    but a state.
    """
    asked = bare(node.expr) if node.expr is not None else None
    if asked is None or asked.kind != "binary" or asked.value != "&" or asked.args[0].kind != "name":
        return False
    name = asked.args[0].value
    values = assigned_values(compared.before).get(name, [])
    branches = (n.expr for n in compared.after.cfg.order if n.kind == "branch" and n.expr is not None)
    return len(values) == 1 and values[0].kind in ("call", "field") and any(name in e.names() for e in branches)


def _only_exit(compared: Comparison) -> tuple[Node, Node] | None:
    """The one test that is gone, with the statement behind it (of after), if all that is gone is the way out."""
    braced = Counter(n.expr.key for n in compared.fresh if n.expr is not None)
    written_out = _written_out(compared)
    gone = []
    for node in (n for n in compared.gone if n.expr is not None):
        key = written_out(node.expr.key) if node.expr is not None else ""
        if braced[key]:
            braced[key] -= 1  # it is only that a brace went, or a variable
        elif node.kind == "branch":
            gone.append(node)
    place = compared.behind(gone[0]) if gone and not +braced else None
    if place is None:
        return None
    test, order = gone[0], reach(compared.before)
    calls = (a for a in compared.removed if a.word != "return" and a.node not in (test, *beside(test)))
    one_condition = [node for node in gone[1:] if node in list(beside(test))]
    others = [
        *(n for n in gone[1:] if n not in one_condition),
        *(act.node for act in calls if not serves(compared, act)),
    ]
    arms = {side: arm for arm, side in test.succ if isinstance(side, bool)}
    for side, arm in arms.items():
        rest = arms.get(not side)
        out = rest is not None and _jumps(compared, test, arm, rest)
        if out and all(order.chosen(test, node) is side for node in others):
            return test, place
    return None


def _written_out(compared: Comparison) -> Callable[[str], str]:
    """How a text reads where a variable that is gone stands for the one value that it was given."""
    before = compared.before
    gone = local_names(before) - local_names(compared.after)
    values = {name: given[0].key for name in gone if len(given := assigned_values(before).get(name, [])) == 1}
    if not values:
        return str
    names = re.compile(rf"(?<!->)\b({'|'.join(sorted(values))})\b")
    return lambda text: names.sub(lambda found: values[found[1]], text)


def _jumps(compared: Comparison, test: Node, arm: Node, rest: Node) -> bool:
    """Whether one way from a test leads off from where the other goes on: by statements that are gone, or at once."""
    if not _leaves(compared, test):
        return False
    if arm.line not in compared.lines:
        return not reach(compared.before).before(arm, rest)
    return not (test.line > rest.line or test.line <= arm.line <= rest.line)


def _leaves(compared: Comparison, start: Node) -> bool:
    """Whether a statement that leads off is among those that are gone from a node on."""
    text = compared.before.text.decode("utf-8", "replace").splitlines()[
        start.line - compared.before.source.start_line :
    ]
    gone = takewhile(lambda pair: pair[0] not in compared.lines, enumerate(text, start.line))
    return any(_JUMP.search(line) for _, line in gone)
