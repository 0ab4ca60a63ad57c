"""Memory barriers that a patch takes away because a lock orders now what they ordered."""

from __future__ import annotations

from mmlint.changes.compare import Comparison
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act


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


def _right_before(act: Act, barrier: Act) -> bool:
    return any(node is barrier.node for node, _ in act.node.succ)


def _overtakes(compared: Comparison, read: Act, lock: Act) -> bool:
    """Whether a reading stood behind a lock call, and stands in front of it now."""
    order, then = reach(compared.after), compared.pairs.get(id(lock))
    if then is None or not reach(compared.before).before(lock.node, read.node):
        return False
    return any(now.word == read.word and order.before(now.node, then.node) for now in compared.new)
