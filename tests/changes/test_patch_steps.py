"""What a patch takes away, by hand-written pairs of functions that differ in one point each."""

from __future__ import annotations

import pytest
from mmlint.changes.change import FileText, FunctionChange, PatchView, pair_functions
from mmlint.changes.compare import comparison
from mmlint.changes.steps.explain import lost_steps
from mmlint.changes.steps.removal import losses
from mmlint.changes.weaker.weaken import weakened
from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.facts.reach import reach
from mmlint.facts.steps import acts, render
from mmlint.finding import Severity
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.patches import changed_lines
from mmlint_rules.pat.lost import reporter

PATH = "mm/steps.c"


def program(text: str, *, partial: bool = False) -> Program:
    return Program(OverlayTree(EmptyTree(), {PATH: text.encode()}), partial=partial)


def function(text: str) -> Function:
    return program(text).functions(PATH)[0]


def changes(before: str, after: str, *, partial: bool = False, log: str = "body") -> list[FunctionChange]:
    old, new = program(before, partial=partial), program(after, partial=partial)
    lines = changed_lines(before.encode(), after.encode())
    file = FileText(PATH, PATH, PATH, before.encode(), after.encode(), *lines)
    view = PatchView("subject", log, old, new, (file,), partial=partial)
    view.changes.extend(pair_functions(file, view))
    return view.changes


def lost(before: str, after: str) -> list[tuple[str, str, str]]:
    return [(x.how, x.step.word, x.sink.word) for change in changes(before, after) for x in losses(change)]


def body(*lines: str) -> str:
    return "int f(struct mm_struct *mm, pte_t *ptep, struct folio *folio)\n{\n" + "\n".join(lines) + "\n}\n"


PROTECT = "ptep_set_wrprotect(mm, addr, ptep);"
GUARDED = body("if (folio_maybe_dma_pinned(folio))", "return -EBUSY;", PROTECT, "return 0;")
OPEN = body(PROTECT, "return 0;")


def test_a_loop_leads_on_to_what_follows_it_and_a_retry_does_not() -> None:
    loop = function(body("while (more(mm)) {", "inside(mm);", "}", "behind(mm);", "return 0;"))
    node = {act.word: act.node for act in acts(loop)}
    assert reach(loop).before(node["inside"], node["behind"])
    assert not reach(loop).before(node["behind"], node["inside"])
    retry = function(
        body("again:", "first(mm);", "if (bad(mm)) {", "undo(mm);", "goto again;", "}", "last(mm);", "return 0;")
    )
    node = {act.word: act.node for act in acts(retry)}
    assert reach(retry).before(node["first"], node["last"])
    assert not reach(retry).before(node["undo"], node["last"])
    assert reach(retry).chosen(node["bad"], node["last"]) is False


def test_a_test_says_what_it_decides() -> None:
    kept = function(
        body("bool pinned = folio_maybe_dma_pinned(folio);", "if (pinned)", "return 1;", "use(folio);", "return 0;")
    )
    check = next(act for act in acts(kept) if act.word == "folio_maybe_dma_pinned")
    use = next(act for act in acts(kept) if act.word == "use")
    assert check.use == "value"
    assert check.guards(use, reach(kept))


def test_an_assertion_guards_nothing() -> None:
    asserted = function(body("BUG_ON(folio_maybe_dma_pinned(folio));", "use(folio);", "return 0;"))
    check = next(act for act in acts(asserted) if act.word == "folio_maybe_dma_pinned")
    use = next(act for act in acts(asserted) if act.word == "use")
    assert not check.guards(use, reach(asserted))


def test_a_removed_guard_is_lost_and_its_return_is_not() -> None:
    assert lost(GUARDED, OPEN) == [("removed", "folio_maybe_dma_pinned", "ptep_set_wrprotect")]
    assert lost(OPEN, GUARDED) == []


