"""Where what a release or a reference is about came from, as far as that says that none was to be given up or taken."""

from __future__ import annotations

import re

from mmlint.changes.about import operands
from mmlint.changes.edits.barriers import ordered_by_lock
from mmlint.changes.questions.askedby import asked_under_lock
from mmlint.changes.sides import Sides
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.holders import canon
from mmlint.facts.outcome import failing
from mmlint.facts.owners.aliases import results
from mmlint.facts.steps import Act, opposite, plain
from mmlint.facts.things import kind_of
from mmlint.kernel.tables import PINNED

_FAILURE = re.compile(r"-E[A-Z0-9]+$|NULL$|ERR_PTR\(")


def nothing_lost(sides: Sides, act: Act) -> bool:
    """Whether a step that is gone is none any more, is asked again where it counts, or is made by its twin."""
    found = abolished(sides, act) or asked_under_lock(sides, act) or _done_by_twin(sides, act)
    return found or ordered_by_lock(sides.compared, act)


def abolished(sides: Sides, act: Act) -> bool:
    """Whether the patch takes the step's own definition out of a header, or that of a test which decided about it; or
    the member away that the step is about.
    """
    if act.expr.kind != "call":
        return False
    dropped = sides.change.patch.dropped_members
    if dropped and any(e.kind == "field" and e.value in dropped for a in act.expr.args for e in a.walk()):
        return True
    gone, old = sides.change.patch.abolished, sides.old
    tests = (n for n in old.order if gone and n.kind == "branch" and n.expr is not None)
    return act.word in gone or any(
        not gone.isdisjoint(_called(test)) and old.chosen(test, act.node) is not None for test in tests
    )


def _called(test: Node) -> list[str]:
    return [call.value for call in test.expr.calls()] if test.expr is not None else []


def of_failed_call(sides: Sides, act: Act) -> bool:
    """Whether a release is of what the call was to hand out (`&folio`) that failed on the way there: nothing."""
    things = operands(act)
    filled = (
        call
        for call in sides.compared.old
        if call.tests and any(a.value == "&" and a.args[0].key in things for a in call.expr.args)
    )
    return any(
        test.expr is not None
        and (failed := failing(sides.compared.before, test.expr)) is not None
        and sides.old.chosen(test, act.node) is failed
        for call in filled
        for test in call.tests
    )


def under_other_name(sides: Sides, act: Act) -> bool:
    """Whether the patch gives what a release gave back to another variable, and a release of that is made then."""
    things = operands(act)
    names = {
        (node, expr.args[0].key)
        for node in sides.compared.fresh
        for op, expr in node.events
        if op == "assign" and expr.args[1].key in things
    }
    return any(
        other.word == act.word and name in operands(other) and sides.new.before(node, other.node)
        for node, name in names
        for other in sides.compared.new
    )


def looked_up(sides: Sides, act: Act) -> bool:
    """Whether what a reference was taken of comes from a look-up in some object by a function that is not seen: it may
    have come with a reference.
    """
    before = sides.compared.before
    values = [v for key in operands(act) for v in assigned_values(before).get(key, ())]
    return any(
        v.kind == "call"
        and len(v.args) > 1
        and v.value not in sides.tables.takes_resource
        and v.value not in sides.tables.borrows
        and before.program.resolve(v.value, before.path) is None
        for v in values
    )


def kept_by_others(sides: Sides, act: Act) -> bool:
    """Whether pins are given up by a variable that is read from members, where another function of the file leaves
    what it pins: that they are pinned does not hang on the variable.
    """
    before, tables = sides.compared.before, sides.tables
    pinned = any(row.resource in PINNED for row in tables.gives_resource.get(act.word, ()))
    values = [v for arg in act.expr.args[:1] for v in assigned_values(before).get(arg.root, ()) if v.value != "NULL"]
    if not pinned or not values or not all(any(e.kind == "field" for e in v.walk()) for v in values):
        return False
    if any(call.value in tables.takes_resource for v in values for call in v.calls()):
        return False
    others = sides.compared.after.program.functions(before.path)
    return any(f.name != before.name and f.mentions(tables.page_takers) for f in others)


