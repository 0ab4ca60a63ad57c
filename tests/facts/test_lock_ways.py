"""What a parameter, a named constant or the object of a lock says of the locks that are held."""

from __future__ import annotations

import pytest
from mmlint.facts.locks.locks import LockFacts, locks
from mmlint.facts.program import Program
from mmlint.inputs.tree import EmptyTree, OverlayTree

GET = """
enum get_mode { GET_MODE_PLAIN, GET_MODE_LOCK, GET_MODE_TRYLOCK };

static struct folio *get_item(struct item *item, enum get_mode mode)
{
	struct folio *folio = look(item);

	if (mode == GET_MODE_TRYLOCK) {
		if (!folio_trylock(folio))
			return ERR_PTR(-EBUSY);
	} else if (mode == GET_MODE_LOCK) {
		folio_lock(folio);
	}
	if (mode != GET_MODE_PLAIN) {
		if (stale(folio)) {
			folio_unlock(folio);
			return NULL;
		}
	}
	return folio;
}
"""
GRAB = """
static bool grab_irqsave(spinlock_t *lock, unsigned long *flags, struct control *cc)
{
	if (cc->async) {
		if (spin_trylock_irqsave(lock, *flags))
			return true;
		cc->contended = true;
	}
	spin_lock_irqsave(lock, *flags);
	return true;
}
"""
CASES: dict[str, tuple[str, str, list[tuple[str, ...]], bool]] = {
    "a mode that locks": (
        GET,
        "folio = get_item(item, GET_MODE_LOCK);\n\tif (!folio)\n\t\treturn;\n\tmark();\n\tfolio_unlock(folio);",
        [("folio_lock",)],
        False,
    ),
    "a mode that does not": (GET, "folio = get_item(item, GET_MODE_PLAIN);\n\tmark();", [()], False),
    "a mode that is the caller's": (GET, "folio = get_item(item, mode);\n\tmark();", [()], True),
    "constants of one enum differ": (
        "",
        "if (a)\n\t\tmode = MODE_PARTIAL;\n\telse if (b)\n\t\tmode = MODE_FULL;\n\telse\n\t\tmode = MODE_FREE;\n"
        "\tif (mode == MODE_PARTIAL || mode == MODE_FULL)\n\t\tspin_lock(&node->list_lock);\n"
        "\twork();\n\tif (mode == MODE_FULL)\n\t\tspin_unlock(&node->list_lock);\n"
        "\telse if (mode == MODE_PARTIAL)\n\t\tspin_unlock(&node->list_lock);\n\tmark();",
        [()],
        False,
    ),
    "a comparison and its opposite": (
        "",
        "if (mm == &init_mm)\n\t\tspin_lock(&mm->arg_lock);\n\twork();\n\tif (mm != &init_mm)\n\t\treturn;\n\tmark();",
        [("spin",)],
        False,
    ),
    "two takers of one lock are one way": (
        GRAB,
        "grab_irqsave(&zone->lock, &flags, cc);\n\tmark();\n\tspin_unlock_irqrestore(&zone->lock, flags);",
        [("irq", "spin")],
        False,
    ),
    "the object whose lock is held is known by another name": (
        GRAB,
        "locked = NULL;\n\tgrab_irqsave(&lruvec->lru_lock, &flags, cc);\n\tlocked = lruvec;\n\twork();\n\tif (locked)\n"
        "\t\tunlock_page_lruvec_irqrestore(locked, flags);\n\tmark();",
        [()],
        False,
    ),
}


def facts_of(before: str, body: str) -> tuple[LockFacts, list[tuple[str, ...]]]:
    head = "static void probe(struct mm_struct *mm, struct item *item, struct node *node, enum get_mode mode)\n"
    text = f"{before}\n{head}{{\n\t{body}\n}}\n".encode()
    program = Program(OverlayTree(EmptyTree(), {"mm/probe.c": text, "Makefile": b"VERSION = 6\nPATCHLEVEL = 12\n"}))
    [function] = program.named("mm/probe.c", "probe")
    [(_, call)] = function.calls["mark"]
    facts = locks(function)
    return facts, [tuple(sorted(h.kind for h in prop if not h.gone)) for prop in facts.held(call)]


@pytest.mark.parametrize("name", CASES)
def test_locks_held_at_the_mark(name: str) -> None:
    before, body, expected, uncertain = CASES[name]
    facts, held = facts_of(before, body)
    assert held == expected
    assert facts.uncertain is uncertain
    assert not any(h.gone for _, prop, _, _ in facts.flow.returns for h in prop) or uncertain