@pytest.mark.parametrize(
    "after",
    [
        body("if (!mm || unlikely(folio_maybe_dma_pinned(folio)))", "return -EBUSY;", PROTECT),
        body("if (!folio_maybe_dma_pinned(folio)) {", PROTECT, "return 0;", "}", "return -EBUSY;"),
        body("int busy = folio_maybe_dma_pinned(folio);", "if (busy)", "goto out;", PROTECT, "out:", "return busy;"),
        body("if (folio_needs_cow_for_dma(vma, folio))", "return -EBUSY;", PROTECT, "return 0;"),
        body("if (nobody_knows(folio))", "return -EBUSY;", PROTECT, "return 0;"),
        body("return 0;"),
    ],
)
def test_what_stands_in_for_a_guard(after: str) -> None:
    assert lost(GUARDED, after) == []


def test_a_helper_of_the_same_patch_stands_in_only_if_it_does_the_step() -> None:
    call = GUARDED.replace("folio_maybe_dma_pinned", "held")
    good = "static bool held(struct folio *f)\n{\n\treturn folio_maybe_dma_pinned(f);\n}\n"
    bad = "static bool held(struct folio *f)\n{\n\treturn folio_test_large(f);\n}\n"
    assert lost(GUARDED, good + call) == []
    assert lost(GUARDED, bad + call) == [("removed", "folio_maybe_dma_pinned", "ptep_set_wrprotect")]


def test_a_step_that_moved_to_the_caller_is_not_lost() -> None:
    caller = "int g(struct mm_struct *mm, pte_t *p, struct folio *folio)\n{\n\treturn f(mm, p, folio);\n}\n"
    checks = caller.replace("\treturn", "\tif (folio_maybe_dma_pinned(folio))\n\t\treturn -EBUSY;\n\treturn")
    assert lost(GUARDED + caller, OPEN + checks) == []
    assert lost(GUARDED + caller, OPEN + caller) != []


def test_a_test_whose_result_decides_nothing_any_more_is_ignored() -> None:
    after = body("folio_maybe_dma_pinned(folio);", PROTECT, "return 0;")
    assert lost(GUARDED, after) == [("ignored", "folio_maybe_dma_pinned", "ptep_set_wrprotect")]


def test_a_second_check_behind_a_change_is_a_check_of_its_own() -> None:
    twice = body(
        "if (folio_maybe_dma_pinned(folio))", "return 1;", "old = ptep_clear_flush(vma, addr, ptep);",
        "if (folio_maybe_dma_pinned(folio)) {", "set_pte_at(mm, addr, ptep, old);", "return 1;", "}",
        "folio_move_anon_rmap(folio, vma);", "return 0;",
    )  # fmt: skip
    once = body(
        "if (folio_maybe_dma_pinned(folio))", "return 1;", "old = ptep_clear_flush(vma, addr, ptep);",
        "folio_move_anon_rmap(folio, vma);", "return 0;",
    )  # fmt: skip
    assert lost(twice, once) == [("removed", "folio_maybe_dma_pinned", "folio_move_anon_rmap")]


def test_a_release_is_judged_by_the_exits_and_not_by_the_lines() -> None:
    before = body(
        "folio_lock(folio);", "if (bad(folio)) {", "folio_unlock(folio);", "return 1;", "}", "folio_unlock(folio);",
        "return 0;",
    )  # fmt: skip
    joined = body(
        "int ret = 0;", "folio_lock(folio);", "if (bad(folio))", "ret = 1;", "folio_unlock(folio);", "return ret;"
    )
    leaking = body("folio_lock(folio);", "if (bad(folio))", "return 1;", "folio_unlock(folio);", "return 0;")
    assert lost(before, joined) == []
    assert lost(before, leaking) == [("removed", "folio_unlock", "folio_lock")]
    gone = body("folio_lock(folio);", "folio_unlock(folio);", "return 0;")
    assert lost(before, gone) == []


