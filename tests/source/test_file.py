"""What a file and its functions tell: signature, conditions, macros, and positions in the original bytes."""

from __future__ import annotations

import pytest
from mmlint.source.file import FunctionSource, Param, SourceFile
from tree_sitter import Node

TEXT = b"""\
#define fold_lock(mm, ptl) \\
\t({ spin_lock(ptl); \\
\t   (mm); })
#define FOLD_MAX 3
#define fold_nothing() do { } while (0)

#ifdef CONFIG_FOLD
#if FOLD_LEVELS > 2
static __always_inline struct folio __rcu *fold_first(struct page __user *page, int (*fn)(int), ...)
{
\tlist_for_each_entry(page, &list, lru) {
\t\tput_page(page);
\t}
\treturn NULL;
}
#endif
#else
unsigned long fold_first(void)
{
\treturn fold(
#ifdef CONFIG_MORE
\t\t1
#else
\t\t2
#endif
\t);
}
#endif

SYSCALL_DEFINE2(fold, const char __user *, name, unsigned long, len)
{
\treturn 0;
}

int fold_broken(int a)
{
\tif (a ==== 3) {
}
"""


@pytest.fixture
def source() -> SourceFile:
    return SourceFile("mm/fold.c", TEXT)


def get(source: SourceFile, index: int) -> FunctionSource:
    return source.functions[index]


def first(function: FunctionSource, kind: str) -> Node:
    pending = [function.node]
    while pending:
        node = pending.pop(0)
        if node.type == kind:
            return node
        pending += node.children
    raise AssertionError(kind)


def test_functions_of_one_name_in_two_arms_are_both_listed(source: SourceFile) -> None:
    assert [function.name for function in source.functions] == ["fold_first", "fold_first", "sys_fold", "fold_broken"]
    assert source.function("fold_first") is source.functions[0]
    assert source.function("absent") is None


def test_a_function_knows_its_condition(source: SourceFile) -> None:
    assert get(source, 0).condition == "defined(CONFIG_FOLD) && FOLD_LEVELS > 2"
    assert get(source, 1).condition == "!(defined(CONFIG_FOLD))"
    assert get(source, 2).condition == ""


def test_a_function_knows_its_signature(source: SourceFile) -> None:
    one = get(source, 0)
    assert one.params == (Param("page", "struct page *"), Param("fn", "int (*)(int)"), Param("...", "..."))
    assert (one.returns, one.static, one.inline) == ("struct folio *", True, True)
    other = get(source, 1)
    assert (other.params, other.returns, other.static, other.inline) == ((), "unsigned long", False, False)


def test_a_system_call_has_its_arguments_as_parameters(source: SourceFile) -> None:
    call = get(source, 2)
    assert call.params == (Param("name", "const char *"), Param("len", "unsigned long"))
    assert call.start_line == call.name_line == 30


def test_nodes_are_placed_in_the_original(source: SourceFile) -> None:
    function = get(source, 0)
    loop = first(function, "while_statement")
    assert function.line(loop) == 11
    assert function.column(loop) == 2
    assert function.end_line_of(loop) == 13
    assert function.source(loop).startswith(b"list_for_each_entry(page, &list, lru) {")
    assert function.norm(loop).startswith(b"while              (page, &list, lru) {")
    assert function.macro_name(loop) == "list_for_each_entry"
    assert function.macro_name(first(function, "return_statement")) == ""
    assert function.text == TEXT[function.start_byte : function.end_byte]
    assert TEXT.splitlines()[function.start_line - 1].startswith(b"static __always_inline")


def test_arms_left_out_of_the_tree_are_told(source: SourceFile) -> None:
    function = get(source, 1)
    assert not function.damaged
    assert function.dropped_lines == ((23, 24),)
    assert get(source, 0).dropped_lines == ()


def test_what_cannot_be_read_is_reported(source: SourceFile) -> None:
    broken = next(function for function in source.functions if function.name == "fold_broken")
    assert not broken.missed  # nobody has asked yet
    assert [(unread.name, unread.line) for unread in source.unread] == [("fold_broken", 35)]
    assert broken.missed
    assert not get(source, 2).damaged


def test_function_like_macros_are_listed(source: SourceFile) -> None:
    assert list(source.macros) == ["fold_lock", "fold_nothing"]
    macro = source.macros["fold_lock"]
    assert (macro.params, macro.line) == (("mm", "ptl"), 1)
    assert macro.body_text.split() == b"({ spin_lock(ptl); (mm); })".split()
    assert source.macros["fold_nothing"].params == ()


def test_the_tree_of_the_file_maps_to_original_bytes() -> None:
    text = b"static DEFINE_PER_CPU(struct fold, folds) = { 0 };\nconst struct ops fold_ops = { .entry = fold_entry };\n"
    source = SourceFile("mm/fold.c", text)
    declarations = source.tree.root_node.named_children
    assert not source.tree.root_node.has_error
    assert [node.type for node in declarations] == ["declaration", "declaration"]
    assert source.original(declarations[1]).startswith(b"const struct ops fold_ops")
    assert source.line_of(declarations[1].start_byte) == 2
