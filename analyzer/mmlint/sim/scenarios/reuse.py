"""Writing in place after a write-protect fault: KSM pages, and the page lock against the page-table lock."""

from __future__ import annotations

from mmlint.sim.model.fault import user_write
from mmlint.sim.model.fork import zap
from mmlint.sim.model.kernel import K0, K1, UPSTREAM, Kernel
from mmlint.sim.model.ksm import make_ksm, merge
from mmlint.sim.model.machine import Machine
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import World


def _ksm(w: World, kernel: Kernel) -> None:
    m = Machine(w, kernel)
    watch(m, "O2", "O4")
    first, second = m.mm("P"), m.mm("Q")
    stable = m.anon(first, 0, "X", write=False)
    make_ksm(stable)
    m.anon(second, 0, "Q0")
    for mm in (first, second):
        m.expect(mm, 0, "0")
    w.task("writer", user_write(m, first, 0, "1"))
    w.task("ksmd", merge(m, stable, second, 0))
    w.task("other", user_write(m, second, 0, "2"))


def _s10(w: World, kernel: Kernel) -> None:
    """A KSM page with one mapper and count one is made writable in place while ksmd takes a lockless reference.

    get_ksm_page(NOLOCK) does not take the page lock, so a count of one seen under that lock proves nothing: ksmd
    compares the old content and maps the page into another process, which then sees the writes. page_ref_freeze
    makes the getter fail; never reusing a KSM page is simpler.

    Digest 000: Kirill L745-750 and L1108-1112; reuse_ksm_page in P2.
    """
    _ksm(w, kernel)


S10 = Scenario(
    "S10",
    "count-checked-ksm-reuse",
    "reuse by page_count races a lockless reference",
    _s10,
    tuple(
        Variant(name, kernel, e)
        for name, kernel, e in (
            ("count-is-one", K0.but("count", ksm="count"), "O2"),
            ("freeze", K0.but("freeze", ksm="freeze"), HOLDS),
            ("K1", K1, HOLDS),
            ("upstream", UPSTREAM, HOLDS),
        )
    ),
    bad="count-is-one",
    good="freeze",
    sometimes=("merged",),
)


def _s11(w: World, kernel: Kernel) -> None:
    """The stable node holds no reference, so a KSM page can have count one and still be handed out by the tree.

    A reuse path that forgets PageKsm takes it for its own.

    Digest 000: Jan L940-955, comment of P1 L118.
    """
    _ksm(w, kernel)


S11 = Scenario(
    "S11",
    "ksm-page-reused-through-keyhole",
    "the reuse path does not test PageKsm",
    _s11,
    (
        Variant("no-ksm-test", K1.but("no ksm test", ksm_check=False), "O2"),
        Variant("K1", K1, HOLDS),
        Variant("upstream", UPSTREAM, HOLDS),
    ),
    bad="no-ksm-test",
    good="K1",
    sometimes=("merged",),
)


def _s35(w: World, kernel: Kernel) -> None:
    """unlock_page after the page-table lock is gone, with no reference of one's own.

    wp_page_reuse drops the PTL; MADV_DONTNEED in another thread then frees the page while it is still locked, and
    unlock_page touches a freed page ("Bad page state"). Unlock first.

    be068f29034f; the order is in P1 of the thread (digest 000, L171-172), where nobody noticed.
    """
    m = Machine(w, kernel)
    watch(m, "O4")
    mm = m.mm("P")
    m.anon(mm, 0, write=False)
    w.task("writer", user_write(m, mm, 0, "1"))
    w.task("madvise", zap(m, mm, 0))


S35 = Scenario(
    "S35",
    "page-used-after-ptl-drop",
    "a page is unlocked after the lock that kept it alive was dropped",
    _s35,
    (
        Variant("unlock-after", K1.but("unlock after", unlock_page="after-ptl"), "O5"),
        Variant("unlock-before", K1, HOLDS),
    ),
    bad="unlock-after",
    good="unlock-before",
    sometimes=(("the page goes after the reuse", lambda w: w.objects["X"].freed and w.objects["writer"].done),),  # type: ignore[attr-defined]
)
