"""Calls for their effect on pages, entries, mappings or address spaces that a patch deletes, with nothing instead."""

from __future__ import annotations

import re

from mmlint.changes.about import operands
from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.changes.edits.barriers import ordered_by_lock, other_arm_always
from mmlint.changes.edits.slips import known_call
from mmlint.changes.edits.undone import acts_alone, frees
from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, call_targets
from mmlint.facts.locks.held import declared_types, local_names
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, opposite, plain
from mmlint.facts.things import given
from mmlint.frozen import dataclass

OURS = re.compile(
    r"^(const )?(struct )?(page|folio|vm_area_struct|mm_struct|anon_vma|address_space|mmu_gather|vm_fault|pte_t|pmd_t"
    r"|pud_t|p4d_t|mmu_notifier_range|mmu_interval_notifier|swap_info_struct|lruvec|dev_pagemap|ptdesc)( \*)+$"
)
"""What mm is about; a call that is handed one of these does something to it."""
_LASTING = re.compile(
    r"^wake_up|^complete(_all)?$|^(h?list|hlist_nulls|rb|xa)_\w*(add|del|move|splice|insert|erase|link)"
    r"|^(set|clear)_bit|^(__)?xas?_(set|clear)_mark$|^(queue|schedule)_(delayed_)?work"
    r"|^(init|INIT)_|^k?v?free|^kmem_cache_(free|destroy)$"
    r"|^(mutex|spin_lock|init_rwsem|raw_spin_lock)_?init$"
    r"|^(cancel|flush)_(delayed_)?work(_sync)?$|^(flush|drain)_workqueue$|timer_(delete_|shutdown_)?sync$|^hrtimer_cancel$"
)
"""Calls of the kernel's own library whose effect somebody else waits for, or walks over, or that wait themselves."""
_PROTECTS = re.compile(r"(^|_)(wr|write_?)protect(_|$)")
"""Calls after which a write faults, whatever the tables that they are about."""
HOME = "mm/"
"""Where every function is about what this project is about."""

