"""Functions are found with their exact lines, without a parser."""

from __future__ import annotations

import pytest
from mmlint.source.outline import outline


def found(text: str) -> list[tuple[str, int, int, int]]:
    entries = outline(text.encode())
    assert all(text.encode()[entry.body_byte : entry.body_byte + 1] == b"{" for entry in entries)
    assert all(text.encode()[entry.end_byte - 1 : entry.end_byte] == b"}" for entry in entries)
    return [(entry.name, entry.start_line, entry.name_line, entry.end_line) for entry in entries]


CASES = {
    "annotations in a row before the type": (
        '__description("what it is")\n__success __retval(0) __flag(ANY_ALIGNMENT)\n'
        "__naked void checked(void)\n{\n\tgo();\n}\n",
        [("checked", 3, 3, 6)],
    ),
    "plain": ("int a(void)\n{\n\tb();\n}\n", [("a", 1, 1, 4)]),
    "return type on its own line": ("static struct page *\na(int x,\n  int y)\n{\n}\n", [("a", 1, 2, 5)]),
    "annotation on its own line": ("noinline\nint a(void)\n{\n}\n", [("a", 1, 2, 4)]),
    "one line": ("static inline int a(void) { return 0; }\nint b(void) {\n}\n", [("a", 1, 1, 1), ("b", 2, 2, 3)]),
    "no functions": ("struct a {\n\tint x;\n};\nint b(void);\nenum c { D, E };\nint f[] = { 1,\n\t2 };\n", []),
    "initialiser that ends its line": ("char *a[] = {\n\t1, NULL };\n\nint b(void)\n{\n}\n", [("b", 4, 4, 6)]),
    "macro without semicolon before": ("EXPORT(x)\nmodule_init(y)\nint a(void)\n{\n}\n", [("a", 3, 3, 5)]),
    "macro before an enum": ("static DEF_QCMD(x)\n\nenum a {\n\tB,\n};\nint c(void)\n{\n}\n", [("c", 6, 6, 8)]),
    "designated fields behind a macro": (
        "define_machine(a) {\n\t.name = 1,\n};\nint b(void)\n{\n}\n",
        [("b", 4, 4, 6)],
    ),
    "comment before": ("/* int z(void)\n{\n}\n*/\nint a(void) /* { */\n{\n\t// }\n}\n", [("a", 5, 5, 8)]),
    "strings": ("int a(void)\n{\n\tb(\"}\\n\", '}');\n}\nint c(void)\n{\n}\n", [("a", 1, 1, 4), ("c", 5, 5, 7)]),
    "dead code": ("#if 0\nint a(void)\n{\n}\n#endif\nint b(void)\n{\n}\n", [("b", 6, 6, 8)]),
    "both arms": ("#ifdef A\nint a(void)\n{\n}\n#else\nint a(int x)\n{\n}\n#endif\n", [("a", 2, 2, 4), ("a", 6, 6, 8)]),
    "header in arms": ("#ifdef A\nint a(void)\n#else\nint b(int x)\n#endif\n{\n}\n", [("a", 2, 2, 7)]),
    "end in arms": (
        "int a(void)\n{\n#ifdef A\n\tb();\n}\n#else\n\tc();\n}\n#endif\nint d(void)\n{\n}\n",
        [("a", 1, 1, 8), ("d", 10, 10, 12)],
    ),
    "braces opened in both arms": (
        "int a(void)\n{\n#ifdef A\n\tif (b) {\n#else\n\tif (c) {\n#endif\n\t}\n}\nint d(void)\n{\n}\n",
        [("a", 1, 1, 9), ("d", 10, 10, 12)],
    ),
    "body that ends in an indented brace": (
        "int a(void)\n{\n\tb();\n\t}\nint c(void)\n{\n}\n",
        [("a", 1, 1, 4), ("c", 5, 5, 7)],
    ),
    "define with a body": ("#define A(x) int x(void) \\\n{ \\\n}\nint b(void)\n{\n}\n", [("b", 4, 4, 6)]),
    "directive before the brace": ("int a(void)\n#define N 1\n{\n}\n", [("a", 1, 1, 4)]),
    "arms from the brace on": (
        "int a(void)\n#ifdef A\n{\n\tb();\n}\n#else\n{\n}\n#endif\nint d(void)\n{\n}\n",
        [("a", 1, 1, 5), ("d", 10, 10, 12)],
    ),
    "annotation with arguments behind": ("void a(int x)\n\t__fold_written(x)\n{\n}\n", [("a", 1, 1, 4)]),
    "GNU style": (
        "int a (void)\n  {\n#ifndef A\n    if (b)\n#endif\n      c();\n  }\nint d(void)\n{\n}\n",
        [("a", 1, 1, 7), ("d", 8, 8, 10)],
    ),
    "linkage block": ('extern "C" {\nint a(void)\n{\n}\n}\n', [("a", 2, 2, 4)]),
    "system call": ("SYSCALL_DEFINE2(fold, int, a,\n\tunsigned long, b)\n{\n}\n", [("sys_fold", 1, 1, 4)]),
    "compat system call": ("COMPAT_SYSCALL_DEFINE0(fold)\n{\n}\n", [("compat_sys_fold", 1, 1, 3)]),
    "defining macro": (
        "DEFINE_IDTENTRY(exc_fold)\n{\n}\nstatic DEFINE_X(y)\n{\n}\n",
        [("exc_fold", 1, 1, 3), ("y", 4, 4, 6)],
    ),
    "test macro": ('TEST("x")\n{\n}\n', [("TEST", 1, 1, 3)]),
    "handler named by a macro": ("static int HANDLER(fold)(struct attrs *a)\n{\n}\n", [("fold", 1, 1, 3)]),
    "returns a function": ("static void (*a(int x))(void *)\n{\n}\n", [("a", 1, 1, 3)]),
    "annotations behind": ("void a(int x)\n\t__releases(x)\n\t__acquires(y)\n{\n}\n", [("a", 1, 1, 5)]),
    "unfinished": ("int a(void)\n{\n\tb();\n}\nint c(void)\n", [("a", 1, 1, 4)]),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES.keys())
def test_definitions_and_their_lines(text: str, expected: list[tuple[str, int, int, int]]) -> None:
    assert found(text) == expected
