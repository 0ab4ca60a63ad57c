"""Which files are looked at, and which names decide it."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from mmlint.audit.files import sources
from mmlint.audit.interest import foreign, interest
from mmlint.kernel.tables import tables
from mmlint.rule import _PLAIN, Rule, find, load
from mmlint.source.identifiers import identifiers
from mmlint.testing import fixture_folder

FIXTURES = Path(__file__).parents[2] / "fixtures"
WANTED = interest(load(), tables())

FOREIGN_TOO = {"PTL101", "PTL104", "PTL114", "REF111"}
"""The rules that also speak of locks and things which are not mm's."""


@pytest.mark.parametrize(
    "name",
    [
        "pte_offset_map_lock",
        "page_vma_mapped_walk",
        "pin_user_pages_fast",
        "get_page",
        "_refcount",
        "_mapcount",
        "kmap",
        "pte_offset_map",
        "mmap_write_lock",
    ],
)
def test_names_of_interest(name: str) -> None:
    assert name.encode() in WANTED.words
    assert WANTED.matters("fs/a.c", f"{{ x = {name}(y); }}".encode())
    assert not WANTED.matters("fs/a.c", f"{{ x = my_{name}_too(y); }}".encode())


@pytest.mark.parametrize("name", ["spin_lock", "mutex_lock", "kmalloc", "of_node_get", "dma_buf_get", "get_file"])
def test_names_that_are_everywhere_decide_nothing(name: str) -> None:
    assert name.encode() not in WANTED.words


def test_every_file_of_mm_is_of_interest_and_no_file_that_only_sounds_like_it() -> None:
    assert WANTED.matters("mm/a.c", b"int x;")
    assert not WANTED.matters("drivers/mm/a.c", b"int x;")


def test_tokens_count_for_the_rules_that_run() -> None:
    rule = find("PTL113")
    assert rule is not None
    assert {token.encode() for token in rule.tokens} <= interest([rule], tables()).words
    assert b"flush_tlb_batched_pending" not in interest([], tables()).words


BROKEN = [
    (rule, file)
    for rule in load()
    if rule.check is not None
    for file in sorted(fixture_folder(FIXTURES, rule).rglob("bad*.c"))
]


@pytest.mark.parametrize(("rule", "file"), BROKEN, ids=[f"{rule.code}-{file.stem}" for rule, file in BROKEN])
def test_what_breaks_a_rule_is_read_for_that_rule_alone(rule: Rule, file: Path) -> None:
    text = file.read_bytes()
    if not interest([rule], tables()).matters("drivers/a.c", text):
        assert rule.code in FOREIGN_TOO
        assert foreign(tables()).intersection(word.decode() for word in identifiers(text))
        assert interest([rule], tables(), every=True).matters("drivers/a.c", text)


def test_names_of_tables_are_of_interest_or_foreign() -> None:
    known = tables()
    for rule in load():
        listed = {name for table in rule.tables for name in getattr(known, table)} if rule.check else set()
        words = interest([rule], known).words
        assert {name for name in listed if name.encode() not in words} <= foreign(known), rule.code
    assert {"pte_offset_map", "mmap_read_lock", "folio_lock", "find_get_page"}.isdisjoint(foreign(known))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (b"{ addr += PAGE_SHIFT; }", True),
        (b"{ addr += 1 << PAGE_SHIFT; }", False),
        (b"{ struct page *p; return -EAGAIN; }", True),
        (b"{ return -EAGAIN; }", False),
        (b"{ vma->p = f(GFP_ATOMIC); }", True),
        (b"{ p = f(GFP_ATOMIC); }", False),
    ],
)
def test_a_token_that_is_everywhere_counts_with_the_shape_of_its_rule(text: bytes, counts: bool) -> None:
    assert WANTED.matters("fs/a.c", text) is counts


def test_a_file_without_a_function_body_holds_nothing() -> None:
    assert not WANTED.matters("include/linux/a.h", b"#define HELD(page) page_count(page)")


def test_links_and_other_programs_are_left_out(tmp_path: Path) -> None:
    for name in ("mm/a.c", "mm/a.S", "tools/a.c", "drivers/tools/b.h", "scripts/a.c", "lib/selftests/a.c", ".git/a.c"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "mm/link.c").symlink_to("a.c")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sources(str(tmp_path)) == ["drivers/tools/b.h", "mm/a.c"]


def test_a_rule_that_is_loaded_late_is_known_as_whole() -> None:
    there = {"severity", "confidence", "scenario", "check", "compare", "check_patch", "needs", "places"}
    assert {field.name for field in fields(Rule)} - there == set(_PLAIN)
