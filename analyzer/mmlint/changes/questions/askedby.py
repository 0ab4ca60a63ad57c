"""Whether the question of a test that is not where it was is put by another one: of another name, call or level."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from mmlint.changes.questions.spared import beside
from mmlint.facts.assignments import assigned_values
from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act, bare, negated, plain_null

if TYPE_CHECKING:
    from mmlint.changes.sides import Sides
    from mmlint.kernel.tables import Tables


def asked_where_it_was(sides: Sides, act: Act, there: Act) -> bool:
    """Whether the test for NULL still stands, of what another call gives now or of what the patch calls by another
    name (`folio` for `page`).
    """
    if act.word != "field:null":
        return False
    compared, mine = sides.compared, plain_null(act.expr)
    places = {compared.lines[test.line] for test in act.tests if test.line in compared.lines}
    for node in sides.new.order:
        asked = plain_null(node.expr) if node.kind == "branch" and node.expr is not None else None
        if asked is None or sides.new.chosen(node, there.node) is None:
            continue
        renamed = node.line not in compared.standing and asked.value not in sides.spoken_before
        if renamed or (mine is not None and asked.key == mine.key and (node.line in places or _not_given(sides, mine))):
            return True
    return False


def asked_of_implied(sides: Sides, act: Act, there: Act) -> bool:
    """Whether a call, by whose answer the guarded step is made, asks for what rules a flag out.

    The predicate itself in the place of the test is another question: who is turned away by it is not who was.
    """
    says = ruling_out(sides.tables, {act.word.removeprefix("flag:")}) if act.word.startswith("flag:") else ()
    after = sides.compared.after
    for other in sides.compared.new if says else ():
        if other.expr.kind != "call" or not other.names & act.names or not other.guards(there, sides.new):
            continue
        callee = after.program.resolve(other.word, after.path)
        if callee is not None and not callee.calls.keys().isdisjoint(says):
            return True
    return False


def left_to_beside(sides: Sides, act: Act) -> bool:
    """Whether the term of the condition next to the test, which is still there, says all that the test did."""
    return any(
        ruled_out(sides.tables, test, other) and bool(sides.counterparts(other))
        for test in act.tests
        for other in beside(test)
    )


def ruled_out(tables: Tables, node: Node, other: Node) -> bool:
    """Whether the term `other` says no wherever the predicate `node` says yes, and both answers lead to one place."""
    asked, left = (bare(n.expr) if n.expr is not None else None for n in (node, other))
    if asked is None or left is None or asked.kind != "call" or left.kind != "call":
        return False
    row = tables.implied.get(asked.value)
    yes = {target.id for target, label in node.succ if label is not negated(node.expr)}
    no = {target.id for target, label in other.succ if label is negated(other.expr)}
    return row is not None and f"!{left.value}" in row.implies and yes == no


def ruling_out(tables: Tables, flags: Set[str]) -> frozenset[str]:
    """The predicates that never say yes where one of the flags is set."""
    return frozenset(n for n, row in tables.implied.items() if any(f"!{flag}" in row.implies for flag in flags))


def _not_given(sides: Sides, variable: Expr) -> bool:
    """Whether a call that gave the variable its value before is not made any more."""
    values = assigned_values(sides.compared.before).get(variable.key, ())
    return any(v.kind == "call" and v.value not in sides.compared.after.calls for v in values)


def asked_by_kin(sides: Sides, act: Act, there: Act) -> bool:
    """Whether a test of the class guards it that stands where one of another thing did: by the same word, or where
    what this one asked about is gone (a level of the page tables that is walked no more).
    """
    guards, compared = sides.tables.guards, sides.compared
    guard = guards.get(act.word)
    gone = {arg.root for arg in act.expr.args if arg.root} - sides.spoken_after
    for other in compared.new if guard is not None and act.expr.kind == "call" else ():
        kin = guards.get(other.word)
        if kin is None or guard is None or kin.class_ != guard.class_ or not other.guards(there, sides.new):
            continue
        source = compared.sources.get(id(other))
        if gone or (other.word == act.word and source is not None and source.word != act.word):
            return True
    return False


def asked_by_variable(sides: Sides, act: Act, there: Act) -> bool:
    """Whether a local stands where the test did that the answer to the same question has set further up."""
    new, standing = sides.new, sides.compared.standing
    branches = [n for n in new.order if n.kind == "branch" and n.expr is not None]
    same = [n for n in branches if n.expr is not None and bare(n.expr).key == act.expr.key]
    locals_ = {
        bare(n.expr).value
        for n in branches if same and n.line not in standing and new.chosen(n, there.node) is not None
        if n.expr is not None and bare(n.expr).kind == "name"
    }  # fmt: skip
    sets = [n for n in new.order if locals_ and n.sets(*locals_)]
    return any(new.chosen(question, node) is not None for question in same for node in sets)


def asked_under_lock(sides: Sides, act: Act) -> bool:
    """Whether the same question is asked again, as before, under a lock that is taken behind it: a look without the
    lock only spares the way there.
    """
    if not act.tests:
        return False
    compared, order, takes = sides.compared, sides.old, sides.tables.takes
    later = [
        a
        for a in compared.old
        if a is not act
        and a.expr.key == act.expr.key
        and a.tests
        and id(a) in compared.pairs
        and order.before(act.node, a.node)
    ]
    locks = [a for a in compared.old if a.word in takes and id(a) in compared.pairs]
    return any(order.before(act.node, lock.node) and order.before(lock.node, a.node) for a in later for lock in locks)
