"""Rule (c): write-protecting a page that somebody holds a reference to."""

from __future__ import annotations

from mmlint.sim.build import after, done
from mmlint.sim.model.fault import user_write
from mmlint.sim.model.gup import dma_write, gup_slow, unpin
from mmlint.sim.model.kernel import K2, UPSTREAM, Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.protect import mprotect_read, mprotect_write
from mmlint.sim.oracles import watch
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, World


def _cw3(w: World, policy: tuple[Kernel, str, bool]) -> None:
    """mprotect(PROT_READ) while another thread has short I/O on the page; later write permission comes back.

    Four policies for a page whose count is above one: fail (the call answers by chance), skip (it answers 0 and the
    page stays writable), wait (for ever, if the reference is kept until mprotect is through), classic (the later
    write copies and the I/O lands in the old page). With exclusivity tracked apart from the write bit (upstream,
    CW8) nothing is lost.

    Digest 001-004: Lutomirski 002:L57-65; CW3, CW8.
    """
    kernel, how, longterm = policy
    m = Machine(w, kernel)
    watch(m, "O1get", "O2", "O4")
    mm = m.mm("P")
    m.anon(mm, 0)
    ref = m.pin("io", mm, 0)

    def io() -> Op[None]:
        if not (yield from gup_slow(m, ref, how="get")):
            return
        if longterm:
            yield after(m, "mprotect done")
        yield from dma_write(m, ref, "dma")
        yield from unpin(m, ref)

    def thread() -> Op[None]:
        result = yield from mprotect_read(mm, 0, how)
        done(m, "mprotect done")
        if result:
            w.fail("O19", "mprotect returns EAGAIN only because another thread does I/O")
        if (yield from user_write(m, mm, 0, "forbidden")):
            w.fail("O17", "P writes after mprotect(PROT_READ) has succeeded")
        yield from mprotect_write(m, mm, 0)
        yield from user_write(m, mm, 0, "allowed")

    w.task("io", io())
    w.task("thread", thread())


CW3 = Scenario(
    "CW3",
    "mprotect-against-short-io",
    "a page with a reference is write-protected, and a later write moves off it",
    _cw3,
    (
        Variant("classic", (K2, "classic", False), "O1"),
        Variant("fail", (K2, "fail", False), "O19"),
        Variant("skip", (K2, "skip", False), "O17"),
        Variant("wait", (K2, "wait", False), HOLDS),
        Variant("wait-longterm", (K2, "wait", True), "deadlock"),
        Variant("exclusive", (UPSTREAM, "classic", False), HOLDS),
    ),
    bad="classic",
    good="exclusive",
)
