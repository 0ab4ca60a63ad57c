"""mprotect and the four things it can do when it meets a page somebody holds a reference to."""

from __future__ import annotations

from mmlint.sim.model.machine import Machine
from mmlint.sim.model.mm import Mm
from mmlint.sim.world import Op, Wait


def mprotect_read(mm: Mm, addr: int, policy: str) -> Op[int]:
    """mprotect(PROT_READ). 0, or -EAGAIN where the policy is to fail.

    `fail`, `skip`, `wait` follow from "never write-protect a COW page unless its count is 1"; `classic` is upstream.
    """
    yield from mm.mmap_lock.write_lock()
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    page = pte.page
    busy = page is not None and page.refcount > 1
    if busy and policy == "wait" and page is not None:
        held = page
        mm.ptl.unlock()
        yield Wait("wait for the references to go", lambda: held.refcount == 1)
        yield from mm.ptl.lock()
        pte, busy = mm.pte(addr), False
    if busy and policy == "fail":
        mm.ptl.unlock()
        mm.mmap_lock.write_unlock()
        return -11
    mm.vmas = {**mm.vmas, addr: mm.vmas[addr]._replace(write=False)}
    if not (busy and policy == "skip"):
        mm.set(addr, pte._replace(write=False))
    mm.ptl.unlock()
    mm.mmap_lock.write_unlock()
    return 0


def mprotect_write(m: Machine, mm: Mm, addr: int) -> Op[None]:
    """mprotect(PROT_READ|PROT_WRITE): entries stay read-only unless their page is known to be exclusive (upstream)."""
    yield from mm.mmap_lock.write_lock()
    mm.vmas = {**mm.vmas, addr: mm.vmas[addr]._replace(write=True)}
    yield from mm.ptl.lock()
    pte = mm.pte(addr)
    if pte.present and pte.page is not None and m.kernel.reuse == "exclusive" and pte.page.exclusive:
        mm.set(addr, pte._replace(write=True))
    mm.ptl.unlock()
    mm.mmap_lock.write_unlock()
