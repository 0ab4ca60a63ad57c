"""Each construct of kernel C that a parser of plain C stumbles over is read without an ERROR, in place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmlint.source.file import FunctionSource, SourceFile
from mmlint.source.normalise import normalise
from tree_sitter import Node

HEADERS = {
    "init": "static int __init fold_setup(void)",
    "annotation behind": "static void drop(spinlock_t *ptl)\n\t__releases(ptl)\n\t__acquires(rcu)",
    "must hold": "static void fold(struct mm_struct *mm) __must_hold(&mm->page_table_lock)",
    "user pointers": "long copy(const char __user * __user *pages, int __user *nodes)",
    "attribute before": "static __always_inline __attribute__((cold)) bool try(struct page *page)",
    "unknown word": "static __fold_attributes int fold(struct page *page)",
    "unknown word and typedef": "STATIC_FOLD vm_fault_t fold(struct vm_fault *vmf)",
    "annotation line": "noinline\nstruct folio *fold(struct folio *folio)",
    "printf": "__printf(2, 3) void fold(struct page *page, const char *fmt, ...)",
    "callback parameter": "int walk(int (*fn)(struct page *, unsigned long), void *arg)",
    "returns a function": "static inline void (*ctor(int shift))(void *)",
    "array parameter": "void fold(unsigned long map[static 4], int n[])",
    "no type": "static fold(struct page *page)",
    "unused parameter": "static int fold(struct page *page __maybe_unused)",
    "header arms": "#ifdef CONFIG_FOLD\nstatic int fold(struct page *page)\n#else\nint fold(void)\n#endif",
}

BODIES = {
    "iterator with braces": "list_for_each_entry(page, &list, lru) {\n\t\tput_page(page);\n\t}",
    "iterator without braces": "for_each_online_cpu(cpu)\n\t\tdrain(cpu);",
    "nested iterators": "damon_for_each_target(t, ctx)\n\t\tdamon_for_each_region(r, t)\n\t\t\tfold(r);",
    "iterator without arguments": "for_each_online_pgdat() {\n\t\tfold();\n\t}",
    "iterator after else": "if (!vma)\n\t\tfold();\n\telse for_each_vma(vmi, vma)\n\t\tfold();",
    "iterator that is the last of a do": "do {\n\t\tfold();\n\t} for_each_vma(vmi, vma);",
    "unrolled for": "loop_unrolled_for(i = 0; i < 4; i++) {\n\t\tfold(i);\n\t}",
    "scoped guard": "scoped_guard(spinlock_irqsave, &lock) {\n\t\tfold();\n\t}",
    "conditional guard": "scoped_cond_guard(mutex_intr, return -EINTR, &lock) {\n\t\tfold();\n\t}",
    "guard": "guard(mutex)(&lock);\n\tfold();",
    "cleanup": "struct folio *folio __free(folio_put) = alloc();\n\n\tfold(folio);",
    "type argument": "page = container_of(work, struct fold_work, item)->page;",
    "type argument over lines": "page = container_of(work, struct\n\t\t\tfold_work, item)->page;",
    "two words as type argument": "n = min_t(unsigned long, n, max_t(unsigned int, a, b));",
    "pointer as type argument": "p = rcu_dereference_type(struct page *, slot);",
    "force cast": "p = (__force void *)x + (__force unsigned long)y;",
    "typeof": "typeof(*page) copy = *page;\n\t__typeof__(a->b) *c = (typeof(c))d;",
    "nested offsetof": "n = offsetof(struct fold, a.b[2].c) + offsetof(struct fold, a);",
    "alignof an expression": "n = __alignof__(ai->groups[0].map[0]);",
    "case range": "switch (n) {\n\tcase 1 ... 5:\n\t\tbreak;\n\tcase A...B:\n\t\tbreak;\n\t}",
    "designators": "struct fold f = { .a = 1, [2 ... 5] = 3, };\n\tint y[] = { [A] = 1 };",
    "assembler": 'asm volatile("mov %0, %1" : "=r" (a) : "r" (b) : "memory");\n\t__asm__("nop");',
    "asm goto": 'asm goto(ALTERNATIVE("a", "b") "x" : : "i" (k) : : l_yes);\nl_yes:\n\tfold();',
    "register variable": 'register void *f asm("i0") = func;\n\n\tfold(f);',
    "static macro": "static DEFINE_RATELIMIT_STATE(rs, 5 * HZ, 1);\n\n\tfold(&rs);",
    "bitmap": "DECLARE_BITMAP(map, SUBSECTIONS(3)) = { 0 };\n\tDECLARE_BITMAP(tmp, 4);\n\n\tfold(map);",
    "statement expression": "n = ({ int x = 1; x; }) ?: 2;",
    "jump as argument": "CHECK(page, return);\n\tCHECK(page, goto, continue);",
    "joined strings": 'pr_info("a" __stringify(X) "b" PRIu64 "c");\n\tprintk(KERN_INFO PFX "d" FOLD(x) "e");',
    "quotes and braces in literals": "fold(\"}{\\\"(\", '{', '\\'', '\"');",
    "comment with code": "/* list_for_each( { */\n\tfold(); // } {",
    "pasted number": "if (tg3_flag(tp, 5705_PLUS))\n\t\tfold();",
    "trailing comma": "fold(a,\n\t\tb,\n\t);",
    "statements as argument": "nvkm_msec(device, 2000,\n\t\tif (!(rd32(device) & 1))\n\t\t\tbreak;\n\t);",
    "expressions with semicolons as argument": "DLM_ASSERT(lkb, print(lkb););",
    "operator as argument": "fold_assert(a, ==, b);",
    "designators as arguments": "n = X86_CONFIG(.event=0xc0, .inv=1);",
    "list as argument": "rc = send_seq(priv, {0x20, 0x00});",
    "declaration in a macro": "DEB(int i);\n\n\tfold(i);",
    "statement in a macro": 'DEB(if (x)\n\t\tprintk("a"));',
    "condition without parentheses": "if time_after(a, b)\n\t\tfold();",
    "invocation without semicolon": "FOLD_REGS()\n\tMORE_REGS(a, b)\n\tfold();",
    "type argument of another sizeof": "n = hxg_sizeof(struct fold) * sizeof(struct page);",
    "unnamed bit-field": "struct {\n\t\tu32 a : 8;\n\t\tu32 : 24;\n\t} f;\n\n\tfold(&f);",
    "attribute on its own line": "char buf[16] __attribute__\n\t\t((aligned(8)));\n\n\tfold(buf);",
    "formatted prefix": 'printk(KERN_DEBUG pr_fmt("a"), b);',
    "last invocation without semicolon": "FOLD(a)\n\tfold();\n\tPOSTAMBLE",
    "empty argument": "n = FIND(a & b, /* none */, size);\n\tFOLD(, add, +=);",
    "two macros as one string": "printk(KERN_DEFAULT CUT_HERE);",
    "annotation inside a declaration": "int __outvar n;\n\n\tfold(&n);",
    "unknown local annotation": "static char result[9] __prombss;\n\n\tfold(result);",
    "statements in arms": "#ifdef CONFIG_FOLD\n\tfold();\n#else\n\tmore();\n#endif\n\tlast();",
    "condition in arms": "if (a\n#ifdef CONFIG_FOLD\n\t    && b\n#endif\n\t   )\n\t\tfold();",
    "two heads of one if": "#ifdef CONFIG_FOLD\n\tif (a)\n#else\n\tif (b)\n#endif\n\t\tfold();",
    "else at the end of an arm": "#ifdef CONFIG_FOLD\n\tif (a)\n\t\tfold();\n\telse\n#endif\n\t\tmore();",
    "else behind an endif": "if (a) {\n\t}\n#ifdef CONFIG_FOLD\n\telse if (b)\n\t\tmore();\n#endif\n\telse\n\t\tc();",
    "brace in arms": "#ifdef CONFIG_FOLD\n\tif (a) {\n#else\n\t{\n#endif\n\t\tfold();\n\t}",
    "case in arms": "switch (a) {\n\tcase 1:\n#ifdef CONFIG_FOLD\n\tcase 2:\n#endif\n\t\tfold();\n\t}",
    "initialiser in arms": "int n[] = {\n\t\t1,\n#ifdef CONFIG_FOLD\n\t\t2,\n#endif\n\t};\n\n\tfold(n);",
    "iterator at the start of an arm": "#ifdef CONFIG_FOLD\n\tfor_each_node(n) {\n\t\tfold(n);\n\t}\n#endif",
    "macro of one letter": "F(x) {\n\t\tfold();\n\t}",
    "label before arms": "out:\n#ifdef CONFIG_FOLD\n\tfold();\n#endif\n\treturn;",
    "define inside": "#define FOLD(x) do { \\\n\tfold(x); \\\n} while (0)\n\tFOLD(1);\n#undef FOLD\n\tmore();",
    "field with an annotation's name": "iph.frag.__unused = 0;\n\tp->__unused = 1;",
}


def only(text: str) -> FunctionSource:
    functions = SourceFile("mm/fold.c", text.encode()).functions
    assert len(functions) == 1, functions
    return functions[0]


def nodes(function: FunctionSource, kind: str) -> list[Node]:
    found: list[Node] = []
    pending = [function.node]
    while pending:
        node = pending.pop(0)
        pending += node.children
        if node.type == kind:
            found.append(node)
    return found


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_a_header_is_read(header: str) -> None:
    function = only(f"int before;\n\n{header}\n{{\n\tfold();\n}}\n")
    assert not function.damaged
    assert function.body.type == "compound_statement"
    assert function.name in {"fold_setup", "drop", "fold", "copy", "try", "walk", "ctor"}
    assert function.node.child_by_field_name("declarator") is not None


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_is_read_in_place(body: str) -> None:
    text = f"static int fold_one(struct page *page)\n{{\n\t{body}\n}}\n"
    function = only(text)
    assert not function.damaged
    assert function.end_byte == len(text) - 1
    calls = [function.source(node) for node in nodes(function, "call_expression")]
    assert all(re.match(rb"[\w(]", call) for call in calls)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_whole_file_keeps_length_and_lines(body: str) -> None:
    source = SourceFile("mm/fold.c", f"static int fold_one(struct page *page)\n{{\n\t{body}\n}}\n".encode())
    assert len(source.normalised) == len(source.text)
    assert newlines(source.normalised) == newlines(source.text)
    assert not source.tree.root_node.has_error


def newlines(text: bytes) -> list[int]:
    return [at for at, char in enumerate(text) if char == 0x0A]


C_PIECES = st.lists(
    st.sampled_from(
        [
            b"{", b"}", b"(", b")", b";", b",", b"\n", b"\n}", b"\n{\n", b" ", b"\t", b"*", b"=", b'"', b"'",
            b"\\", b"/*", b"*/", b"//", b"\n#if 0\n", b"\n#ifdef CONFIG_X\n", b"\n#else\n", b"\n#elif A\n",
            b"\n#endif\n", b"\n#define X(a) a\\\n", b"static int f(void)", b"for_each_vma(vmi, vma)",
            b"struct page *p", b"__free(kfree)", b"typeof(x)", b"asm goto(",
            b"SYSCALL_DEFINE2(a, int, b, long, c)", b"case 1 ... 2:", b"else", b"do", b"return",
            b"DECLARE_BITMAP(a, 3)", b"0x5", b"5_A",
            b"\tF(x) {", b"\tG()\n\tf();", b"min_t(unsigned long, a, b)", b"__attribute__((x))",
            b"DEFINE_PER_CPU(int, x)", b"...", b".a = 1", b"MODULE_X(y)\n",
        ]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


@given(st.one_of(st.binary(max_size=200), C_PIECES))
@settings(max_examples=300, deadline=None)
def test_normalise_takes_anything_and_moves_nothing(text: bytes) -> None:
    normal = normalise(text)
    assert len(normal) == len(text)
    assert newlines(normal) == newlines(text)


@given(C_PIECES)
@settings(max_examples=300, deadline=None)
def test_functions_of_anything_are_read_or_reported(text: bytes) -> None:
    source = SourceFile("mm/any.c", text)
    for function in source.functions:
        assert len(function.parsed.text) == len(function.text)
        assert newlines(function.parsed.text) == newlines(function.text)
        assert function.start_line <= function.name_line <= function.end_line
        assert function.damaged or function.body.type == "compound_statement"
        assert isinstance(function.params, tuple)
        assert isinstance(function.returns, str)
    assert len(source.unread) == sum(function.damaged for function in source.functions)
    assert len(source.normalised) == len(text)


def test_deeply_nested_conditionals_do_not_exhaust_the_stack() -> None:
    source = SourceFile("mm/deep.c", b"#if A\n" * 5000 + b"int f(void)\n{\n}\n" + b"#endif\n" * 5000)
    assert source.function("f") is not None
    assert len(normalise(source.text)) == len(source.text)
