"""How long pinned pages stay, by what the other files of the driver's folder do."""

from __future__ import annotations

import pytest
from mmlint.facts.pins.pins import Lifetime, lifetime, pin_sites
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

PINS = """
static int demo_pin(struct demo_tt *tt)
{
	long got = pin_user_pages_fast(tt->uva, tt->count, FOLL_WRITE, tt->pages);

	return got == tt->count ? 0 : -EFAULT;
}

static void demo_unpin(struct demo_tt *tt)
{
	unpin_user_pages(tt->pages, tt->count);
}

static long demo_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct demo_tt *tt = file->private_data;

	if (cmd == DEMO_UNPIN) {
		demo_unpin(tt);
		return 0;
	}
	return demo_pin(tt);
}
"""
NOTIFIER = """
static bool demo_invalidate(struct mmu_interval_notifier *mn, const struct mmu_notifier_range *range, unsigned long seq)
{
	return demo_take_away(mn);
}

static const struct mmu_interval_notifier_ops demo_ops = {
	.invalidate = demo_invalidate,
};
"""
LONGTERM = """
static int demo_ring_pin(struct demo_ring *ring)
{
	return pin_user_pages_fast(ring->uva, 1, FOLL_WRITE | FOLL_LONGTERM, &ring->page);
}
"""


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ({}, Lifetime.USER),
        ({"drivers/demo/mn.c": NOTIFIER}, Lifetime.NOTIFIER),
        ({"drivers/demo/mn.c": NOTIFIER, "drivers/demo/ring.c": LONGTERM}, Lifetime.USER),
        ({"drivers/other/mn.c": NOTIFIER}, Lifetime.USER),
    ],
)
def test_a_notifier_of_the_folder(beside: dict[str, str], expected: Lifetime) -> None:
    texts = {"drivers/demo/tt.c": PINS} | beside
    program = Program(OverlayTree(EmptyTree(), {path: text.encode() for path, text in texts.items()}))
    function = next(f for f in program.functions("drivers/demo/tt.c") if f.name == "demo_pin")
    assert lifetime(function, pin_sites(function)[0]) is expected
