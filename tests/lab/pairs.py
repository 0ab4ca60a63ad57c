"""The pairs: a program, the guard that is taken out, and the same two kernels in the model.

The model's side is a variant of the scenario, or the present-day kernel of the model with one choice changed: what
either comes to is never written here, it is explored.
"""

from __future__ import annotations

from dataclasses import dataclass

from mmlint.sim.model.kernel import UPSTREAM

from tests.lab.model import Behaviour

SHARE = UPSTREAM.but("upstream, fork shares", fork="share")


@dataclass(frozen=True, slots=True)
class Pair:
    """`report` is what the kernel itself has to say for the broken one to count as broken (a regular expression over
    its console); without one the program's own verdict counts. `note` explains where model and kernel differ in kind.
    """

    scenario: str
    mutation: str
    program: str
    whole: Behaviour
    broken: Behaviour
    report: str = ""
    runs: int = 3
    note: str = ""

    @property
    def name(self) -> str:
        """Unique: one program under one mutation."""
        return f"{self.mutation}/{self.program}"


def _named(whole: str, broken: str) -> tuple[Behaviour, Behaviour]:
    return Behaviour(whole), Behaviour(broken)


_PTE_ONLY = UPSTREAM.but("upstream, pte only", levels=frozenset({"pte"}))
_NO_UNSHARE = UPSTREAM.but("upstream, no unshare", gup_break="none")
_SLEEPS = r"BUG: sleeping function called|Illegal context switch in RCU"
_CRASH = r"BUG: (unable to handle|kernel NULL pointer)|general protection fault|kernel BUG at"
_BAD_FOLIO = r"VM_BUG_ON_FOLIO\(!folio_test_locked"
_BAD_PAGE = r"BUG: Bad page|page dumped because|kernel BUG at|refcount_t: underflow|WARNING:.*rmap"

