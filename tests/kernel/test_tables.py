import re
from pathlib import Path

import pytest
from mmlint.kernel.reader import SECTIONS
from mmlint.kernel.tables import TableError, extend, tables


def test_every_row_says_where_it_comes_from() -> None:
    for section, rows in tables().sections.items():
        assert [row.name for row in rows if not row.source] == [], section


def test_contexts_know_whether_sleeping_is_allowed() -> None:
    kinds = tables().kinds
    atomic = {name for name, kind in kinds.items() if kind.atomic}
    assert {"ptl", "spin", "raw_spin", "rcu", "pte_map", "preempt", "irq", "bh", "kmap_atomic", "lazy_mmu"} <= atomic
    assert {"mutex", "rwsem", "mmap_lock", "vma_lock", "folio_lock", "srcu", "kmap", "notifier"}.isdisjoint(atomic)
    assert kinds["spin"].rt_sleeps
    assert not kinds["raw_spin"].rt_sleeps


def test_lock_order_is_that_of_rmap_c() -> None:
    kinds = tables().kinds
    order = ["inode_lock", "mmap_lock", "invalidate_lock", "folio_lock", "vma_lock", "i_mmap", "anon_vma", "ptl"]
    assert [kinds[name].rank for name in order] == sorted(kinds[name].rank for name in order)


def test_page_table_lock_may_fail_since_6_5() -> None:
    (new,) = tables().at("6.12").takes["pte_offset_map_lock"]
    (old,) = tables().at("6.1").takes["pte_offset_map_lock"]
    assert (new.when, new.out, new.result, new.atomic) == ("nonzero", 3, True, True)
    assert "rcu" in new.also
    assert old.when == "always"
    assert "rcu" not in old.also


def test_default_view_is_the_newest_meaning_and_keeps_gone_names() -> None:
    assert tables().takes["pte_offset_map_lock"] == tables().at("6.12").takes["pte_offset_map_lock"]
    assert "page_try_dup_anon_rmap" in tables().guards
    assert "page_try_dup_anon_rmap" not in tables().at("6.12").guards
    assert tables().senses["folio_isolate_lru"].ok == "true"
    assert tables().at("6.1").senses["folio_isolate_lru"].ok == "zero"


def test_takers_of_two_locks_have_two_rows() -> None:
    assert [take.arg for take in tables().takes["double_pt_lock"]] == [0, 1]


def test_every_taken_kind_is_dropped_by_something() -> None:
    table = tables()
    taken = {take.kind for rows in table.takes.values() for take in rows}
    dropped = {drop.kind for rows in table.drops.values() for drop in rows}
    assert taken == dropped


def test_scope_guards_stand_for_known_takers() -> None:
    table = tables()
    assert {guard.take for guard in table.scope_guards.values()} <= set(table.takes)


def test_blocking_takers_sleep_and_trylocks_do_not() -> None:
    table = tables()
    assert table.sleeps["mutex_lock"].when == "always"
    assert table.sleeps["folio_lock"].when == "always"
    assert table.sleeps["pte_alloc_map_lock"].when == "always"
    assert {"mutex_trylock", "folio_trylock", "mmap_read_trylock", "spin_lock"}.isdisjoint(table.sleeps)


def test_nothing_both_sleeps_and_does_not() -> None:
    for release in ("", "6.1", "6.12"):
        table = tables().at(release)
        assert table.nosleep & set(table.sleeps) == set()


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("kmalloc", 1),
        ("kcalloc", 2),
        ("vma_alloc_folio", 0),
        ("mem_cgroup_charge", 2),
        ("add_swap_count_continuation", 1),
    ],
)
def test_gfp_arguments(name: str, position: int) -> None:
    row = tables().sleeps[name]
    assert (row.when, row.gfp_arg) == ("gfp", position)


def test_gfp_masks() -> None:
    gfp = tables().gfp
    assert all(gfp[name].reclaim is True for name in ("GFP_KERNEL", "GFP_HIGHUSER_MOVABLE", "__GFP_RECLAIM"))
    assert all(gfp[name].reclaim is False for name in ("GFP_ATOMIC", "GFP_NOWAIT", "GFP_TRANSHUGE_LIGHT"))
    assert gfp["__GFP_ZERO"].reclaim is None