def test_order_is_judged_only_where_the_tables_name_one() -> None:
    first = body("flush_tlb_range(vma, addr, end);", "count(mm);", "pte_unmap_unlock(ptep, ptl);", "return 0;")
    second = body("count(mm);", "pte_unmap_unlock(ptep, ptl);", "flush_tlb_range(vma, addr, end);", "return 0;")
    harmless = body("count(mm);", "flush_tlb_range(vma, addr, end);", "pte_unmap_unlock(ptep, ptl);", "return 0;")
    assert lost(first, second) == [("order", "flush_tlb_range", "pte_unmap_unlock")]
    assert lost(first, harmless) == []


def test_a_weaker_call_is_one_of_the_same_order_about_the_same_thing() -> None:
    before, after = body("unpin_user_page(page);", "return 0;"), body("put_page(page);", "return 0;")
    other = body("unpin_user_page(page);", "put_page(other);", "return 0;")
    found = [(w.step.word, w.now.word) for change in changes(before, after) for w in weakened(change)]
    assert found == [("unpin_user_page", "put_page")]
    assert [w for change in changes(after, before) for w in weakened(change)] == []
    assert [w for change in changes(before, other) for w in weakened(change)] == []


def test_a_flag_is_lost_only_if_no_path_sets_it() -> None:
    pin = "n = pin_user_pages_fast(start, nr, {}, pages);"
    before = body(pin.format("FOLL_WRITE | FOLL_LONGTERM"), "return n;")
    moved = body("flags = FOLL_WRITE;", "flags |= FOLL_LONGTERM;", pin.format("flags"), "return n;")
    gone = body("flags = FOLL_WRITE;", pin.format("flags"), "return n;")
    assert [w for change in changes(before, moved) for w in weakened(change)] == []
    assert [w.lost for change in changes(before, gone) for w in weakened(change)] == ["FOLL_LONGTERM"]


def test_a_renamed_function_is_no_change() -> None:
    callee = "static int helper_one(struct folio *folio)\n{\n\treturn folio_maybe_dma_pinned(folio);\n}\n"
    use = body("if (helper_one(folio))", "return 1;", PROTECT, "return 0;")
    text = callee + use
    assert lost(text, text.replace("helper_one", "helper_two")) == []


def test_hunks_alone_judge_only_sinks_that_the_tables_name() -> None:
    before = body("if (folio_maybe_dma_pinned(folio))", "return 1;", "somebody(folio);", "return 0;")
    after = body("somebody(folio);", "return 0;")
    assert [x for change in changes(before, after, partial=True) for x in losses(change)] == []
    assert [x.how for change in changes(before, after) for x in losses(change)] == ["removed"]


def test_what_three_functions_lose_is_a_conversion_if_the_patch_says_so_or_adds_something() -> None:
    def told(count: int, now: str = OPEN, log: str = "body") -> list[Severity | None]:
        before, after = ("".join(t.replace("int f(", f"int f{i}(") for i in range(count)) for t in (GUARDED, now))
        return [hit.severity for change in changes(before, after, log=log) for hit in reporter("PAT106")(change)]

    assert told(2, OPEN.replace(PROTECT, f"settle(mm);{PROTECT}")) == [None, None]
    assert told(3, OPEN.replace(PROTECT, f"settle(mm);{PROTECT}")) == [Severity.INFO] * 3
    assert told(3, log="Nobody needs folio_maybe_dma_pinned() here.") == [Severity.INFO] * 3
    assert told(3) == [None] * 3


def test_both_sides_can_be_looked_at() -> None:
    (change,) = changes(GUARDED, OPEN)
    shown = lost_steps(change)
    assert "folio_maybe_dma_pinned" in shown
    assert "lost: pinned-before-write-protect" in shown
    assert comparison(change) is comparison(change)
    assert "does pinned" not in render(function(OPEN))
    assert "pinned-before-write-protect" in render(function(GUARDED))