_MEMBERS = frozenset({"i_mapping", "f_mapping", "mapping", "vm_mm", "mm", "vma", "page", "folio", "anon_vma"})
"""Members that hold such a thing, whatever they are members of."""
_STRAIGHT = 10
_ERROR = re.compile(r"-E[A-Z]")
_ALLOCATES = re.compile(r"alloc")
"""What is got for oneself is given back, and others speak of that."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """`act` (of before) is gone, and `node` stands there now."""

    act: Act
    node: Node


def vanished(change: FunctionChange) -> Vanished | None:
    """The one statement that a patch deletes from a function, if it adds no call and what that was about is there.

    Locks have rules of their own, and so has what gives something up.
    """
    compared = comparison(change)
    if compared is None or change.patch.partial or compared.scoped or change.named_elsewhere:
        return None
    if any(act.expr.kind == "call" for act in compared.added) or change.patch.large:
        return None
    act = _only_one(compared)
    if act is None or _option_gone(compared, act):
        return None
    elsewhere = (other.after for other in change.others if other.after is not None)
    if any(act.word in other.words for other in elsewhere) or change.lost_elsewhere(act.word):
        return None
    if _LASTING.search(act.word) and any(change.lost_elsewhere(member) for member in _members(act)):
        return None  # what it made ready is on its way out
    tables = compared.before.tables
    if act.word in tables.takes or act.word in tables.drops or ("lock" in act.word and not _LASTING.search(act.word)):
        return None
    if given(compared.before, act.word, act.expr) or (_LASTING.search(act.word) and _moved(compared)):
        return None
    if not _ours(compared, act) or not _spoken_of(compared, act):
        return None
    place = _place(compared, act) or compared.after.cfg.entry
    ordered = ordered_by_lock(compared, act) or other_arm_always(compared, act)
    made_up = ordered or _done_by_other(compared, act) or _met_still(compared, act)
    return None if made_up else Vanished(act, place)


def _option_gone(compared: Comparison, act: Act) -> bool:
    """Whether the `#if` goes that the call stood under: support for an option is taken away."""
    was, now = compared.before.source, compared.after.source
    condition = was.file.condition_on(act.line)
    lines = range(now.start_line, now.end_line + 1) if condition != was.condition else ()
    return bool(lines) and not any(now.file.condition_on(line).startswith(condition) for line in lines)


def _place(compared: Comparison, act: Act) -> Node | None:
    """Where a call stood: at the return right behind it, though that may give something else now, or `behind` it."""
    nodes = [node for node, _ in act.node.succ]
    ends = (a for a in compared.old if a.word == "return" and [a.node] == nodes)
    now = next((compared.pairs.get(id(end)) for end in ends), None)
    return now.node if now is not None else compared.behind(act.node)


def _only_one(compared: Comparison) -> Act | None:
    """The one call for its effect, or that may fail, which is gone with no more than what was read or tested for it.

    Of several that all protect it is the first.
    """
    gone = [act for act in compared.removed if act.expr.kind == "call"]
    found = [act for act in gone if acts_alone(act) or _may_fail(compared.before, act)]
    found = [act for act in found if not any(_on_failure(compared, act, other) for other in found)]
    gone = [act for act in gone if not any(_on_failure(compared, act, other) for other in found)]
    nodes = [act.node for act in found]
    if not found or (len(found) > 1 and not all(_PROTECTS.search(act.word) for act in found)):
        return None
    if any(act.node not in nodes and not serves(compared, act) for act in gone):
        return None
    return found[0]


def _on_failure(compared: Comparison, act: Act, other: Act) -> bool:
    """Whether an act stands only where another one failed, which is a call that leads out of the function there."""
    order = reach(compared.before)
    arms = [test for test in other.tests if order.chosen(test, act.node) is not None] if other is not act else []
    return bool(arms) and not acts_alone(other) and _may_fail(compared.before, other)


def _members(act: Act) -> set[str]:
    """The members that a call is handed, themselves or their addresses."""
    handed = (arg.args[0] if arg.kind == "unary" and arg.value == "&" else arg for arg in act.expr.args)
    return {arg.value for arg in handed if arg.kind == "field"}


def _moved(compared: Comparison) -> bool:
    """Whether calls have moved: what stood in two places may stand in one, or be got later."""
    return any(o.expr.kind == "call" and id(o) in compared.pairs and id(o) not in compared.still for o in compared.old)


def _may_fail(function: Function, act: Act) -> bool:
    """Whether a call's failure led out of the function, with what the call said or an error."""
    target = call_targets(function).get(id(act.expr))
    said = target.key if target is not None else ""
    tables = function.tables
    if act.word in tables.guards or act.word in tables.takes_resource or _ALLOCATES.search(act.word):
        return False
    return any(_leads_out(test, said) for test in act.tests)


def _leads_out(test: Node, said: str) -> bool:
    for arm, _ in test.succ:
        node = arm
        for _ in range(_STRAIGHT):
            if (
                node.kind == "return"
                and node.expr is not None
                and (node.expr.key == said or _ERROR.match(node.expr.key))
            ):
                return True
            if len(node.succ) != 1:
                break
            node = node.succ[0][0]
    return False


def serves(compared: Comparison, act: Act) -> bool:
    """Whether a call that is gone only tested something, or filled a variable that is gone as well."""
    return bool(act.tests) or (_filled(act) not in _spoken(compared) | {""})


def _filled(act: Act) -> str:
    """The variable that the statement of an act sets, or nothing."""
    expr = act.node.expr
    return expr.args[0].root if expr is not None and expr.kind == "assign" else ""


def _spoken(compared: Comparison) -> frozenset[str]:
    exprs = (n.expr.names() for n in compared.after.cfg.order if n.expr is not None)
    return frozenset(compared.after.params).union(*exprs)


def _ours(compared: Comparison, act: Act) -> bool:
    """Whether the call stands in mm, is one of the tables' or of those that last, or gets what mm is about."""
    if compared.before.path.startswith(HOME) or _LASTING.search(act.word) or _PROTECTS.search(act.word):
        return True
    types = declared_types(compared.before)
    handed = {types.get(arg.root, "") for arg in act.expr.args if arg.kind in ("name", "unary")}
    known = known_call(compared.before, act.word) or not _MEMBERS.isdisjoint(_members(act))
    return known or any(OURS.match(kind) for kind in handed)


