"""Locks held at a call, in small functions: what the kernel's spelling leaves to be understood."""

from __future__ import annotations

import pytest
from mmlint.facts.locks.atomicsleep import atomic_sleeps
from mmlint.facts.locks.locks import locks, may_be_atomic, may_hold
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

HEAD = "static void probe(struct mm_struct *mm, struct vm_fault *vmf, pmd_t *pmd, unsigned long addr)\n"
CASES: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "a NULL entry is not one that is mapped": (
        "vmf->pte = pte_offset_map_lock(mm, pmd, addr, &vmf->ptl);\n"
        "if (!vmf->pte)\n\treturn;\nlook(vmf);\nif (vmf->pte)\n\tpte_unmap_unlock(vmf->pte, vmf->ptl);\nmark();",
        [()],
    ),
    "an entry set to NULL under the lock keeps the lock": (
        "pte_t *pte = pte_offset_map_lock(mm, pmd, addr, &ptl);\nif (!pte)\n\treturn;\n"
        "pte = NULL;\nif (!pte)\n\tmark();",
        [("ptl", "pte_map", "rcu")],
    ),
    "a status of 0 is not a NULL entry": (
        "int ret = follow_pfnmap_start(&args);\nif (ret)\n\treturn;\nmark();",
        [("rcu", "walk")],
    ),
    "a spinlock by the address of a page-table lock is one": (
        "spinlock_t *ptl = pte_lockptr(mm, pmd);\nspin_lock(ptl);\nmark();\nspin_unlock(ptl);",
        [("ptl",)],
    ),
    "so is one that the taker of a mapping hands out": (
        "pte_t *pte = pte_offset_map_nolock(mm, pmd, addr, &ptl);\nif (!pte)\n\treturn;\nspin_lock(ptl);\nmark();",
        [("ptl", "pte_map", "rcu")],
    ),
    "any other spinlock is not": ("spin_lock(&mm->arg_lock);\nmark();", [("spin",)]),
    "page faults are on again after the pair": ("pagefault_disable();\ncopy();\npagefault_enable();\nmark();", [()]),
}


@pytest.mark.parametrize("name", CASES)
def test_kinds_held_at_the_mark(name: str) -> None:
    body, expected = CASES[name]
    text = f"{HEAD}{{\n{body}\n}}\n".encode()
    program = Program(OverlayTree(EmptyTree(), {"mm/probe.c": text, "Makefile": b"VERSION = 6\nPATCHLEVEL = 12\n"}))
    [function] = program.functions("mm/probe.c")
    [(_, call)] = function.calls["mark"]
    found = [tuple(sorted(h.kind for h in prop)) for prop in locks(function).held(call)]
    assert found == [tuple(sorted(kinds)) for kinds in expected]


MAPPED = "pte_t *pte = pte_offset_map(pmd, addr);\nmark();\npte_unmap(pte);\nbehind();"


@pytest.mark.parametrize(
    ("path", "level", "kinds"),
    [
        ("arch/s390/mm/probe.c", b"1", set()),
        ("arch/x86/mm/probe.c", b"1", {"pte_map"}),
        ("mm/probe.c", b"1", {"pte_map"}),
        ("arch/s390/mm/probe.c", b"12", {"pte_map", "rcu"}),
    ],
)
def test_a_mapped_table_was_something_to_hold_on_two_architectures_only(
    path: str, level: bytes, kinds: set[str]
) -> None:
    makefile = b"VERSION = 6\nPATCHLEVEL = " + level + b"\n"
    text = f"{HEAD}{{\n{MAPPED}\n}}\n".encode()
    [function] = Program(OverlayTree(EmptyTree(), {path: text, "Makefile": makefile})).functions(path)
    [(_, inside)], [(_, behind)] = function.calls["mark"], function.calls["behind"]
    assert {h.kind for prop in locks(function).held(inside) for h in prop} == kinds
    assert not any(not h.gone for prop in locks(function).held(behind) for h in prop)


GAP = "mmlint_not_shown();\n"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (f"preempt_disable();\n{GAP}schedule();", 0),
        (f"preempt_disable();\n{GAP}schedule();\npreempt_enable();", 1),
        (f"spin_lock(ptl);\n{GAP}schedule();\nspin_unlock(ptl);", 1),
        (f"{GAP}spin_lock(ptl);\nschedule();", 1),
    ],
)
def test_lines_that_are_left_out_may_leave_the_section(body: str, count: int) -> None:
    text = f"{HEAD}{{\n{body}\n}}\n".encode()
    program = Program(OverlayTree(EmptyTree(), {"mm/probe.c": text}), partial=True)
    [function] = program.functions("mm/probe.c")
    assert len(atomic_sleeps(function)) == count


OTHERS = """
static void probe_lock(struct mm_struct *mm)
{
	spin_lock(&mm->arg_lock);
}

static void probe_wait(struct mm_struct *mm)
{
	mmap_read_lock(mm);
}

static void probe_count(struct mm_struct *mm)
{
	spin_lock(&mm->arg_lock);
	mm->total_vm++;
	spin_unlock(&mm->arg_lock);
}

"""
HOLDS = {
    "spin_lock(&mm->arg_lock);": (True, True),
    "mutex_lock(&demo_mutex);": (True, False),
    "guard(rcu)();": (True, True),
    "scoped_guard(mutex, &demo_mutex)\n\t\tmark();": (True, False),
    "probe_lock(mm);": (True, True),
    "probe_wait(mm);": (True, False),
    "probe_count(mm);": (False, False),
    "pte_unmap_unlock(vmf->pte, vmf->ptl);": (False, False),
    "mark();": (False, False),
}


@pytest.mark.parametrize("body", HOLDS)
def test_what_may_come_to_be_held_is_told_without_following_the_flow(body: str) -> None:
    text = f"{OTHERS}{HEAD}{{\n\t{body}\n}}\n".encode()
    program = Program(OverlayTree(EmptyTree(), {"mm/probe.c": text, "Makefile": b"VERSION = 6\nPATCHLEVEL = 12\n"}))
    [function] = program.named("mm/probe.c", "probe")
    assert (may_hold(function), may_be_atomic(function)) == HOLDS[body]
    # ... and misses nothing that the flow comes to.
    held = {h.kind for states in locks(function).flow.before.values() for prop in states for h in prop if not h.gone}
    assert bool(held) <= may_hold(function)
