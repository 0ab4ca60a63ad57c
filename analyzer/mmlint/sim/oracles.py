"""The properties, O1 to O14 of the digests and O15 to O21 of this project, each one function a scenario asks for.

`O3` (no sleep in atomic context), `O5` (no use of a freed page) and `O15` (locks balanced) are checked by the
operations themselves; the others are installed by `watch`.
"""

from __future__ import annotations

from collections.abc import Callable

from mmlint.sim.model.fork import exit_mm
from mmlint.sim.model.machine import Machine

MEANING = {
    "O1": "pin coherence: the process maps the page that its device holds",
    "O2": "isolation: nobody sees what another process wrote after the fork",
    "O3": "nothing sleeps in atomic context",
    "O4": "references, mapcounts and charges return to the baseline",
    "O5": "no use of a freed page, no reference from a count of zero",
    "O6": "fork copies everything or fails",
    "O7": "fork copies exactly the pages it has to",
    "O8": "pagemap references match page references",
    "O9": "no access to a struct page whose memmap is gone",
    "O10": "a device page is never on an LRU or in the allocator",
    "O11": "teardown ends",
    "O12": "the free callback runs exactly once per lifetime",
    "O13": "a migration entry exists only while its page is locked",
    "O14": "what was written last is what is read",
    "O15": "a lock is dropped once, by its holder, on every way out",
    "O16": "the monitor (userfaultfd, soft-dirty, driver) hears of every write",
    "O17": "permission bits of an entry are respected",
    "O18": "no access through a translation that was taken away",
    "O19": "the call answers the same whatever else runs",
    "O20": "nobody waits for a lock that his work does not need",
    "O21": "what a feature costs is paid where the feature is used",
    "deadlock": "tasks wait for each other for ever",
    "livelock": "tasks run for ever without getting on",
    "holds": "nothing breaks in any interleaving",
}


def pin_coherence(m: Machine, kinds: tuple[str, ...] = ("pin",)) -> Callable[[], None]:
    """O1: while a pin is active its address maps that page, or nothing, until its owner unmaps it himself."""

    def check() -> None:
        for pin in m.pins:
            if not pin.active or pin.unmapped or pin.how not in kinds or not pin.mm.alive or pin.page is None:
                continue
            pte = pin.mm.pte(pin.addr)
            if pte.present and pte.page is not pin.page and pin.addr in pin.mm.vmas:
                m.w.fail("O1", f"{pin.name} holds {pin.page} but {pin.mm} maps {pte.page} at {pin.addr}")

    return check


def isolation(m: Machine) -> Callable[[], None]:
    """O2 and O14 against the reference memory, for mapped pages and for pages held by reference."""

    def check() -> None:
        for (who, addr, slot), value in m.expected.items():
            mm = m.mms.get(who)
            page = mm.pte(addr).page if mm is not None and mm.pte(addr).present else None
            owner = who
            if mm is None:
                pin = next(p for p in m.pins if p.name == who)
                page, owner = pin.page, pin.mm.name
            if page is None or page.freed:
                continue
            found = page.data.get(slot, "0")
            if found == value:
                continue
            if found != "0" and not found.startswith(f"{owner}:"):
                m.w.fail("O2", f"{who} sees {found} at {addr}, expected {value}")
            if mm is not None:
                m.w.fail("O14", f"{who} reads {found} at {addr}, expected {value}")

    return check


def balance(m: Machine) -> Callable[[], None]:
    """O4 at the end: after all processes are gone no page and no charge is left."""

    def check() -> None:
        for mm in m.mms.values():
            m.w.run(exit_mm(m, mm))
        for page in m.w.pages():
            if page.cached and page.refcount == 1 and not page.mapcount:
                continue
            if not page.freed and page.zone == "normal":
                m.w.fail(
                    "O4", f"{page} is leaked: refcount {page.refcount}, pins {page.pins}, mapcount {page.mapcount}"
                )
        left = {group: n for group, n in m.memory.charges.items() if n}
        if left:
            m.w.fail("O4", f"charges left: {left}")

    return check


def complete(m: Machine) -> Callable[[], None]:
    """O4 at any time: a mapped anonymous page has its rmap, charge, content flag and LRU place once the PTL is free."""

    def check() -> None:
        for mm in m.mms.values():
            for addr, pte in mm.ptes.items():
                page = pte.page
                if not mm.ptl.free() or page is None or pte.kind != "page" or not page.anon:
                    continue
                missing = [name for name in ("mapcount", "memcg", "uptodate", "lru") if not getattr(page, name)]
                if missing:
                    m.w.fail("O4", f"{page} is mapped by {mm} at {addr} without {', '.join(missing)}")

    return check


def migration_locked(m: Machine) -> Callable[[], None]:
    """O13: a migration entry is there only while its page is locked."""

    def check() -> None:
        for mm in m.mms.values():
            for addr, pte in mm.ptes.items():
                if pte.kind == "migration" and pte.page is not None and pte.page.lock.free():
                    m.w.fail("O13", f"{mm} has a migration entry at {addr} but {pte.page} is not locked")

    return check


def watch(m: Machine, *names: str) -> None:
    """Install oracles by name; `O1get` extends O1 to FOLL_GET references."""
    table: dict[str, Callable[[], Callable[[], None]]] = {
        "O1": lambda: pin_coherence(m),
        "O1get": lambda: pin_coherence(m, ("pin", "get")),
        "O2": lambda: isolation(m),
        "O13": lambda: migration_locked(m),
        "complete": lambda: complete(m),
    }
    for name in names:
        if name == "O4":
            m.w.final.append(balance(m))
        else:
            m.w.checks.append(table[name]())
