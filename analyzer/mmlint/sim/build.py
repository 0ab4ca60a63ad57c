"""What scenario files share: variants from pairs, and the usual cast of actors."""

from __future__ import annotations

from mmlint.sim.model.fork import exit_mm, fork
from mmlint.sim.model.gup import dma_write
from mmlint.sim.model.kernel import Kernel
from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm, Pin
from mmlint.sim.scenario import Variant
from mmlint.sim.world import Op, Wait


def kernels(expect: dict[Kernel, str]) -> tuple[Variant, ...]:
    """One variant per kernel, by its name."""
    return tuple(Variant(kernel.name, kernel, outcome) for kernel, outcome in expect.items())


def choices(**expect: str) -> tuple[Variant, ...]:
    """Variants whose policy is their name: `leaks="O4"` (underscores become dashes)."""
    return tuple(Variant(name.replace("_", "-"), name.replace("_", "-"), outcome) for name, outcome in expect.items())


def after(m: Machine, fact: str, text: str = "") -> Wait:
    """Wait for something another task has recorded with `done`."""
    return Wait(text or f"wait: {fact}", lambda: bool(m.w.facts.get(fact)))


def done(m: Machine, fact: str) -> None:
    """Let `after` go on."""
    m.w.facts[fact] = True


def settled_fork(m: Machine, parent: Mm, child: Mm, child_exits: bool = True) -> None:
    """Setup: a fork that is long over; the parent's entries are write-protected by it."""
    m.w.run(fork(m, parent, child))
    if child_exits:
        m.w.run(exit_mm(m, child))


def device(m: Machine, pin: Pin, value: str = "dma", slot: str = "a") -> Op[None]:
    """A device that writes once, any time after it was given the page."""
    yield Wait("device waits for its page", lambda: pin.active)
    yield from dma_write(m, pin, value, slot)
    done(m, "dma")


def exiting_child(m: Machine, child: Mm) -> Op[None]:
    """A child that does nothing but exec or exit."""
    yield Wait("child is scheduled", lambda: child.alive)
    yield from exit_mm(m, child)
    done(m, "child gone")


def monitor(m: Machine, addr: int) -> Op[None]:
    """A userfaultfd-wp monitor: hears of a write, records it, lifts the protection of that address."""
    yield Wait("monitor reads its file", lambda: bool(m.events) or bool(m.w.facts.get("no more writes")))
    if m.events:
        mm = m.mms["P"]
        mm.set(addr, mm.pte(addr)._replace(uffd_wp=False))
        done(m, "monitor heard")
