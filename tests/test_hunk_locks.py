"""What the rules say of a patch when there is no tree, and of files that are not the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.api import check_patches
from mmlint.settings import Settings

MINI = Path(__file__).parent.parent / "fixtures/trees/mini"
HEAD = "Subject: [PATCH] demo: change it\n\nIt has to change.\n---\n"
NEW_FUNCTION = """\
static int demo_last(struct demo *demo)
 \treturn 0;
 }
+
+static int demo_commit(struct demo *demo)
+{
+\tint rc;
+
+\tdown_read(&demo_sem);
+\trc = demo_targets(demo);
+\tif (rc)
+\t\tgoto out;
+\tdemo_write(demo);
+\tup_read(&demo_sem);
+\trc = demo_await(demo);
+out:
+\tdemo_tell(demo, rc);
+\treturn rc;
+}
"""
HALF_A_FUNCTION = """\
static int demo_commit(struct demo *demo)
 \tint rc;

 \tdown_read(&demo_sem);
 \trc = demo_targets(demo);
 \tif (rc)
 \t\tgoto out;
+\tif (demo->dead)
+\t\tgoto out;
 \tdemo_write(demo);
 \tdemo_kick(demo);
"""
TWICE = """\
static int demo_commit(struct demo *demo)
 \tdemo->targets++;
 \tdemo_write(demo);
 \tdemo_kick(demo);
 \tmutex_unlock(&demo->lock);

-\treturn 0;
+out:
+\tmutex_unlock(&demo->lock);
+\treturn rc;
 }

"""
LOWER = """\
static int demo_set(struct demo *demo, int nid)
 {
 \tint rc = 0;

-\tmutex_lock(&demo_lock);
 \tif (demo_broken) {
 \t\trc = -EIO;
 \t\tgoto out;
"""
LOWER_TAIL = """\
+\tmutex_lock(&demo_lock);
 \tdemo_default = nid;
 \tif (nid < 0)
 \t\trc = -EINVAL;
 out:
 \tmutex_unlock(&demo_lock);
 \treturn rc;
 }
"""
HALF_A_HELPER = """\
static void demo_pages_free(struct page ***pages, int nr)
 \t*pages = NULL;
 }

+struct page **demo_pin(unsigned long start, int *nr)
+{
+\tstruct page **pages = kvmalloc_array(*nr, sizeof(*pages), GFP_KERNEL);
+
+\tif (!pages)
+\t\treturn ERR_PTR(-ENOMEM);
+\t*nr = pin_user_pages_fast(start, *nr, FOLL_WRITE | FOLL_LONGTERM, pages);
+\treturn pages;
+}
+
+static void *demo_map(struct page ***into, unsigned long start, int nr)
+{
+\tstruct page **pages = demo_pin(start, &nr);
+\tvoid *addr;
+
+\tif (IS_ERR(pages))
+\t\treturn pages;
+\taddr = vmap(pages, nr, VM_MAP, PAGE_KERNEL);
+\tif (addr) {
+\t\t*into = pages;
+\t\treturn addr;
+\t}
+\tdemo_pages_free(&pages, nr);
+\treturn ERR_PTR(-ENOMEM);
+}
"""
BEHIND = """\
static int other_fill(struct demo *demo)
 \tint rc;

-\tdemo_begin(demo);
+\tspin_lock(&demo->lock);
 \trc = copy_page_range(demo->vma, demo->source);
+\tspin_unlock(&demo->lock);
 \tdemo_finish(demo);
 \treturn 0;
 }
"""
KEPT = """\
static int demo_last(struct demo *demo)
 \treturn 0;
 }
+
+int demo_charge(struct folio *folio, gfp_t gfp)
+{
+\tstruct mem_cgroup *memcg = get_mem_cgroup_from_current();
+
+\tif (demo_charge_one(folio, memcg, gfp))
+\t\treturn -ENOMEM;
+
+\tmem_cgroup_put(memcg);
+\treturn 0;
+}
"""
HIDDEN = """\
static struct folio *demo_read(swp_entry_t entry)
 \tstruct folio *folio;

-\tfolio = demo_get(entry);
+\tfolio = swap_cache_get_folio(entry);
 \tif (folio)
"""
HIDDEN_TAIL = """\
+\tif (!demo_swapped(entry))
+\t\treturn NULL;
 \tdo {
 \t\tfolio = swap_cache_get_folio(entry);
 \t\tif (folio)
 \t\t\treturn folio;
 \t\tfolio = demo_alloc(entry);
 \t} while (!folio);
 \treturn folio;
 }
