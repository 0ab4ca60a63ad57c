"""The outcome table of digest 001-004 section 3.1: what the kernel itself would show, warning and hang included."""

from __future__ import annotations

import pytest
from mmlint.sim.explore import Outcome, explore
from mmlint.sim.model.zonedev import V0, V1, V2, V3, V4, V4_OLD, V5, Pagemap, Version
from mmlint.sim.scenario import HOLDS
from mmlint.sim.world import Op, Wait, World

VERSIONS = (V0, V1, V2, V3, V4, V4_OLD, V5)
PASS, HANG, UAF = HOLDS, "deadlock", "O9"


def world(version: Version, before: tuple[str, ...], held: str) -> World:
    """`before` happens and ends before the unbind; `held` is a pin that is dropped only after the kill."""
    w = World()
    pgmap = Pagemap(w, version)
    if held:
        w.run(pgmap.pages[1].get_slow() if held == "slow" else pgmap.pages[1].get_fast())
    for _ in before:
        w.run(pgmap.pages[0].get_fast())
        w.run(pgmap.pages[0].put())

    def user() -> Op[None]:
        yield Wait("keep the page", lambda: pgmap.killed)
        if held:
            yield from pgmap.pages[1].put()

    w.task("dma", user())
    w.task("unbind", pgmap.teardown())
    return w


def result(version: Version, before: tuple[str, ...], held: str) -> Outcome:
    return explore(lambda: world(version, before, held))


TABLE = {
    ("idle", (), ""): (PASS, PASS, PASS, PASS, PASS, HANG, PASS),
    ("ZD1 fast get+put x1", ("g",), ""): (PASS, HANG, PASS, PASS, PASS, HANG, PASS),
    ("ZD1 x3", ("g", "g", "g"), ""): (PASS, HANG, PASS, PASS, PASS, HANG, PASS),
    ("ZD2", ("g",), "slow"): (PASS, UAF, PASS, UAF, UAF, HANG, PASS),
    ("slow pin held", (), "slow"): (PASS, PASS, PASS, UAF, UAF, HANG, PASS),
    ("fast pin held", (), "fast"): (PASS, UAF, PASS, UAF, UAF, HANG, PASS),
}
CELLS = [(case, version, want) for case, row in TABLE.items() for version, want in zip(VERSIONS, row, strict=True)]


@pytest.mark.parametrize(("case", "version", "want"), CELLS, ids=[f"{c[0]}-{v.name}" for c, v, _ in CELLS])
def test_digest_table(case: tuple[str, tuple[str, ...], str], version: Version, want: str) -> None:
    _, before, held = case
    assert result(version, before, held).kind == want


@pytest.mark.parametrize(("pairs", "sum_"), [(1, 0), (3, -2)])
def test_the_kernel_warns_about_the_sum(pairs: int, sum_: int) -> None:
    assert f"WARN <= 0 ({sum_})" in result(V1, ("g",) * pairs, "").reached


def test_two_errors_cancel_without_a_warning() -> None:
    assert not any(mark.startswith("WARN") for mark in result(V1, ("g",), "slow").reached)
    assert "WARN page_count" in result(V3, ("g",), "slow").reached
