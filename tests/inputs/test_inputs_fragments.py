from __future__ import annotations

import pytest
from mmlint.inputs.fragments import fragments, shown
from mmlint.inputs.model import FileChange
from mmlint.inputs.read import read_patches
from mmlint.source.file import SourceFile

from tests.inputs.mails import make_diff

SOURCE = """// SPDX-License-Identifier: GPL-2.0
/*
 * A driver in kernel style with everything
 * that hunks begin and end in.
 */
#include <linux/mm.h>

#define for_each_demo(pos, head)\t\t\\
\tfor ((pos) = (head)->first; (pos);\t\\
\t     (pos) = (pos)->next)

struct demo {
\tstruct demo *next;
\tspinlock_t lock;\t/* guards count */
\tunsigned int count;
#ifdef CONFIG_DEMO
\tunsigned long flags;
#endif
};

enum demo_state {
\tDEMO_IDLE,
\tDEMO_BUSY,
\tDEMO_DEAD,
};

static const struct file_operations demo_fops = {
\t.owner\t\t= THIS_MODULE,
\t.open\t\t= demo_open,
\t.release\t= demo_release,
};

static int demo_fault(struct vm_fault *vmf, struct demo *demo,
\t\t      unsigned long addr, gfp_t gfp)
{
\tstruct page *page = NULL;
\tint ret = 0, i;

\t/*
\t * The lock keeps the entry
\t * from going away.
\t */
\tspin_lock(&demo->lock);
\tif (demo->count > 1 &&
\t    !pte_none(vmf->orig_pte)) {
\t\tret = -EBUSY;
\t\tgoto out_unlock;
\t} else if (demo->count == 1) {
\t\tret = demo_one(demo, addr,
\t\t\t       gfp);
\t} else {
\t\tret = demo_none(demo);
\t}

\tswitch (ret) {
\tcase -EAGAIN:
\t\tspin_unlock(&demo->lock);
\t\tcond_resched();
\t\tbreak;
\tcase 0: {
\t\tint nr = 1;

\t\tpage = demo_page(demo, nr);
\t\tbreak;
\t}
\tdefault:
\t\tgoto out_unlock;
\t}

\tdo {
\t\tif (!page)
\t\t\tcontinue;
\t\tget_page(page);
\t\tpage = demo_next(page);
\t} while (page);

#ifdef CONFIG_DEMO
\tif (demo->flags & 1)
\t\tdemo_flag(demo);
\telse
\t\tdemo_clear(demo);
#else
\tdemo_clear(demo);
#endif

\tfor (i = 0; i < 10; i++) {
\t\tstruct demo *pos;

\t\tfor_each_demo(pos, demo) {
\t\t\tif (pos->count)
\t\t\t\tdemo_put(pos);
\t\t}
\t}

\tret = page ? demo_map(vmf, page,
\t\t\t      demo->count)
\t\t   : -ENOMEM;
out_unlock:
\tspin_unlock(&demo->lock);
\treturn ret;
}

static inline void demo_put(struct demo *demo)
{
\tif (refcount_dec_and_test(&demo->count))
\t\tkfree(demo);
}

static int
demo_mmap(struct file *file, struct vm_area_struct *vma)
{
\tstruct demo *demo = file->private_data;
\tstruct range range = {
\t\t.start = vma->vm_start,
\t\t.end = vma->vm_end,
\t};

\tif (!demo)
\t\treturn -ENODEV;
\tpr_info("mapping %lx of "
\t\t"%d pages\\n", range.start,
\t\tdemo->count);

\tvma->vm_ops = &demo_vm_ops;
\treturn 0;
}

EXPORT_SYMBOL_GPL(demo_mmap);
"""
DRIVER = SOURCE.split("\n")


def change_at(lines: list[int], context: int, rows: list[str] = DRIVER) -> FileChange:
    """A patch that adds a blank to each of the given lines."""
    new = list(rows)
    for line in sorted(lines, reverse=True):
        new[line - 1] = " " + row if (row := new[line - 1]).endswith("\\") else row + "\t"
    diff = make_diff("\n".join(rows), "\n".join(new), "drivers/demo.c", context)
    found = read_patches(diff.encode(), "in")
    assert found.errors == []
    return found.patches[0].changes[0]


def check_lines(change: FileChange) -> None:
    """Every shown line stands at its number on both sides, and nothing but what we add stands elsewhere."""
    for old, text, ranges in zip((True, False), fragments(change), shown(change), strict=True):
        rows = text.split(b"\n")
        for hunk in change.hunks:
            for tag, before, after, line in hunk.numbered():
                if tag != ("+" if old else "-") and not line.lstrip().startswith(b"#") and not line.endswith(b"\\"):
                    assert line.strip() in rows[(before if old else after) - 1]
        inside = {n for low, high in ranges for n in range(low, high + 1)}
        for number, row in enumerate(rows, 1):
            if row and number not in inside:
                assert b"touched" not in row


@pytest.mark.parametrize("context", [1, 2, 3, 5])
@pytest.mark.parametrize("line", range(11, len(DRIVER)))
def test_a_hunk_anywhere_is_readable_c(line: int, context: int) -> None:
    change = change_at([line], context)
    check_lines(change)
    for text in fragments(change):
        file = SourceFile("drivers/demo.c", text)
        assert [f.name for f in file.functions if f.damaged] == [], text.decode().strip()


@pytest.mark.parametrize("step", [9, 14, 23, 31])
@pytest.mark.parametrize("context", [1, 3])
def test_many_hunks_are_readable_c(step: int, context: int) -> None:
    for first in range(11, 11 + step, 4):
        change = change_at(list(range(first, len(DRIVER) - 1, step)), context)
        check_lines(change)
        for text in fragments(change):
            file = SourceFile("drivers/demo.c", text)
            assert [f.name for f in file.functions if f.damaged] == [], text.decode().strip()


def names(change: FileChange) -> list[str]:
    return [function.name for function in SourceFile("x.c", fragments(change)[1]).functions]


def test_the_function_comes_from_the_heading_cut_or_whole() -> None:
    assert names(change_at([52], 2)) == ["demo_fault"]
    text = fragments(change_at([52], 2))[1].decode()
    assert "static int demo_fault(struct vm_fault *vmf, struct demo *demo) {" in text


def test_two_hunks_of_one_function_are_one_fragment() -> None:
    change = change_at([43, 95], 2)
    assert len(change.hunks) == 2
    assert names(change) == ["demo_fault"]
    assert fragments(change)[1].count(b"mmlint_not_shown();") == 1


def test_hunks_of_different_functions_stay_apart() -> None:
    assert names(change_at([43, 104, 118], 2)) == ["demo_fault", "demo_put", "demo_mmap"]


def test_a_path_that_the_hunk_cuts_off_does_not_reach_the_end() -> None:
    text = fragments(change_at([43], 2))[1].rstrip().split(b"\n")[-1]
    assert text.endswith(b"unreachable(); } unreachable(); }")


def test_a_whole_new_file_is_left_as_it_is() -> None:
    diff = make_diff("", "\n".join(DRIVER), "drivers/demo.c").replace("--- a/drivers/demo.c", "--- /dev/null")
    change = read_patches(diff.encode(), "in").patches[0].changes[0]
    assert fragments(change) == (b"", "\n".join(DRIVER).encode())


def test_four_column_indentation_is_readable_too() -> None:
    rows = [row.expandtabs(4) for row in DRIVER]
    for line in range(36, 100, 3):
        for text in fragments(change_at([line], 2, rows)):
            assert [f.name for f in SourceFile("x.c", text).functions if f.damaged] == [], text.decode().strip()
