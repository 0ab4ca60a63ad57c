"""The index of a folder: what it knows of its files' outlines."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.facts.index import folder_index
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree, OverlayTree
from mmlint.source.outline import outline

ONE = b"int one(void)\n{\n\treturn 1;\n}\n"
TWO = b"/* more */\nint two(void)\n{\n\treturn 2;\n}\n"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLINT_CACHE_DIR", str(tmp_path / "cache"))


def folder(tmp_path: Path) -> FolderTree:
    (tmp_path / "mm").mkdir()
    (tmp_path / "mm/a.c").write_bytes(ONE)
    return FolderTree(tmp_path)


def test_knows_the_outline_of_the_text_it_was_made_of(tmp_path: Path) -> None:
    index = folder_index(folder(tmp_path), "mm")
    assert index.outline("a.c", ONE) == outline(ONE)
    assert index.outline("a.c", TWO) is None
    assert index.outline("b.c", ONE) is None


def test_a_layer_knows_its_own_texts_and_those_below(tmp_path: Path) -> None:
    layer = OverlayTree(folder(tmp_path), {"mm/b.c": TWO})
    index = folder_index(layer, "mm")
    assert index.outline("a.c", ONE) == outline(ONE)
    assert index.outline("b.c", TWO) == outline(TWO)


def test_a_file_that_changes_behind_the_index_is_outlined_anew(tmp_path: Path) -> None:
    tree = folder(tmp_path)
    program = Program(tree)
    program.prepare()
    (tmp_path / "mm/a.c").write_bytes(TWO)
    (function,) = program.functions("mm/a.c")
    assert (function.name, function.line, function.text) == ("two", 2, TWO[11:-1])
    assert function.source.damaged is False


def test_an_allocator_behind_a_macro_is_the_function_that_the_macro_calls(tmp_path: Path) -> None:
    (tmp_path / "mm").mkdir()
    (tmp_path / "include/linux").mkdir(parents=True)
    header = b"static inline void *table_alloc_noprof(gfp_t gfp)\n{\n\treturn kmalloc(8, gfp);\n}\n"
    macro = b"#define table_alloc(...) alloc_hooks(table_alloc_noprof(__VA_ARGS__))\n"
    (tmp_path / "include/linux/table.h").write_bytes(header + macro)
    (tmp_path / "mm/a.c").write_bytes(b"void *one(void)\n{\n\treturn table_alloc(GFP_KERNEL);\n}\n")
    program = Program(FolderTree(tmp_path))
    found = program.resolve("table_alloc", "mm/a.c")
    assert found is not None
    assert found.name == "table_alloc_noprof"
    assert program.resolve("table_free", "mm/a.c") is None
