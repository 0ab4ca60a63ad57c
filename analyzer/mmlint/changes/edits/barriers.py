"""Memory barriers that a patch takes away because a lock, or a call that is made always, orders what they ordered."""

from __future__ import annotations

from mmlint.changes.compare import Comparison
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act, plain


def ordered_by_lock(compared: Comparison, barrier: Act) -> bool:
    """Whether what was read right before a barrier (a call without arguments) has moved up in front of a call that
    takes a lock or gives one up.

    Source: arch/riscv/kvm/mmu.c kvm_riscv_gstage_map; Documentation/memory-barriers.txt.
    """
    if barrier.expr.kind != "call" or barrier.expr.args:
        return False
    tables = compared.before.tables
    locks = [act for act in compared.old if act.word in tables.takes or act.word in tables.drops]
    reads = [act for act in compared.old if act.word.startswith("read:") and _right_before(act, barrier)]
    return any(_overtakes(compared, read, lock) for read in reads for lock in locks)


def other_arm_always(compared: Comparison, barrier: Act) -> bool:
    """Whether a barrier (a call without arguments) stood for the call on the other arm of a test that is gone, and that
    call is made on all ways now: what gives a reference up, or takes one, orders as well.

    Source: Documentation/atomic_t.txt; kernel/kthread.c kthread_use_mm.
    """
    old, new = reach(compared.before), reach(compared.after)
    test, outcome = old.innermost(barrier.node)
    if barrier.expr.kind != "call" or barrier.expr.args or test is None or outcome is None:
        return False
    if any(node.kind == "branch" and plain(node) == plain(test) for node in new.order):
        return False
    tables = compared.before.tables
    counts = [a for a in compared.old if a.word in tables.gives_resource or a.word in tables.takes_resource]
    now = [compared.pairs.get(id(a)) for a in counts if old.chosen(test, a.node) is (not outcome)]
    above = [new.innermost(a.node)[0] for a in now if a is not None]
    return any(node is None or node.line in compared.standing for node in above)


def _right_before(act: Act, barrier: Act) -> bool:
    return any(node is barrier.node for node, _ in act.node.succ)


def _overtakes(compared: Comparison, read: Act, lock: Act) -> bool:
    """Whether a reading stood behind a lock call, and stands in front of it now."""
    order, then = reach(compared.after), compared.pairs.get(id(lock))
    if then is None or not reach(compared.before).before(lock.node, read.node):
        return False
    return any(now.word == read.word and order.before(now.node, then.node) for now in compared.new)
