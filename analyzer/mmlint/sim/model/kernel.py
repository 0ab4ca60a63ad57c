"""Kernel variants: one value that chooses, for each contested operation, which of the historical behaviours it has.

Names follow the thread of 2020 (digest 000 section 3): K0 before 09854ba94c6a, K1 with it, K1pin and K1wp the two
rejected repairs, K2draft the posted early copy, K2 the corrected one, `UPSTREAM` a present-day kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mmlint.sim.world import Policy


@dataclass(frozen=True)
class Kernel(Policy):
    """The choices. Every field is read in exactly one operation of the model.

    reuse: how do_wp_page decides to write in place (mapcount, refcount, refcount-or-pinned, exclusive).
    gup_break: which GUP breaks COW for a read (none, all, pin, unshare); gup_break_fast: also the fast path.
    fork: share, skip (leave pinned pages out of the child), early-copy (draft: allocation under the lock), prealloc
    (drop, allocate, retake, retry).
    pin_flag: which pins set mm->has_pinned (none, any, longterm); flag_fast: the fast path sets it too.
    """

    name: str
    reuse: str = "refcount"
    gup_break: str = "none"
    gup_break_fast: bool = True
    fork: str = "share"
    pin_flag: str = "none"
    flag_fast: bool = True
    flag_reset: bool = True
    seqcount: bool = False
    enomem: str = "fail"
    copy_decision: str = "before-ref"
    copy_steps: frozenset[str] = frozenset({"charge", "uptodate", "rmap", "lru", "dirty", "write"})
    copy_gfp: str = "kernel"
    retry: str = "right"
    levels: frozenset[str] = frozenset({"pte", "pmd", "pud", "hugetlb"})
    ksm: str = "never-reuse"
    ksm_check: bool = True
    unlock_page: str = "before-ptl"
    uffd_carry: bool = True
    uffd_event: str = "writes"
    cow_check: bool = True
    foll_cow: str = "dirty-anon"
    exclusive_clear: bool = True
    pin_anon_only: bool = True
    gate: bool = True
    swap_bits: frozenset[str] = frozenset({"soft_dirty", "uffd_wp", "exclusive"})
    swap_recheck: bool = True
    swap_pte_same: bool = True
    unmap_recheck: bool = True
    ipi_flush: bool = True
    zap_dirty: bool = True
    wp_drain: bool = False
    pin_test: str = "bias"
    cow_needed: str = "keeps-lock"
    gup_tests: frozenset[str] = frozenset({"protnone", "user", "write", "special"})

    def but(self, name: str = "", **changes: Any) -> Kernel:
        """The same kernel with some choices changed."""
        return replace(self, name=name or self.name, **changes)


K0 = Kernel("K0", reuse="mapcount")
K0F = K0.but("K0f", gup_break="all")
K1 = Kernel("K1")
K1PIN = K1.but("K1pin", gup_break="pin")
K1WP = K1.but("K1wp", reuse="refcount-or-pinned")
K2DRAFT = K1.but(
    "K2draft",
    fork="early-copy",
    pin_flag="any",
    enomem="share",
    copy_decision="after-ref",
    copy_steps=frozenset({"charge", "uptodate", "rmap", "dirty", "write"}),
    levels=frozenset({"pte"}),
)
K2 = K1.but("K2", fork="prealloc", pin_flag="any")
UPSTREAM = K2.but("upstream", reuse="exclusive", gup_break="unshare", seqcount=True)
