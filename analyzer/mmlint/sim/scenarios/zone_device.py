"""ZONE_DEVICE lifetime: pages, their pagemap, and driver unbind (thread of 2017, commit 71389703839e)."""

from __future__ import annotations

from mmlint.sim.build import choices
from mmlint.sim.model.zonedev import V0, V1, V2, V3, V4, V4_OLD, V5, Pagemap, Version, references_match
from mmlint.sim.scenario import HOLDS, Scenario, Variant
from mmlint.sim.world import Op, Wait, World

ALL = (V0, V1, V2, V3, V4, V4_OLD, V5)


def versions(*outcomes: str) -> tuple[Variant, ...]:
    """One variant per version V0, V1, V2, V3, V4, V4 with the old driver, V5."""
    return tuple(Variant(version.name, version, outcome) for version, outcome in zip(ALL, outcomes, strict=True))


def killed(pgmap: Pagemap) -> Wait:
    """A user that keeps its page until after the driver has begun to go."""
    return Wait("DMA goes on until the driver unbinds", lambda: pgmap.dead and pgmap.killed)


def _zd0(w: World, version: Version) -> None:
    """The control: an idle device is unbound. Only the order of the steps can make that fail.

    Digest 001-004: matrix row ZD0.
    """
    pgmap = Pagemap(w, version)
    w.checks.append(references_match(pgmap))
    w.task("unbind", pgmap.teardown())
    w.task("gup", _look(pgmap))


def _look(pgmap: Pagemap) -> Op[None]:
    """Somebody asks whether the device is alive, without touching a page."""
    yield "get_dev_pagemap"
    if pgmap.tryget_live():
        pgmap.busy += 1
        yield "put_dev_pagemap"
        pgmap.busy -= 1
        pgmap.put()


ZD0 = Scenario(
    "ZD0",
    "idle-device-unbind",
    "unbinding a device that nobody uses",
    _zd0,
    versions(HOLDS, HOLDS, HOLDS, HOLDS, HOLDS, "deadlock", HOLDS),
    bad="V4 old driver",
    good="V5",
)


def _zd1(w: World, version: Version) -> None:
    """Fast GUP takes the page with a primitive that lacks the pagemap hook its putter has.

    Each get and put of a page takes one reference too many off the pagemap. In percpu mode nobody notices; the
    oracle does at once, the kernel only at unbind, where it warns about a sum of zero and then waits for ever.

    Digest 001-004: Kirill 004:L1334-1342; the report at 004:L54-80.
    """
    pgmap = Pagemap(w, version)
    w.checks.append(references_match(pgmap))

    def user() -> Op[None]:
        if (yield from pgmap.pages[0].get_fast()):
            yield from pgmap.pages[0].put()

    w.task("gup", user())
    w.task("gup2", user())


ZD1 = Scenario(
    "ZD1",
    "getter-without-the-putters-hook",
    "a getter that lacks the hook of the putter unbalances the pagemap",
    _zd1,
    versions(HOLDS, "O8", HOLDS, HOLDS, HOLDS, HOLDS, HOLDS),
    bad="V1",
    good="V2",
)


def _zd2(w: World, version: Version) -> None:
    """A slow pin with its hook and a fast get and put without: the sums cancel, and there is no warning.

    The teardown completes while a device still holds a page; its put touches a struct page that is gone. This is
    the corruption that the kernel's own warning cannot see.

    Digest 001-004: ZD2 (our reading), matrix row; Ingo 004:L403.
    """
    pgmap = Pagemap(w, version)

    def pinned() -> Op[None]:
        yield killed(pgmap)
        yield from pgmap.pages[1].put()

    w.run(pgmap.pages[1].get_slow())
    w.run(pgmap.pages[0].get_fast())
    w.run(pgmap.pages[0].put())
    w.task("dma", pinned())
    w.task("unbind", pgmap.teardown())


ZD2 = Scenario(
    "ZD2",
    "two-errors-cancel",
    "two wrong counts add up to a right one and the memmap goes under a pin",
    _zd2,
    versions(HOLDS, "O9", HOLDS, "O9", "O9", "deadlock", HOLDS),
    bad="V1",
    good="V5",
)