def _spoken_of(compared: Comparison, act: Act) -> bool:
    """Whether the function still names the variables that the call was handed, but for those filled for it; what was
    allocated for it is gone as a whole.
    """
    spoken, mine = _spoken(compared), local_names(compared.before) | frozenset(compared.before.params)
    handed = {arg.root for arg in act.expr.args} & mine
    filled = {_filled(gone) for gone in compared.removed if not _ALLOCATES.search(gone.word)}
    return handed - spoken <= filled and (not handed or bool(handed & spoken))


def _done_by_other(compared: Comparison, act: Act) -> bool:
    """Whether a call about the same thing, which is still made on the way, does it as well, or something else now."""
    before, order = compared.before, reach(compared.before)
    for other in compared.old:
        now = compared.pairs.get(id(other))
        if now is None or other.expr.kind != "call" or not operands(other) & operands(act):
            continue
        if frees(act.word) and other.key == act.key:
            return True  # which way comes by it is for the rules about ways out
        if now.key == other.key and other.word != act.word and not order.together(other.node, act.node):
            continue
        callee = before.program.resolve(other.word, before.path)
        if callee is not None and act.word in callee.calls:
            return True
        if now.key != other.key and known_call(before, other.word):
            return True
        if other.word == act.word and _made_as_well(compared, act, other, now):
            return True
    return False


def _met_still(compared: Comparison, act: Act) -> bool:
    """Whether the way that led to a call leads to another one like it now: two arms have become one."""
    old, new = reach(compared.before), reach(compared.after)
    test, outcome = old.innermost(act.node)
    if test is None or outcome is None:
        return False
    gives = act.word in compared.before.tables.gives_resource
    before, after = (
        [a.node for a in side if a is not act and a.word == act.word and (gives or a.key == act.key)]
        for side in (compared.old, compared.new)
    )
    alike = [n for n in new.order if n.kind == "branch" and plain(n) == plain(test)]
    now = [n for n in alike if n.line == compared.lines.get(test.line)] or _behind_last(compared, test, alike) or alike
    met = all(new.always_meets(n, outcome is (opposite(n) is opposite(test)), after) for n in now)
    return bool(now) and met and not old.always_meets(test, outcome, before)


def _behind_last(compared: Comparison, test: Node, alike: list[Node]) -> list[Node]:
    """Of tests alike the first behind the call that came last before the test."""
    old, new = reach(compared.before), reach(compared.after)
    calls = (a for a in compared.old if a.expr.kind == "call" and id(a) in compared.pairs)
    ahead = [a for a in calls if a.node is not test and old.dominates(a.node, test)]
    last = max(ahead, key=lambda a: old.rank[a.node.id], default=None)
    now = compared.pairs[id(last)].node if last is not None else None
    return [node for node in alike if now is not None and new.dominates(now, node)][:1]


def _made_as_well(compared: Comparison, act: Act, other: Act, now: Act) -> bool:
    """Whether the same call has moved, is made behind the place, or is made before it with nothing between."""
    if id(other) not in compared.still or (other.key == act.key and _ways_to(now.node) > _ways_to(other.node)):
        return True
    order, new, place = reach(compared.before), reach(compared.after), _place(compared, act)
    if place is not None and (now.node is place or new.before(place, now.node)):
        return True
    if not order.together(other.node, act.node):
        return place is not None and new.dominates(now.node, place)
    return order.dominates(other.node, act.node) and not any(
        order.before(other.node, between.node)
        and order.before(between.node, act.node)
        and acts_alone(between)
        and any(_pointer(compared, each) for each in operands(between) & operands(act))
        for between in compared.old
        if between is not other
    )


def _ways_to(node: Node) -> int:
    """How many tests lead straight to a node."""
    return sum(each.kind == "branch" for each in node.pred)


def _pointer(compared: Comparison, operand: str) -> bool:
    """Whether an operand is no plain number: then what it leads to may have changed."""
    return "*" in declared_types(compared.before).get(operand, "*")
