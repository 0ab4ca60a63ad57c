"""What a patch brings is told apart from what was there: the same call under another lock is another finding."""

from __future__ import annotations

from dataclasses import replace

import pytest
from mmlint.engine import compare
from mmlint.finding import Finding
from mmlint.rule import load
from mmlint.testing import findings_between, findings_in

PTL, LAZY = "pte_offset_map_lock", "arch_enter_lazy_mmu_mode"
SLEEPS = next(rule for rule in load() if rule.code == "PTL101")
BEFORE = """
static int give_back_range(struct mm_struct *mm, pmd_t *pmd, unsigned long addr, struct folio *folio)
{
	spinlock_t *ptl;
	pte_t *ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);

	arch_enter_lazy_mmu_mode();
	pte_unmap_unlock(ptep, ptl);
	split_folio(folio);
	ptep = pte_offset_map_lock(mm, pmd, addr, &ptl);
	arch_leave_lazy_mmu_mode();
	pte_unmap_unlock(ptep, ptl);
	return 0;
}
"""
DROPPED = "\tpte_unmap_unlock(ptep, ptl);\n\tsplit_folio(folio);\n\tptep = pte_offset_map_lock(mm, pmd, addr, &ptl);\n"
AFTER = BEFORE.replace(DROPPED, "\tsplit_folio(folio);\n")


def sleeper(lock: str, folio: str = "folio") -> Finding:
    first = findings_in(AFTER, SLEEPS)[0]
    return replace(first, anchor=f"split_folio({folio}) under {lock}", message=f"under {lock}, line {len(lock)}")


def test_the_same_call_under_another_lock_is_new() -> None:
    was, now = sleeper(LAZY), sleeper(PTL)
    assert compare([was], [now]) == ([now], [], [was])


def test_no_renaming_of_variables_makes_two_locks_one() -> None:
    was, now = sleeper(LAZY, "folio"), sleeper(PTL, "victim")
    assert compare([was], [now]) == ([now], [], [was])


@pytest.mark.parametrize("lock", [PTL, LAZY])
def test_the_same_lock_with_variables_renamed_is_not_new(lock: str) -> None:
    was, now = sleeper(lock, "folio"), replace(sleeper(lock, "victim"), function="another")
    assert compare([was], [now]) == ([], [now], [])


def test_a_call_that_slept_in_lazy_mode_and_sleeps_under_the_lock_now_is_told() -> None:
    assert [f.anchor for f in findings_in(BEFORE, SLEEPS)] == [f"split_folio(folio) under {LAZY}"]
    brought = findings_between(BEFORE, AFTER, SLEEPS)
    assert [f.anchor for f in brought] == [f"split_folio(folio) under {PTL}"]