def _zd3(w: World, version: Version) -> None:
    """With the hook in every page_ref helper, page_ref_freeze drops a pagemap reference that nobody had taken.

    While frozen the pagemap is one short; in atomic mode that releases it early.

    Digest 001-004: ZD3, our reading of 004:L1681-1927.
    """
    pgmap = Pagemap(w, version)
    w.checks.append(references_match(pgmap))
    page = pgmap.pages[0]

    def split() -> Op[None]:
        yield "page_ref_freeze(1)"
        if page.freeze():
            yield "work on the frozen page"
            page.unfreeze()

    def user() -> Op[None]:
        if (yield from pgmap.pages[1].get_fast()):
            yield from pgmap.pages[1].put()

    w.task("split", split())
    w.task("gup", user())


ZD3 = Scenario(
    "ZD3",
    "freeze-hook-unbalanced",
    "a hook in page_ref_freeze drops a reference that was never taken",
    _zd3,
    (Variant("V2", V2, "O8"), Variant("V4", V4, HOLDS)),
    bad="V2",
    good="V4",
)


def _pin_held(w: World, version: Version) -> None:
    pgmap = Pagemap(w, version)

    def user() -> Op[None]:
        if (yield from pgmap.pages[0].get_slow()):
            yield from pgmap.pages[0].put()

    w.task("dma", user())
    w.task("unbind", pgmap.teardown())


def _zd4(w: World, version: Version) -> None:
    """The teardown checks the counts, warns, and goes on.

    A driver may be unbound while references are out, so the memmap has to wait for them.

    Digest 001-004: Dan Williams 004:L2118-2122 on V3.
    """
    _pin_held(w, version)


ZD4 = Scenario(
    "ZD4",
    "teardown-checks-instead-of-waiting",
    "the teardown warns about references and removes the memmap",
    _zd4,
    versions(HOLDS, HOLDS, HOLDS, "O9", "O9", "deadlock", HOLDS),
    bad="V3",
    good="V5",
)


def _zd5(w: World, version: Version) -> None:
    """The driver waits for the pagemap before the pages' own references have been dropped.

    Those are dropped by the release, which runs later: unbind hangs though nobody uses the device. The wait moves to
    the exit action, or the waiting action is registered first (devm runs them in reverse order).

    Digest 001-004: 004:L2236-2238 and L2411-2414.
    """
    _zd0(w, version)


ZD5 = Scenario(
    "ZD5",
    "wait-before-the-last-puts",
    "the driver waits for references that only a later step drops",
    _zd5,
    (Variant("V4 old driver", V4_OLD, "deadlock"), Variant("V4", V4, HOLDS), Variant("V5", V5, HOLDS)),
    bad="V4 old driver",
    good="V5",
)


def _zd6(w: World, version: Version) -> None:
    """The memmap is removed before anybody waits for the references: the merged, reviewed fix.

    A pin is held while the driver goes; every page's own reference is dropped, the memmap is taken away, and only
    then comes the wait. The pin's put touches a struct page that does not exist.

    Digest 001-004: ZD6, confirmed by 50f44ee7248a two years later.
    """
    _pin_held(w, version)


ZD6 = Scenario(
    "ZD6",
    "memmap-removed-before-the-wait",
    "the memmap goes before the wait for outstanding pins",
    _zd6,
    (Variant("V4", V4, "O9"), Variant("V5", V5, HOLDS)),
    bad="V4",
    good="V5",
)


def _zd7(w: World, version: Version) -> None:
    """The final put of a device page lacks the device branch: the page goes to the allocator.

    Its list links overwrite the pagemap pointer, and the allocator hands out device memory.

    Digest 001-004: ZD7; the comment in __put_page.
    """
    _pin_held(w, version)


ZD7 = Scenario(
    "ZD7",
    "device-page-freed-to-allocator",
    "the last put of a device page takes the ordinary way",
    _zd7,
    (Variant("no-branch", V5.but("no branch", device_branch=False), "O10"), Variant("branch", V5, HOLDS)),
    bad="no-branch",
    good="branch",
)


def _zd8(w: World, version: Version) -> None:
    """The driver forgets percpu_ref_kill: new pins are still let in while the memmap goes.

    The kernel warns that the reference is still live.

    Digest 001-004: ZD8.
    """
    pgmap = Pagemap(w, version)

    def user() -> Op[None]:
        if (yield from pgmap.pages[0].get_fast()):
            yield from pgmap.pages[0].put()

    w.task("gup", user())
    w.task("unbind", pgmap.teardown())


ZD8 = Scenario(
    "ZD8",
    "teardown-without-kill",
    "the pagemap is released without having been killed",
    _zd8,
    (Variant("no-kill", V5.but("no kill", kill=False), "O9"), Variant("kill", V5, HOLDS)),
    bad="no-kill",
    good="kill",
    sometimes=("pagemap is dead",),
)


