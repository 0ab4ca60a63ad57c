"""Locks held at a call, in small functions: what the kernel's spelling leaves to be understood."""

from __future__ import annotations

import pytest
from mmlint.facts.locks import locks
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
