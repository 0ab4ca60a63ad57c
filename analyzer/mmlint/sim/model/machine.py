"""The machine: memory, address spaces, pins, TLBs; the reference memory that says what everybody should see."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmlint.sim.locks import Rcu
from mmlint.sim.model.kernel import UPSTREAM, Kernel
from mmlint.sim.model.mm import Mm, Pin, Pte, Vma
from mmlint.sim.model.page import Memory, Page
from mmlint.sim.world import Obj, Op, World


class Machine(Obj):
    """Holds what all operations share. `expected` is the reference memory: what each mm must read at an address."""

    __slots__ = (
        "counters",
        "disk",
        "events",
        "expected",
        "kernel",
        "memory",
        "mms",
        "pagevec",
        "pending",
        "pins",
        "rcu",
        "reclaim",
        "removed",
        "swap",
        "tlb",
        "zero",
    )
    FIELDS = ("expected", "events", "counters", "swap", "disk", "tlb", "removed", "pending", "pagevec")

    def __init__(self, w: World, kernel: Kernel = UPSTREAM) -> None:
        super().__init__(w, "machine")
        self.kernel = kernel
        self.expected: dict[tuple[str, int, str], str] = {}
        self.events: list[str] = []
        self.counters: dict[str, int] = {}
        self.swap: dict[int, dict[str, str]] = {}
        self.tlb: dict[tuple[str, str, int], tuple[Page, bool]] | None = None
        self.disk: dict[str, dict[str, str]] = {}
        self.removed: list[tuple[str, str, int]] = []
        self.pending: list[tuple[str, int]] = []
        self.pagevec: list[Page] = []
        self.memory = Memory(w, self)
        self.rcu = Rcu(w)
        self.mms: dict[str, Mm] = {}
        self.pins: list[Pin] = []
        self.reclaim: Callable[[], Op[None]] | None = None
        self.zero: Page | None = None

    def mm(self, name: str, alive: bool = True) -> Mm:
        """A new address space."""
        self.mms[name] = mm = Mm(self, name, alive)
        return mm

    def pin(self, name: str, mm: Mm, addr: int) -> Pin:
        """A place where a device or kernel user can keep one page of `mm`."""
        pin = Pin(self, name, mm, addr)
        self.pins.append(pin)
        return pin

    def anon(self, mm: Mm, addr: int, name: str = "X", write: bool = True, vma: Vma | None = None, **bits: Any) -> Page:
        """Setup: an anonymous page mapped at `addr`, count 1, mapcount 1, charged and on the LRU."""
        page = self.memory.take(name)
        if page is None:
            raise MemoryError("setup needs more memory than the scenario gives")
        page.anon = page.uptodate = page.lru = page.exclusive = True
        page.mapcount = 1
        self.memory.charge(page, mm.name)
        mm.vmas[addr] = vma or Vma()
        mm.set(addr, Pte("page", page, write=write, dirty=True, young=True, **bits))
        return page

    def file(self, name: str = "F", cached: str = "file") -> Page:
        """Setup: a page-cache page; the cache holds one reference."""
        page = self.memory.take(name)
        if page is None:
            raise MemoryError("setup needs more memory than the scenario gives")
        page.cached = cached
        page.uptodate = page.lru = True
        return page

    def map_file(self, mm: Mm, addr: int, page: Page, write: bool, shared: bool = True, dirty: bool = False) -> None:
        """Setup: map a page-cache page."""
        page.refcount += 1
        page.mapcount += 1
        mm.vmas[addr] = Vma(write=write, shared=shared, file=page.cached or "")
        mm.set(addr, Pte("page", page, write=write, dirty=dirty))

    def count(self, what: str, by: int = 1) -> None:
        """Count something a scenario asks for (copies, lock waits, dropped packets)."""
        self.counters = {**self.counters, what: self.counters.get(what, 0) + by}

    def event(self, what: str) -> None:
        """Something a monitor (userfaultfd, soft-dirty, driver) gets to know."""
        self.events = [*self.events, what]

    def expect(self, mm: Mm, addr: int, value: str, slot: str = "a") -> None:
        """Reference memory: `mm` wrote, or its device did."""
        self.expected = {**self.expected, (mm.name, addr, slot): value}

    def inherit(self, src: Mm, dst: Mm, addr: int) -> None:
        """Reference memory at fork: the child sees what the parent saw."""
        for (name, at, slot), value in list(self.expected.items()):
            if name == src.name and at == addr:
                self.expect(dst, addr, value, slot)

    def batch(self, page: Page) -> None:
        """folio_add_lru: the page waits in a per-cpu batch, which holds a reference."""
        page.get()
        self.pagevec = [*self.pagevec, page]

    def drain(self, page: Page) -> None:
        """lru_add_drain: batched references go."""
        for waiting in [waiting for waiting in self.pagevec if waiting is page]:
            self.pagevec = [other for other in self.pagevec if other is not waiting]
            page.put()

    def forget(self, mm: Mm, addr: int | None = None) -> None:
        """Reference memory after an unmap or exit."""
        self.expected = {
            key: value
            for key, value in self.expected.items()
            if key[0] != mm.name or (addr is not None and key[1] != addr)
        }