"""
BY_A_FLAG = """\
int demo_enter(unsigned int fd, unsigned int flags)
+\t\tfile = demo_registered(fd);
+\t} else {
+\t\tfile = fget(fd);
+\t\tif (!file)
+\t\t\treturn -EBADF;
 \t}
 \tret = -EBADFD;
 \tif (demo_disabled(fd))
 \t\tgoto out;
 \tret = demo_run(fd);
 out:
+\tif (!(flags & DEMO_REGISTERED))
+\t\tfput(file);
 \treturn ret;
 }
"""
HANDED_ON = KEPT.replace("+\tmem_cgroup_put(memcg);\n", "")
TAKEN_BETWEEN = TWICE.replace("+out:\n", "+\tmutex_lock(&demo->lock);\n")


def at(line: int, lines: list[str], heading: str) -> str:
    """The header of a hunk with these lines."""
    old, new = (sum(each[:1] != sign for each in lines) for sign in "+-")
    return f"@@ -{line},{old} +{line},{new} @@ {heading}"


def said(hunk: str, path: str, tmp_path: Path, later: str = "") -> list[tuple[str, str]]:
    heading, *lines = (line or " " for line in hunk.splitlines())
    mail = tmp_path / "demo.patch"
    text = "\n".join([at(40, lines, heading), *lines, *([at(60, later.splitlines(), heading)] if later else [])])
    text += f"\n{later}".rstrip("\n")
    mail.write_text(f"{HEAD}diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{text}\n")
    report = check_patches([str(mail)], Settings())
    assert not report.errors
    return [(f.code, f.function) for f in report.findings]


@pytest.mark.parametrize(
    ("hunk", "code"), [(NEW_FUNCTION, "PTL104"), (TWICE, "PTL104"), (HALF_A_FUNCTION, ""), (TAKEN_BETWEEN, "")]
)
def test_locks_are_judged_where_the_lines_that_matter_are_shown(hunk: str, code: str, tmp_path: Path) -> None:
    assert said(hunk, "mm/demo.c", tmp_path) == ([(code, "demo_commit")] if code else [])


def test_a_way_round_the_lock_is_seen_where_all_of_it_is_shown(tmp_path: Path) -> None:
    assert said(LOWER, "mm/demo.c", tmp_path, LOWER_TAIL) == [("PTL104", "demo_set")]
    hidden_start = LOWER.replace(" {\n", "", 1)
    assert said(hidden_start, "mm/demo.c", tmp_path, LOWER_TAIL) == []


@pytest.mark.parametrize(("hunk", "codes"), [(KEPT, ["REF111"]), (HANDED_ON, []), (BY_A_FLAG, [])])
def test_who_fails_leaves_what_it_was_handed_with_its_caller(hunk: str, codes: list[str], tmp_path: Path) -> None:
    assert [code for code, _ in said(hunk, "mm/demo.c", tmp_path)] == codes


def test_what_is_not_shown_may_have_done_all(tmp_path: Path) -> None:
    assert said(HIDDEN, "mm/demo.c", tmp_path, HIDDEN_TAIL) == []


def test_a_helper_that_is_shown_in_part_may_give_back(tmp_path: Path) -> None:
    assert said(HALF_A_HELPER, "mm/demo.c", tmp_path) == []


def test_programs_of_the_tree_are_left_alone(tmp_path: Path) -> None:
    assert said(TWICE, "tools/testing/demo.c", tmp_path) == []


def test_a_tree_that_the_hunks_do_not_fit_tells_what_sleeps(tmp_path: Path) -> None:
    mail = tmp_path / "demo.patch"
    heading, *lines = (line or " " for line in BEHIND.splitlines())
    text = "\n".join([at(40, lines, heading), *lines])
    mail.write_text(f"{HEAD}diff --git a/mm/memory.c b/mm/memory.c\n--- a/mm/memory.c\n+++ b/mm/memory.c\n{text}\n")
    alone = check_patches([str(mail)], Settings())
    beside = check_patches([str(mail)], Settings(), tree=str(MINI))
    assert [f.code for f in alone.findings] == []
    assert [(f.code, f.function, f.confidence.value) for f in beside.findings] == [("PTL101", "other_fill", "medium")]
