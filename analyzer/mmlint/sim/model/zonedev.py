"""ZONE_DEVICE: device pages, the pagemap's percpu_ref, and five ways to tie the one to the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mmlint.sim.world import Obj, Op, Policy, Wait, World


@dataclass(frozen=True)
class Version(Policy):
    """Where the pagemap reference is taken and dropped, and in which order the teardown goes.

    slow_hook, fast_hook, put_hook: get_page, fast GUP and put_page also count in the pagemap. page_refs: one pagemap
    reference per page, dropped by its final put. order: steps of the teardown after the kill.
    """

    name: str
    slow_hook: bool = False
    fast_hook: bool = False
    put_hook: bool = False
    page_refs: bool = False
    order: tuple[str, ...] = ("wait", "unmap")
    kill: bool = True
    device_branch: bool = True
    take_pagemap: bool = True
    look: str = "before-put"
    freeze_hook: bool = False

    def but(self, name: str, **changes: Any) -> Version:
        """The same version with some choices changed."""
        return replace(self, name=name, **changes)


V0 = Version("V0", slow_hook=True, fast_hook=True, put_hook=True)
V1 = V0.but("V1", fast_hook=False)
V2 = V0.but("V2", freeze_hook=True)
V3 = Version("V3", order=("check", "unmap"))
V4 = Version("V4", page_refs=True, order=("put-pages", "unmap", "wait"))
V4_OLD = V4.but("V4 old driver", order=("wait", "put-pages", "unmap"))
V5 = V4.but("V5", order=("put-pages", "wait", "unmap"))


class Pagemap(Obj):
    """struct dev_pagemap with its percpu_ref: nobody sees a wrong sum before the switch to atomic mode."""

    __slots__ = ("atomic", "busy", "dead", "killed", "memmap", "pages", "released", "sum", "version", "waited")
    FIELDS = ("sum", "atomic", "dead", "killed", "released", "memmap", "busy")

    def __init__(self, w: World, version: Version, pages: int = 2) -> None:
        super().__init__(w, "pgmap")
        self.version = version
        self.sum = 1
        self.atomic = self.dead = self.killed = self.released = False
        self.memmap = True
        self.busy = 0
        self.pages = [DevicePage(w, self, f"D{n}") for n in range(pages)]
        if version.page_refs:
            self.sum += pages

    def put(self) -> None:
        """percpu_ref_put: zero is seen in atomic mode only."""
        self.sum -= 1
        if self.atomic and self.sum == 0:
            self.released = True

    def tryget_live(self) -> bool:
        """percpu_ref_tryget_live, as get_dev_pagemap does: fails once killed."""
        if self.dead:
            return False
        self.sum += 1
        return True

    def kill(self) -> Op[None]:
        """percpu_ref_kill: after a grace period the counters are summed, with a warning if there is nothing left."""
        yield "percpu_ref_kill"
        self.dead = True
        yield "RCU: switch to atomic mode"
        self.atomic = True
        if self.sum <= 0:
            self.w.mark(f"WARN <= 0 ({self.sum})")
        self.put()
        self.killed = True

    def teardown(self) -> Op[None]:
        """Driver unbind: kill, then the steps in the order this version has."""
        if self.version.kill:
            yield from self.kill()
        for step in self.version.order:
            if step == "wait":
                yield Wait("wait for the pagemap", lambda: self.released or not self.version.kill)
            elif step == "check":
                yield "WARN_ON(page_count != 1)"
                if any(page.refcount != 1 for page in self.pages):
                    self.w.mark("WARN page_count")
            elif step == "put-pages":
                for page in self.pages:
                    yield from page.put()
            else:
                yield "arch_remove_memory: the memmap is gone"
                self.memmap = False
        self.w.facts["unbound"] = True


class DevicePage(Obj):
    """A struct page of the device; its refcount starts at 1, the device's own reference."""

    __slots__ = ("frozen", "in_allocator", "pgmap", "refcount")
    FIELDS = ("refcount", "frozen", "in_allocator")

    def __init__(self, w: World, pgmap: Pagemap, name: str) -> None:
        super().__init__(w, name)
        self.pgmap = pgmap
        self.refcount = 1
        self.in_allocator = False
        self.frozen = False

    def touch(self, what: str) -> None:
        """Oracle O9: the struct page must still exist."""
        if not self.pgmap.memmap:
            self.w.fail("O9", f"{self.w.current.name}: {what} on {self.name}, whose memmap was removed")

    def get_slow(self) -> Op[bool]:
        """get_page in the slow path of GUP: the mapping's pagemap is alive or there is no page to find."""
        yield f"get_page({self.name})"
        if self.pgmap.dead or not self.pgmap.memmap:
            return False
        self.touch("get_page")
        self.refcount += 1
        if self.pgmap.version.slow_hook:
            self.pgmap.sum += 1
        return True

    def get_fast(self) -> Op[bool]:
        """Fast GUP: hold the pagemap while taking a speculative reference, then let the pagemap go."""
        version = self.pgmap.version
        yield "get_dev_pagemap"
        if version.take_pagemap:
            if not self.pgmap.tryget_live():
                self.w.mark("pagemap is dead")
                return False
            self.pgmap.busy += 1
        yield f"page_cache_get_speculative({self.name})"
        self.touch("speculative get")
        if self.refcount == 0:
            self.drop_pagemap()
            return False
        self.refcount += 1
        if version.fast_hook:
            self.pgmap.sum += 1
        yield "put_dev_pagemap"
        self.drop_pagemap()
        return True

    def drop_pagemap(self) -> None:
        """put_dev_pagemap, by a getter that had taken it."""
        if self.pgmap.version.take_pagemap:
            self.pgmap.busy -= 1
            self.pgmap.put()

    def put(self) -> Op[None]:
        """put_page: the count, then the hook of this version, then what happens at zero."""
        version = self.pgmap.version
        yield f"put_page({self.name})"
        self.touch("put_page")
        self.refcount -= 1
        if self.refcount < 0:
            self.w.fail("O4", f"{self.name} is put below zero")
        if self.refcount == 0:
            if not version.device_branch:
                self.in_allocator = True
                self.w.fail("O10", f"{self.name} goes to the page allocator")
            if version.page_refs:
                self.pgmap.put()
        if version.put_hook:
            if version.look == "after-put":
                yield "is_zone_device_page after the put"
                self.touch("is_zone_device_page")
            self.pgmap.put()

    def freeze(self) -> bool:
        """page_ref_freeze(1): in a version with the hook in every mutator this drops a pagemap reference as well."""
        if self.refcount != 1:
            return False
        self.refcount = 0
        self.frozen = True
        if self.pgmap.version.freeze_hook:
            self.pgmap.put()
        return True

    def unfreeze(self) -> None:
        """page_ref_unfreeze(1)."""
        self.refcount = 1
        self.frozen = False
        if self.pgmap.version.freeze_hook:
            self.pgmap.sum += 1