def test_gup_signatures_by_release() -> None:
    assert tables().at("6.12").gup["pin_user_pages_remote"].locked == 5
    assert tables().at("6.1").gup["pin_user_pages_remote"].locked == 6
    old = tables().at("4.19").gup["get_user_pages_fast"]
    assert (old.write, old.flags) == (2, None)


def test_pins_and_references_are_told_apart() -> None:
    table = tables()
    assert {row.resource for row in table.takes_resource["pin_user_pages"]} == {"page pin"}
    assert {row.resource for row in table.gives_resource["put_page"]} == {"folio reference", "GUP page reference"}
    assert {row.resource for row in table.gives_resource["unpin_user_page"]} == {"page pin"}


def test_locking_lookup_takes_lock_and_reference() -> None:
    rows = tables().takes_resource["filemap_lock_folio"]
    assert {(row.resource, row.holder, row.when) for row in rows} == {
        ("folio reference", "result", "noterr"),
        ("folio lock", "result", "noterr"),
    }


def test_every_resource_that_is_taken_can_be_given_back() -> None:
    for release in ("", "6.1", "6.12"):
        for each in tables().at(release).resources.values():
            assert each.takes, each.name
            assert each.gives, each.name


def test_own_rows_win(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[[kind]]\nname = "my_lock"\natomic = true\n'
        '[[take]]\nnames = "my_lock"\nkind = "my_lock"\narg = 0\n'
        '[[sleep]]\nnames = "kfree_slow mutex_lock"\nwhen = "arg:1"\n'
        '[[resource]]\nname = "folio reference"\ntakes = """\nmy_get_folio result nonzero\n"""\n'
    )
    table = extend(own)
    assert table.takes["my_lock"][0].atomic
    assert table.sleeps["mutex_lock"].when == "arg:1"
    assert table.takes_resource["my_get_folio"][0].resource == "folio reference"
    assert "folio_get" in table.takes_resource
    assert "my_lock" not in tables().takes
    assert "spin_lock" in table.at("6.1").takes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[take]]\nnames = 'x'\nkind = 'nolock'", "[[take]] 1: unknown kind 'nolock'"),
        ("[[take]]\nnames = 'x'", "(x): missing key 'kind'"),
        ("[[take]]\nkind = 'spin'", "no `names`"),
        ("[[take]]\nnames = 'x<'\nkind = 'spin'", "is not a name"),
        ("[[sleep]]\nnames = 'x'\ngfp_arg = 'one'", "gfp_arg must be a number, counted from 0"),
        ("[[sleep]]\nnames = 'x'\ngfp = 1", "unknown key 'gfp'; known are"),
        ("[[gfp]]\nnames = 'x'\nreclaim = 'yes'", "reclaim must be true or false"),
        ("[[sleeps]]\nnames = 'x'", "own.toml:1: unknown section 'sleeps'; did you mean `sleep`?"),
        ("[[qqqqqq]]", "unknown section 'qqqqqq'; "),
        ("[[sleep]]\nnames = 'x'\n\n[[sleep]]\nnames = 'y'\ngfp = 1", "own.toml:4: [[sleep]] 2: unknown key 'gfp'"),
        ("[take]\nnames = 'x'", "write [[take]]"),
        ("[[resource]]\nname = 'r'\ntakes = 'get_it'", "write `name holder"),
        ("[[resource]]\ntakes = 'get_it result'", "no `names`"),
        ("[[take]\n", "Expected"),
    ],
)
def test_mistakes_are_one_line_that_names_the_row(tmp_path: Path, text: str, words: str) -> None:
    own = tmp_path / "own.toml"
    own.write_text(text + "\n")
    with pytest.raises(TableError) as raised:
        extend(own)
    message = str(raised.value)
    assert words in message
    assert str(own) in message
    assert "\n" not in message
    assert re.match(rf"{re.escape(str(own))}:\d+: ", message)


def test_release_must_be_one() -> None:
    with pytest.raises(TableError, match="not a kernel release"):
        tables().at("six")


def test_all_sections_are_in_use() -> None:
    shipped = set(tables().sections) | {"step", "stronger", "same", "states"}
    assert shipped == set(SECTIONS)