def never_here(sides: Sides, act: Act) -> bool:
    """Whether there is nothing to give up where a release stood: it comes otherwise, is not taken now, or is made only
    where what led to the release has been decided otherwise.
    """
    return _comes_otherwise(sides, act) or _not_taken_here(sides, act) or _made_later(sides, act)


def _made_later(sides: Sides, act: Act) -> bool:
    test, outcome = sides.old.innermost(act.node)
    others = sides.counterparts(test) if test is not None and outcome is not None else []
    roots = {arg.root for arg in act.expr.args}
    made = [
        node
        for node in sides.new.order
        for op, expr in node.events
        if op == "assign" and expr.args[0].key in roots and expr.args[1].kind == "call"
    ]
    return bool(others and made) and all(sides.new.chosen(n, node) is (not outcome) for n in others for node in made)


def _not_taken_here(sides: Sides, act: Act) -> bool:
    """Whether what a release gave back, under whatever name, is not taken any more on the way to where it stood."""
    compared, tables = sides.compared, sides.tables
    kinds = {kind_of(row.resource) for row in tables.gives_resource.get(act.word, ())}

    def takes(other: Act) -> bool:
        return not kinds.isdisjoint(kind_of(row.resource) for row in tables.takes_resource.get(other.word, ()))

    gone = any(takes(other) and sides.old.dominates(other.node, act.node) for other in compared.removed)
    place = compared.behind(act.node) if gone else None
    test, outcome = sides.old.innermost(act.node)
    others = [n for n in sides.counterparts(test) if outcome is not None] if test is not None else []
    fresh = [other.node for other in compared.added if takes(other)]
    return (
        place is not None
        and bool(others)
        and all(all(sides.new.chosen(n, node) is (not outcome) for n in others) for node in fresh)
    )


def _comes_otherwise(sides: Sides, act: Act) -> bool:
    """Whether no call that gave the released variable its value is made any more; the variable is still there."""
    values = assigned_values(sides.compared.before)
    roots = {arg.root for arg in act.expr.args if arg.root}
    found = [v for root in roots | {canon(v) for r in roots for v in values.get(r, ())} for v in values.get(root, ())]
    names = {v.value for v in found if v.kind == "call" and canon(v) == v.key}
    return bool(names) and names.isdisjoint(sides.compared.after.words)


def failure_gone(sides: Sides, test: Node, act: Act) -> bool:
    """Whether the act stood in an arm that made a failure the function's result, and nothing of the arm is left."""
    outcome = sides.old.chosen(test, act.node)
    arm = [n for n in sides.old.order if outcome is not None and sides.old.chosen(test, n) is outcome]
    given = (e.args for n in arm for op, e in n.events if op == "assign")
    fails = any(to.key in results(sides.compared.before) and _FAILURE.match(value.key) for to, value in given)
    return fails and not any(n.line in sides.compared.lines for n in arm)


def turned_away(sides: Sides, act: Act, there: Act) -> bool:
    """Whether the ways on which the act was made end early now: the test that led to it is an exit of its own before
    what stands there.
    """
    leading = {}
    for node in sides.old.order:
        side = sides.old.chosen(node, act.node) if node.kind == "branch" and node.expr is not None else None
        if side is not None:
            leading[plain(node)] = side is not opposite(node)
    return any(
        node.kind == "branch"
        and node.line not in sides.compared.standing
        and (was := leading.get(plain(node))) is not None
        and (side := sides.new.chosen(node, there.node)) is not None
        and (side is not opposite(node)) is not was
        for node in sides.new.order
    )


def _done_by_twin(sides: Sides, act: Act) -> bool:
    """Whether the same was done on two ways apart, and what is left is reached by both."""
    test, side = sides.old.innermost(act.node)
    twins = [a for a in sides.compared.old if a is not act and a.expr.key == act.expr.key and a.word == act.word]
    for twin in twins if test is not None else ():
        now = sides.compared.pairs.get(id(twin))
        if now is None or test is None or sides.old.together(twin.node, act.node):
            continue
        was = side is not opposite(test)
        for node in sides.new.order:
            if node.kind != "branch" or node.line in sides.compared.standing or plain(node) != plain(test):
                continue
            reached = sides.new.chosen(node, now.node)
            if sides.new.before(node, now.node) and (reached is None or (reached is not opposite(node)) is was):
                return True
    return False