def references_match(pgmap: Pagemap) -> Callable[[], None]:
    """O8: what the pagemap counts is what the pages say, whenever nobody is in the middle of an operation."""

    def check() -> None:
        if pgmap.busy or not pgmap.memmap:
            return
        base = 0 if pgmap.killed else 1
        if pgmap.version.page_refs:
            expected = sum(page.refcount > 0 or page.frozen for page in pgmap.pages)
        elif pgmap.version.put_hook:
            expected = sum(page.refcount - 1 for page in pgmap.pages if not page.frozen)
        else:
            return
        if pgmap.sum - base != expected:
            pgmap.w.fail("O8", f"the pagemap counts {pgmap.sum - base}, the pages have {expected} references")

    return check


class PrivatePage(Obj):
    """Device-private memory with the free count 1 (old) or 0: the driver must be told exactly once when it is free."""

    __slots__ = ("callbacks", "free_at", "owned", "refcount", "transition")
    FIELDS = ("refcount", "callbacks", "owned")

    def __init__(self, w: World, free_at: int, transition: str) -> None:
        super().__init__(w, "D")
        self.refcount = free_at + 1
        self.free_at = free_at
        self.transition = transition
        self.callbacks = 0
        self.owned = True

    def try_get(self) -> bool:
        """get_page_unless_zero."""
        if self.refcount == 0:
            return False
        self.refcount += 1
        return True

    def put(self) -> Op[None]:
        """Drop one; `transition` says how the last reference is noticed: at-zero, dec-then-read or dec-return."""
        yield "decrement the count"
        self.refcount -= 1
        now = self.refcount
        if self.transition == "dec-then-read":
            yield "read the count"
            now = self.refcount
        if now == (0 if self.transition == "at-zero" else self.free_at):
            self.freed()

    def freed(self) -> None:
        """The driver's page_free callback; O12 when it comes for a page that is free already."""
        self.callbacks += 1
        if not self.owned:
            self.w.fail("O12", f"the free callback of {self.name} runs a second time")
        self.owned = False
