"""mm_struct, vm_area_struct and page-table entries."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from mmlint.sim.locks import RwSem, Spin
from mmlint.sim.model.page import Page
from mmlint.sim.world import Obj

if TYPE_CHECKING:
    from mmlint.sim.model.machine import Machine


class Pte(NamedTuple):
    """An entry, a value like pte_t: comparing two of them is pte_same.

    `kind`: none, page, zero, special, swap, migration, device (device-private), marker.
    """

    kind: str = "none"
    page: Page | None = None
    write: bool = False
    dirty: bool = False
    young: bool = False
    soft_dirty: bool = False
    uffd_wp: bool = False
    protnone: bool = False
    exclusive: bool = False
    entry: int = 0
    user: bool = True

    @property
    def present(self) -> bool:
        """pte_present."""
        return self.kind in ("page", "zero", "special")

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        bits = "W" if self.write else "R"
        bits += "".join(
            f"+{name}" for name in ("dirty", "soft_dirty", "uffd_wp", "protnone", "exclusive") if getattr(self, name)
        )
        where = self.page.name if self.page is not None else str(self.entry or "")
        return f"{'' if self.kind == 'page' else self.kind + ' '}{where} {bits}".strip()


NONE = Pte()


class Vma(NamedTuple):
    """Flags of an area; the model has one page per area unless a scenario maps more."""

    write: bool = True
    shared: bool = False
    maywrite: bool = True
    dontcopy: bool = False
    wipeonfork: bool = False
    uffd_wp: bool = False
    uffd_missing: bool = False
    file: str = ""

    @property
    def is_cow(self) -> bool:
        """is_cow_mapping: private and could become writable."""
        return not self.shared and self.maywrite

    def __str__(self) -> str:
        return "|".join(name for name in self._fields if getattr(self, name)) or "read"


class Mm(Obj):
    """An address space: entries by address, its locks, the pin flag and write_protect_seq."""

    __slots__ = ("alive", "has_pinned", "machine", "mmap_lock", "pgtable", "ptes", "ptl", "seq", "vmas")
    FIELDS = ("ptes", "vmas", "has_pinned", "seq", "alive", "pgtable")

    def __init__(self, m: Machine, name: str, alive: bool = True) -> None:
        super().__init__(m.w, name)
        self.machine = m
        self.ptl = Spin(m.w, f"{name}.ptl")
        self.mmap_lock = RwSem(m.w, f"{name}.mmap_lock")
        self.ptes: dict[int, Pte] = {}
        self.vmas: dict[int, Vma] = {}
        self.has_pinned = 0
        self.seq = 0
        self.alive = alive
        self.pgtable = True

    def pte(self, addr: int) -> Pte:
        """ptep_get."""
        return self.ptes.get(addr, NONE)

    def set(self, addr: int, pte: Pte) -> None:
        """set_pte_at."""
        self.ptes = dict(sorted({**self.ptes, addr: pte}.items()))

    def maps(self, page: Page) -> list[int]:
        """Addresses at which the page is present."""
        return [addr for addr, pte in self.ptes.items() if pte.present and pte.page is page]


class Pin(Obj):
    """What a device or kernel user keeps after GUP: the page itself, not the address."""

    __slots__ = ("active", "addr", "how", "mm", "page", "unmapped", "write")
    FIELDS = ("page", "how", "active", "unmapped")

    def __init__(self, m: Machine, name: str, mm: Mm, addr: int) -> None:
        super().__init__(m.w, name)
        self.mm = mm
        self.addr = addr
        self.page: Page | None = None
        self.how = ""
        self.write = False
        self.active = False
        self.unmapped = False