PAIRS: tuple[Pair, ...] = (
    Pair("S1", "fork-guard-pte", "pinned-page-fork", Behaviour("upstream"), Behaviour("upstream, shared", SHARE)),
    Pair(
        "S3",
        "fork-guard-pte",
        "pinned-page-fork-child-stays",
        Behaviour("upstream"),
        Behaviour("upstream, shared", (SHARE, "parent")),
    ),
    Pair(
        "S28",
        "fork-guard-pmd",
        "pinned-huge-page-fork.pmd",
        Behaviour("upstream, pmd", (UPSTREAM, "pmd")),
        Behaviour("upstream pte only, pmd", (_PTE_ONLY, "pmd")),
    ),
    Pair(
        "S28",
        "fork-guard-hugetlb",
        "pinned-huge-page-fork.hugetlb",
        Behaviour("upstream, hugetlb", (UPSTREAM, "hugetlb")),
        Behaviour("upstream pte only, hugetlb", (_PTE_ONLY, "hugetlb")),
    ),
    Pair(
        "S1",
        "fork-guard-hugetlb",
        "pinned-huge-page-fork.hugetlb_child_leaves",
        Behaviour("upstream"),
        Behaviour("upstream, shared, reuse by mapcount", SHARE.but(reuse="mapcount")),
        note="hugetlb_wp reuses an anonymous page with one mapper, so with the child gone nothing is lost",
    ),
    Pair(
        "S8",
        "reuse-by-mapcount",
        "missed-cow-through-reference",
        Behaviour("upstream get"),
        Behaviour("upstream by mapcount, get", (UPSTREAM.but("by mapcount", reuse="mapcount"), "get")),
    ),
    Pair(
        "S2",
        "pin-without-unshare",
        "read-only-pin-then-write",
        Behaviour("upstream"),
        Behaviour("upstream, no unshare", (_NO_UNSHARE, False)),
    ),
    Pair(
        "S2",
        "pin-without-unshare",
        "read-only-pin-then-write.write",
        Behaviour("upstream+FOLL_WRITE"),
        Behaviour("upstream, no unshare, FOLL_WRITE", (_NO_UNSHARE, True)),
    ),
    Pair(
        "S25",
        "fast-pin-without-unshare",
        "fast-gup-goes-round-the-rule.unshare",
        *_named("cow in both", "cow in slow path only"),
    ),
    Pair(
        "S25",
        "pin-flag-slow-only",
        "fast-gup-goes-round-the-rule.flag",
        *_named("flag in both", "flag in slow path only"),
    ),
    Pair(
        "S36",
        "fork-unseen-by-fast-gup",
        "fork-against-fast-gup",
        Behaviour("upstream"),
        Behaviour("upstream, no seqcount", UPSTREAM.but("no seqcount", seqcount=False)),
    ),
    Pair("FG8", "fast-gup-without-permission", "fast-gup-without-permission-test", *_named("tests", "no-write-test")),
    Pair(
        "GATE1",
        "fork-without-gate",
        "no-pin-gate-in-fork",
        Behaviour("upstream", UPSTREAM),
        Behaviour("upstream, no gate", UPSTREAM.but("no gate", gate=False)),
    ),
    Pair("S22", "pin-flag-inherited", "pin-flag-inherited", *_named("cleared", "inherited")),
    Pair(
        "S23",
        "uffd-wp-lost-in-unshare",
        "uffd-wp-lost-in-forced-cow",
        Behaviour("upstream", UPSTREAM),
        Behaviour("upstream, bit dropped", UPSTREAM.but("bit dropped", uffd_carry=False)),
    ),
    Pair(
        "S24",
        "uffd-event-for-unshare",
        "uffd-event-for-a-read",
        Behaviour("upstream", UPSTREAM),
        Behaviour("upstream, event for all", UPSTREAM.but("event for all", uffd_event="all")),
    ),
    Pair("UFFD1", "uffd-wp-lost-in-swap", "uffd-wp-bit-lost-on-move.swap", *_named("bit-carried", "bit-dropped")),
    Pair("UFFD1", "uffd-wp-lost-in-fork", "uffd-wp-bit-lost-on-move.fork", *_named("bit-carried", "bit-dropped")),
    Pair("UFFD1", "uffd-wp-lost-in-mremap", "uffd-wp-bit-lost-on-move.mremap", *_named("bit-carried", "bit-dropped")),
    Pair("SOFT1", "soft-dirty-lost-in-swap", "soft-dirty-lost-on-move", *_named("bit-carried", "bit-dropped")),
    Pair("HM10", "soft-dirty-lost-in-migration", "entry-bits-lost-in-migration", *_named("carried", "dropped")),
    Pair("EXCL1", "marker-kept-in-fork", "exclusive-marker-kept-in-fork", *_named("marker-cleared", "marker-kept")),
    Pair(
        "EXCL2",
        "marker-kept-in-swap-entry",
        "exclusive-swap-entry-shared",
        *_named("marker-cleared", "marker-kept"),
        report=r"kernel BUG at mm/memory\.c",
        runs=1,
        note="do_swap_page asserts what the model sees one step later",
    ),
    Pair(
        "CW4",
        "soft-dirty-clear-of-pinned",
        "pinned-page-write-protected",
        Behaviour("upstream, skip-pinned", (UPSTREAM, "skip-pinned")),
        Behaviour("upstream"),
    ),
    Pair(
        "CW4",
        "soft-dirty-clear-of-pinned-by-count",
        "pinned-page-write-protected",
        Behaviour("upstream, skip-pinned", (UPSTREAM, "skip-pinned")),
        Behaviour("classic"),
    ),
    Pair("CW3", "exclusive-not-asked", "mprotect-against-short-io", *_named("exclusive", "classic")),
    Pair(
        "PIN1",
        "reclaim-of-pinned",
        "pinned-page-unmapped",
        Behaviour("upstream, pin-test", (UPSTREAM, True)),
        Behaviour("upstream-without-test"),
    ),
    Pair(
        "PIN1",
        "reclaim-of-pinned-unmarked",
        "pinned-page-unmapped",
        Behaviour("upstream, pin-test", (UPSTREAM, True)),
        Behaviour("no-pin-test"),
    ),
    Pair("FORCE1", "forced-write-without-cow", "forced-write-reaches-file", *_named("dirty-anon", "drop-write")),
    Pair("DIRTY2", "dirty-dropped-at-unmap", "dirty-bit-dropped-at-unmap", *_named("moved", "dropped")),
    Pair("HM9", "dirty-dropped-in-migration", "dirty-bit-lost-in-migration", *_named("moved-to-page", "dropped")),
    Pair("S12", "alloc-under-ptl", "early-copy.allocation", *_named("K2", "K2draft"), report=_SLEEPS),
    Pair("S14", "address-advanced-before-retry", "early-copy.retry", *_named("K2", "advance")),
    Pair("S16", "reference-before-copy", "early-copy.counts", *_named("K2", "after-ref"), runs=1),
    Pair("S17", "copy-without-lru", "early-copy.complete", *_named("complete", "no-lru")),
    Pair("S17", "copy-not-uptodate", "early-copy.complete", *_named("complete", "no-uptodate")),
    Pair("S17", "copy-without-rmap", "early-copy.complete", *_named("complete", "no-rmap")),
    Pair("HM2", "folio-lock-under-ptl", "locks.folio_lock", *_named("trylock", "lock-page"), report=_SLEEPS),
    Pair(
        "LK1",
        "ptl-kept-after-unshare",
        "locks.held",
        *_named("unlock", "keep"),
        report=r"possible recursive locking detected",
        runs=1,
    ),
    Pair("WALK1", "walk-left-locked", "locks.walk", *_named("walk-done", "just-return"), report=_SLEEPS, runs=1),
    Pair("LEAK1", "old-page-kept-by-cow", "leaks.reference", *_named("put", "forget"), runs=1),
    Pair("LEAK2", "pins-kept-on-error", "leaks.error", *_named("unpin", "keep")),
    Pair(
        "FG10",
        "partial-pin-taken-for-success",
        "leaks.error",
        *_named("counted", "any-is-success"),
        report=_CRASH,
        runs=1,
    ),
    Pair("LK3", "folio-unlocked-twice", "locks.folio_lock", *_named("if-ok", "always"), report=_BAD_FOLIO, runs=1),
    Pair("MIX1", "pin-released-by-put", "leaks.door", *_named("unpin", "put-page")),
    Pair("PUT1", "put-twice", "leaks.twice", *_named("once", "both"), report=_BAD_PAGE, runs=1),
    Pair("RAW1", "raw-count", "raw-refcount-update-lost", *_named("page-ref-inc", "raw"), report=_BAD_PAGE, runs=1),
)