def _zd17(w: World, version: Version) -> None:
    """A new pin after the kill: a getter that skips get_dev_pagemap succeeds, and the teardown overtakes it.

    With get_dev_pagemap (tryget_live) the fast path undoes what it has and the slow path fails too.

    Digest 001-004: ZD9 and ZD17, J10; revert 004:L854-859.
    """
    _zd8(w, version)


_UNCHECKED = V5.but("no get_dev_pagemap", take_pagemap=False)
ZD9 = Scenario(
    "ZD9",
    "get-after-kill",
    "a reference is taken on a device page after the pagemap was killed",
    _zd17,
    (Variant("unchecked", _UNCHECKED, "O9"), Variant("tryget-live", V5, HOLDS)),
    bad="unchecked",
    good="tryget-live",
    sometimes=("pagemap is dead",),
)
ZD17 = Scenario(
    "ZD17",
    "fast-gup-without-pagemap",
    "fast GUP takes a device page without get_dev_pagemap",
    _zd17,
    (Variant("unchecked", _UNCHECKED, "O9"), Variant("tryget-live", V5, HOLDS)),
    bad="unchecked",
    good="tryget-live",
    sometimes=("pagemap is dead",),
)


def _zd18(w: World, order: str) -> None:
    """put_page looks at the zone of the page after the decrement that may have been the last one.

    The page can be reused or its memmap removed (hot-remove) in between. Read the zone before the put.

    Digest 001-004: ZD18, R-RC6; the old put_page of 004.
    """
    pgmap = Pagemap(w, V4.but("plain", page_refs=False), pages=1)
    page = pgmap.pages[0]
    page.refcount = 2

    def user() -> Op[None]:
        if order == "before-put":
            yield "is_zone_device_page"
            page.touch("is_zone_device_page")
        yield "put_page"
        page.refcount -= 1
        if order == "after-put":
            yield "is_zone_device_page"
            page.touch("is_zone_device_page")

    def hot_remove() -> Op[None]:
        yield Wait("wait for the last reference", lambda: page.refcount == 1)
        yield "arch_remove_memory"
        pgmap.memmap = False

    def observer() -> Op[None]:
        yield "page_ref_count"
        if pgmap.memmap:
            page.touch("page_ref_count")

    w.task("put", user())
    w.task("hotremove", hot_remove())
    w.task("observer", observer())


ZD18 = Scenario(
    "ZD18",
    "zone-tested-after-put",
    "the struct page is looked at after the put that may have been the last",
    _zd18,
    choices(after_put="O9", before_put=HOLDS),
    bad="after-put",
    good="before-put",
)


def _zd19(w: World, policy: str) -> None:
    """A hook for device pages in inlined put_page: every page is asked, though no device is there.

    A static key, switched on before the first device page is mapped, makes the hook free for everybody else; switched
    on too late, it misses the put of a device page.

    Digest 001-004: J14; Kirill 004:L5227-5231, Dan Williams 004:L4214.
    """
    w.facts.update(key=False, mapped=False, told=0)

    def looks() -> bool:
        return policy == "inline" or bool(w.facts["key"])

    def put(device: bool) -> None:
        if looks():
            if not (device or w.facts["key"]):
                w.fail("O21", "put_page of an ordinary page looks for device memory, and there is none")
            w.facts["told"] += device

    def user() -> Op[None]:
        yield "put_page of an ordinary page"
        put(False)

    def driver() -> Op[None]:
        for step in ("map", "key") if policy == "key-late" else ("key", "map"):
            yield "static_branch_enable" if step == "key" else "map a device page"
            w.facts["key" if step == "key" else "mapped"] = True

    def owner() -> Op[None]:
        yield Wait("the device page is mapped", lambda: bool(w.facts["mapped"]))
        yield "put_page of the device page"
        put(True)

    def told() -> None:
        if w.facts["told"] != 1:
            w.fail("O12", "the driver is not told of the last put of its page")

    w.task("user", user())
    w.task("driver", driver())
    w.task("owner", owner())
    w.final.append(told)


ZD19 = Scenario(
    "ZD19",
    "look-without-static-key",
    "inlined put_page asks every page whether it is device memory",
    _zd19,
    choices(inline="O21", key_late="O12", key_first=HOLDS),
    bad="inline",
    good="key-first",
)
