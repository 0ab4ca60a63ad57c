"""Functions and files that no person writes: one line changes in a very long function, thousands of functions change.

Each of these took from half a minute to minutes before what it needs was looked up once, or its analysis was bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mmlint import api
from mmlint.facts.program import Program
from mmlint.inputs.apply import apply
from mmlint.inputs.read import read_patches
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.settings import Settings

from tests.test_wide_patches import SECONDS, checked

SLEEPS = "\tspin_lock(&l);\n\tv = kmalloc(4, GFP_KERNEL);\n\tspin_unlock(&l);\n"
OTHER = f"static void other(void)\n{{\n{SLEEPS}}}\n"
PIECES: dict[str, Callable[[int], str]] = {
    "maps": lambda i: (
        f"\tpte{i} = pte_offset_map_lock(mm, pmd, a{i}, &ptl);\n\tif (!pte{i})\n\t\tskip();\n"
        f"\telse\n\t\tpte_unmap_unlock(pte{i}, ptl);\n"
    ),
    "loads": lambda i: f"\tuse(v{i});\n\tspin_lock(&l{i % 9});\n\tv{i} = load{i}(p);\n\tspin_unlock(&l{i % 9});\n",
    "allocations": lambda i: f"\tp{i} = alloc_page(GFP_KERNEL);\n\tif (!p{i})\n\t\treturn -ENOMEM;\n",
    "jumps": lambda i: f"\tif (c{i})\n\t\tgoto l{i * 7919 % 400};\nl{i}:\n\tput_page(p{i});\n",
}
PIN = "\tr{0} = pin_user_pages_fast(a{0}, 1, FOLL_WRITE, &pg{0});\n\tif (r{0} < 0)\n\t\treturn r{0};\n"


def whole(pieces: list[str]) -> str:
    return f"static int big(struct page *p, struct mm_struct *mm)\n{{\n{''.join(pieces)}\treturn 0;\n}}\n"


@pytest.mark.parametrize(("kind", "count"), [("maps", 500), ("loads", 600), ("allocations", 500), ("jumps", 400)])
def test_a_line_of_a_very_long_function_changes(kind: str, count: int, tmp_path: Path) -> None:
    pieces = [PIECES[kind](i) for i in range(count)]
    fewer = [*pieces[: count // 2], SLEEPS, *pieces[count // 2 + (kind != "jumps") :]]
    report, seconds = checked(tmp_path, whole(pieces), whole(fewer) + OTHER)
    assert seconds < SECONDS
    assert not report.errors
    assert {"big", "other"} <= {finding.function for finding in report.findings if finding.code == "PTL101"}


def test_so_many_functions_change_that_they_are_not_compared(tmp_path: Path) -> None:
    def text(body: str) -> str:
        return "".join(f"static int f{i}(void)\n{{\n{body}\treturn f{i + 1}();\n}}\n\n" for i in range(1200))

    report, seconds = checked(tmp_path, text(""), text(SLEEPS))
    assert seconds < SECONDS
    assert report.notes == ["1200 functions change, so many that only their new states were checked"]
    assert sum(finding.code == "PTL101" for finding in report.findings) == 1200


def test_more_pins_are_held_than_an_analysis_follows(tmp_path: Path) -> None:
    file = tmp_path / "pins.c"
    file.write_text(whole([PIN.format(i) for i in range(150)]) + OTHER)
    began = time.process_time()
    report = api.check_paths([str(file)], Settings())
    assert time.process_time() - began < SECONDS
    assert "other" in {finding.function for finding in report.findings if finding.code == "PTL101"}


@pytest.mark.parametrize(
    ("text", "callers"),
    [
        (b"int f(void) { return g (); }", ["f"]),
        (b"int f(void) { return ag(); }\nint h(void) { return g; }", []),
        (b"int g(void) { return g(); }", []),
        (b"int a(void) { g(); return g(); }\nint b(void) { return !g(); }", ["a", "b"]),
    ],
)
def test_callers_are_who_names_it_with_a_parenthesis(text: bytes, callers: list[str]) -> None:
    program = Program(OverlayTree(EmptyTree(), {"mm/a.c": text}))
    assert [caller.name for caller in program.callers("g", "mm/a.c", static=True)] == callers


def test_what_stands_before_a_function_is_long() -> None:
    began = time.process_time()
    program = Program(OverlayTree(EmptyTree(), {"mm/a.c": b"x" * 400_000 + b"\n" + OTHER.encode()}))
    assert [function.name for function in program.functions("mm/a.c")] == ["other"]
    assert time.process_time() - began < SECONDS


def test_thousands_of_hunks_stand_elsewhere() -> None:
    lines = [f"int v{i};\n" for i in range(60_000)]
    hunks = (
        f"@@ -{i + 38},7 +{i + 38},7 @@\n {lines[i]} {lines[i + 1]} {lines[i + 2]}-{lines[i + 3]}+int w{i};\n"
        f" {lines[i + 4]} {lines[i + 5]} {lines[i + 6]}"
        for i in range(0, 36_000, 12)
    )
    text = f"diff --git a/mm/a.c b/mm/a.c\n--- a/mm/a.c\n+++ b/mm/a.c\n{''.join(hunks)}"
    [patch] = read_patches(text.encode(), "a.patch").patches
    began = time.process_time()
    after = apply(patch.changes[0], "".join(lines).encode())
    assert time.process_time() - began < SECONDS / 2
    assert after.count(b"int w") == 3_000
    assert after.splitlines()[12 * 2_000 + 3] == b"int w24000;"
