"""struct page / struct folio: the counts, the flags that decide who may do what, and the content.

A small page counts a FOLL_PIN as 1024 references, as mm/gup.c does; `pins` is the truth that the kernel cannot see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmlint.sim.locks import Mutex
from mmlint.sim.world import Obj, World

if TYPE_CHECKING:
    from mmlint.sim.model.machine import Machine

PIN_BIAS = 1024


class Page(Obj):
    """One order-0 page (or the head of a large one). `data` maps a slot (a variable on it) to what was last written."""

    __slots__ = (
        "anon", "cached", "data", "dirty", "exclusive", "freed", "isolated", "ksm", "lock", "lru", "machine",
        "mapcount", "memcg", "pins", "refcount", "swapcache", "uptodate", "writeback", "zone",
    )  # fmt: skip
    FIELDS = (
        "refcount", "pins", "mapcount", "anon", "exclusive", "ksm", "swapcache", "uptodate", "dirty", "lru", "isolated",
        "memcg", "cached", "writeback", "data", "freed",
    )  # fmt: skip

    def __init__(self, m: Machine, name: str, refcount: int = 1) -> None:
        super().__init__(m.w, name)
        self.machine = m
        self.lock = Mutex(m.w, f"{self.name}.lock")
        self.refcount = refcount
        self.pins = 0
        self.mapcount = 0
        self.anon = self.exclusive = self.ksm = self.swapcache = False
        self.uptodate = self.dirty = self.lru = self.writeback = self.freed = False
        self.isolated: str | None = None
        self.memcg: str | None = None
        self.cached: str | None = None
        self.zone = "normal"
        self.data: dict[str, str] = {}

    def touch(self, what: str) -> None:
        """Oracle O5: nobody may look at a page that was freed without holding a reference of his own."""
        if self.freed:
            self.w.fail("O5", f"{self.w.current.name}: {what} on {self.name}, which was freed")

    def get(self) -> None:
        """get_page: the caller must know that somebody holds a reference."""
        if self.refcount <= 0:
            self.w.fail("O5", f"{self.w.current.name}: get_page({self.name}) with refcount {self.refcount}")
        self.refcount += 1

    def try_get(self) -> bool:
        """folio_try_get: fails on a count of zero (freed or frozen)."""
        if self.refcount <= 0:
            return False
        self.refcount += 1
        return True

    def put(self, n: int = 1) -> bool:
        """put_page: true when this was the last reference and the page is free now."""
        if self.refcount < n or self.freed:
            self.w.fail("O5", f"{self.w.current.name}: put_page({self.name}) with refcount {self.refcount}")
        self.refcount -= n
        if self.refcount:
            return False
        self.free()
        return True

    def free(self) -> None:
        """To the allocator, with the checks of free_page_is_bad."""
        if self.mapcount:
            self.w.fail("O5", f"{self.name} is freed while mapped {self.mapcount} times (Bad page state)")
        if not self.lock.free():
            self.w.fail("O5", f"{self.name} is freed while locked by {self.lock.owner} (Bad page state)")
        self.machine.memory.give_back(self)

    def pin(self) -> bool:
        """try_grab_folio(FOLL_PIN): the bias of GUP_PIN_COUNTING_BIAS in one atomic add; fails on count zero."""
        if self.refcount <= 0:
            return False
        self.refcount += PIN_BIAS
        self.pins += 1
        return True

    def unpin(self) -> bool:
        """unpin_user_page: the whole bias at once."""
        if self.refcount < PIN_BIAS or not self.pins:
            self.w.fail(
                "O4", f"{self.w.current.name}: unpin of {self.name} with refcount {self.refcount}: no pin is there"
            )
        self.pins -= 1
        return self.put(PIN_BIAS)

    @property
    def maybe_pinned(self) -> bool:
        """page_maybe_dma_pinned: no false negatives, but 1024 plain references look the same."""
        return self.refcount >= PIN_BIAS

    def freeze(self, expected: int) -> bool:
        """page_ref_freeze: to zero if the count is the expected one, in one atomic operation."""
        if self.refcount != expected:
            return False
        self.refcount = 0
        return True

    def unfreeze(self, count: int) -> None:
        """page_ref_unfreeze."""
        if self.refcount:
            self.w.fail("O4", f"page_ref_unfreeze({self.name}) overwrites refcount {self.refcount}")
        self.refcount = count

    def read(self, slot: str = "a") -> str:
        """A CPU or device reads."""
        self.touch("read")
        return self.data.get(slot, "0")

    def write(self, value: str, slot: str = "a") -> None:
        """A CPU or device writes; through the CPU's PTE or by DMA."""
        self.touch("write")
        self.data = {**self.data, slot: value}


class Memory(Obj):
    """The page allocator: how much is free, the atomic reserve, and the memcg charges."""

    __slots__ = ("charges", "free", "limit", "machine", "reserve")
    FIELDS = ("free", "reserve", "charges")

    def __init__(self, w: World, m: Machine) -> None:
        super().__init__(w, "memory")
        self.machine = m
        self.free = 64
        self.reserve = 0
        self.charges: dict[str, int] = {}
        self.limit: dict[str, int] = {}

    def give_back(self, page: Page) -> None:
        """Free a page and uncharge it (folio_put uncharges, mm/swap.c)."""
        page.freed = True
        page.lru = False
        self.free += 1
        if page.memcg is not None:
            self.uncharge(page.memcg)
            page.memcg = None

    def take(self, name: str, atomic: bool = False) -> Page | None:
        """One page off the free list, `atomic` may go into the reserve; None when there is none."""
        floor = 0 if atomic else self.reserve
        if self.free <= floor:
            return None
        self.free -= 1
        return Page(self.machine, name)

    def charge(self, page: Page, group: str) -> bool:
        """mem_cgroup_charge: false over the limit. Charging twice breaks O4."""
        if page.memcg is not None:
            self.w.fail("O4", f"{page.name} is charged twice")
        used = self.charges.get(group, 0)
        if used >= self.limit.get(group, 1 << 30):
            return False
        self.charges = {**self.charges, group: used + 1}
        page.memcg = group
        return True

    def uncharge(self, group: str) -> None:
        """Give one page's charge back; below zero breaks O4."""
        used = self.charges.get(group, 0)
        if used <= 0:
            self.w.fail("O4", f"memcg {group} is uncharged below zero")
        self.charges = {**self.charges, group: used - 1}
