import tomllib
from pathlib import Path

import mmlint.kernel.steps
import pytest
from mmlint.kernel.reader import TableError
from mmlint.kernel.steps import expand
from mmlint.kernel.tables import tables


@pytest.mark.parametrize("release", ["", "6.1", "6.12"])
def test_every_word_stands_for_something(release: str) -> None:
    steps = tables().at(release).steps
    for step in steps.by_name.values():
        assert step.calls, step.name
        assert step.sinks or (step.role == "check" and step.name.endswith("-gate")), step.name
        assert step.side in ("before", "after", "either")
        assert step.role in ("check", "sync", "take", "release", "mark", "carry", "order")
        assert step.rule.startswith("PAT1")
        assert step.source


@pytest.mark.parametrize("release", ["", "6.1", "6.12"])
def test_no_predicate_stands_alone(release: str) -> None:
    states = tables().at(release).steps.states
    for row in states.values():
        assert row.holds
        assert row.of
        assert any(each.of == row.of and set(each.holds) != set(row.holds) for each in states.values()), row.name


def test_less_than_a_batch_is_weaker_though_it_is_the_same_step() -> None:
    steps = tables().steps
    assert "ptep_set_wrprotect" in steps.equals("wrprotect_ptes")
    row = steps.weakened("wrprotect_ptes", "ptep_set_wrprotect")
    assert row is not None
    assert row.only == "batch"
    assert steps.weakened("ptep_set_wrprotect", "wrprotect_ptes") is None


def test_the_pinned_check_guards_write_protect() -> None:
    found = {step.name for step in tables().steps.guarding("ptep_set_wrprotect")}
    assert "pinned-before-write-protect" in found
    step = tables().steps.by_name["pinned-before-write-protect"]
    assert "folio_try_dup_anon_rmap_pte" in step.calls
    assert step.scenario == "S1"


def test_calls_know_their_steps() -> None:
    assert "dirty-marked" in {step.name for step in tables().steps.done_by("folio_mark_dirty")}


@pytest.mark.parametrize(
    ("before", "after", "order"),
    [
        ("ptep_clear_flush", "ptep_get_and_clear", "clear-and-flush"),
        ("get_page_unless_zero", "get_page", "page-get-may-fail"),
        ("spin_lock_irqsave", "spin_lock", "others-interrupts-spin"),
        ("unpin_user_page", "put_page", "unpin-not-put"),
    ],
)
def test_weaker(before: str, after: str, order: str) -> None:
    steps = tables().steps
    found = steps.weakened(before, after)
    assert found is not None
    assert found.name == order
    assert steps.weakened(after, before) is None


def test_counts_and_pins_each_see_what_the_other_does_not() -> None:
    steps = tables().steps
    lost, gained = (
        steps.weakened(*pair)
        for pair in (("page_maybe_dma_pinned", "page_count"), ("page_count", "page_maybe_dma_pinned"))
    )
    assert lost is not None
    assert (lost.name, lost.only) == ("pinned-not-counted", "seldom")
    assert gained is not None
    assert (gained.name, gained.only) == ("counted-not-pinned", "any")


def test_a_hugetlb_entry_is_one_kind_of_leaf() -> None:
    found = tables().at("6.1").steps.weakened("pud_leaf", "pud_huge")
    assert found is not None
    assert tables().at("6.12").steps.weakened("pud_leaf", "pud_huge") is None


def test_gfp_order_counts_only_where_nothing_may_sleep() -> None:
    found = tables().steps.weakened("GFP_ATOMIC", "GFP_KERNEL")
    assert found is not None
    assert found.only == "atomic"
    assert found.scenario == "S12"


@pytest.mark.parametrize(
    ("one", "other"), [("put_page", "folio_put"), ("pte_same", "compare:pte_val"), ("PageKsm", "folio_test_ksm")]
)
def test_the_same_step_in_other_words(one: str, other: str) -> None:
    assert other in tables().steps.equals(one)
    assert tables().steps.weakened(one, other) is None


def test_unknown_word() -> None:
    with pytest.raises(TableError, match="stands for no name"):
        expand(("@guard:pined",), tables())


def test_no_row_hides_another_of_the_same_name() -> None:
    path = Path(mmlint.kernel.steps.__file__).with_suffix(".toml")
    for section, rows in tomllib.loads(path.read_text(encoding="utf-8")).items():
        names = [name for row in rows for name in row.get("names", "").split()]
        assert section in ("stronger", "same") or sorted(names) == sorted(set(names)), section
