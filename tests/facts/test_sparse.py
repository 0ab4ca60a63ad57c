"""The index of a folder that is made name by name says what the one that is made as a whole says."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.facts.function import Function
from mmlint.facts.index import FolderIndex, folder_index
from mmlint.facts.program import Program
from mmlint.facts.sparse import SparseIndex
from mmlint.inputs.tree import FolderTree
from mmlint.source.outline import outline

from tests.test_kernel_trees import TREES, needed

FIXTURES = Path(__file__).parents[2] / "fixtures"
ODD = {
    "plain.c": "static int one(void)\n{\n\treturn two(1);\n}\n\nint two(int n)\n{\n\tget_page(one);\n\treturn n;\n}\n",
    "tight.c": "int a(void) { return 1; } int b(void) { return 2; }\n{ int c(void) { return 3; }\n",
    "same_line.c": "int a(void)\n{ spin_lock(x); }\nint b(void)\n{ return 2; }\nstatic int c(void)\n{\n return 3; }\n",
    "apart.c": "static struct page *\nfar /* why; { not } */ (int a, /* ; */\n\tint b)\n{\n\treturn get_page(a);\n}\n",
    "macros.c": "SYSCALL_DEFINE2(open_it, int, a, int, b)\n{\n\treturn 0;\n}\nDEFINE_IDTENTRY ( trap )\n{\n}\n"
    "COMPAT_SYSCALL_DEFINE0(leave)\n{\n\treturn 0;\n}\nTEST(name)(struct x *y)\n{\n}\n",
    "label.c": "int a(void)\n{\n\tgoto out;\nout:\n#ifdef X\n\tput();\n#endif\n}\nint b(void)\n{\n}\n",
    "arms.c": "#ifdef X\nint a(int x)\n{\n#else\nint b(int x)\n{\n#endif\n\treturn x;\n}\n",
    "comment.c": "/*\n{\n * int gone(void)\n */\nint here(void)\n{\n}\n\n/* {\n */\nint there(void)\n{\n}\n",
    "quoted.c": 'char *glob = "a/*"; int seen(void)\n{\n}\n/* "b" */ int last(void)\n{\n}\n',
    "table.c": "struct ops o = {\n\t.f = one,\n};\nint (*pick(int n))(void)\n{\n\treturn 0;\n}\n"
    "#define F(x) \\\n\tint x(void)\n",
    "two.h": "static inline int one(void)\n{\n\treturn pin_user_pages();\n}\n#define G(x) ({ two(x); })\n",
}


def indexes(root: Path, folder: str) -> tuple[FolderIndex, SparseIndex]:
    tree = FolderTree(root)
    return folder_index(tree, folder), SparseIndex(tree, folder, Program(tree, sparse=True).functions)


def names(root: Path, folder: str) -> list[str]:
    files = [file for file in sorted((root / folder).iterdir()) if file.suffix in (".c", ".h")]
    return [entry.name for file in files for entry in outline(file.read_bytes())]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLINT_CACHE_DIR", str(tmp_path / "cache"))


def assert_same(root: Path, folder: str) -> int:
    whole, sparse = indexes(root, folder)
    defined = names(root, folder)
    for name in (*defined, "if", "", "sizeof", "get_page", "no_such_name"):
        assert sparse.places(name) == whole.places(name), (folder, name)
    assert sparse.takers == whole.takers
    return len(defined)


def test_odd_files(tmp_path: Path) -> None:
    for name, text in ODD.items():
        (tmp_path / "odd" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "odd" / name).write_text(text)
    assert assert_same(tmp_path, "odd") == 21
    _, sparse = indexes(tmp_path, "odd")
    assert [place.path for place in sparse.places("sys_open_it")] == ["odd/macros.c"]
    assert sparse.takers == {"two", "one"}


def test_fixtures() -> None:
    folders = sorted({str(file.parent.relative_to(FIXTURES)) for file in FIXTURES.rglob("*.c")})
    assert sum(assert_same(FIXTURES, folder) for folder in folders) > 500


@pytest.mark.kernel
@pytest.mark.parametrize("folder", ["fs/proc", "drivers/infiniband/core", "arch/s390/mm", "arch/x86/kernel"])
@TREES
def test_kernel_folders(tree: Path | None, folder: str) -> None:
    assert assert_same(needed(tree), folder) > 100


def test_a_file_is_outlined_when_it_may_define_what_is_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []
    for name, text in ODD.items():
        (tmp_path / name).write_text(text)
    tree = FolderTree(tmp_path)
    program = Program(tree, sparse=True)

    def functions(path: str) -> tuple[Function, ...]:
        asked.append(path)
        return program.functions(path)

    sparse = SparseIndex(tree, "", functions)
    sparse.places("far")
    sparse.places("far")
    assert asked == ["apart.c"]
