"""What hunks alone carry: protocols that the lines around them, or the tables, tell of functions that are not shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mmlint.api import check_patches
from mmlint.settings import Settings

Found = set[tuple[str, str, str]]

REUSE = """\
diff --git a/mm/memory.c b/mm/memory.c
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -2900 +2900 @@ static vm_fault_t do_wp_page(struct vm_fault *vmf)
 \t * Private memory.
 \t */
 \tif (PageAnon(vmf->page)) {
-\t\tif (count_is_one(vmf))
-\t\t\tgoto reuse;
+\t\tstruct page *page = vmf->page;
+
+\t\tif (!trylock_page(page))
+\t\t\tgoto copy;
FIRST
SECOND
+\t\treturn 0;
 \t}
 \treturn wp_page_shared(vmf);
 }
"""
SHARE = """\
diff --git a/mm/memory.c b/mm/memory.c
--- a/mm/memory.c
+++ b/mm/memory.c
@@ -680 +680 @@ struct page *other_lookup(struct vm_area_struct *vma, unsigned long addr)
 }
 #endif

+static RETURNS early_copy(pte_t *newpte, struct vm_area_struct *vma, unsigned long addr, struct page *page)
+{
+\tstruct page *copy = alloc_page_vma(GFP_NOWAIT, vma, addr);
+
+\tif (!copy)
+\t\treturn FAILS;
+\t*newpte = pte_mkdirty(mk_pte(copy, vma->vm_page_prot));
+\treturn DONE;
+}
+
 /*
  * Copy one entry.
  */
@@ -790 +800 @@ copy_one_pte(struct mm_struct *dst_mm, struct mm_struct *src_mm,
 \t\tpte = pte_clear_uffd_wp(pte);

 \twp = is_cow_mapping(vm_flags) && pte_write(pte);
 \tpage = vm_normal_page(vma, addr, pte);
 \tif (page) {
 \t\tget_page(page);
 \t\tpage_dup_rmap(page, false);
 \t\trss[mm_counter(page)]++;
USES
 \t}

 out_set_pte:
"""
LIFTED = """\
+\t\tif (wp && page_maybe_dma_pinned(page) && early_copy(&pte, vma, addr, page))
+\t\t\twp = false;"""
PASSED = """\
+\t\tif (wp && READ_ONCE(src_mm->has_pinned) && page_maybe_dma_pinned(page)) {
+\t\t\tput_page(page);
+\t\t\treturn early_copy(&pte, vma, addr, page);
+\t\t}"""
STUB = """\
diff --git a/include/linux/userfaultfd_k.h b/include/linux/userfaultfd_k.h
--- a/include/linux/userfaultfd_k.h
+++ b/include/linux/userfaultfd_k.h
@@ -60 +60 @@ static inline bool first_helper(struct vm_area_struct *vma)
 \treturn vma->vm_flags & VM_MINE;
 }

-static inline bool userfaultfd_pte_wp(struct vm_area_struct *vma, pte_t pte)
+static inline bool userfaultfd_pte_wp(struct vm_fault *vmf, pte_t pte)
 {
 \treturn asked(pte);
 }
"""
OTHER_ARM = """\
@@ -120 +120 @@ static inline bool first_helper(struct vm_area_struct *vma)
 \treturn false;
 }

-static inline bool userfaultfd_pte_wp(struct vm_area_struct *vma, pte_t pte)
+static inline bool userfaultfd_pte_wp(struct vm_fault *vmf, pte_t pte)
 {
 \treturn false;
 }
"""
WALKS = """\
diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -430 +430 @@ static struct page *follow_page_pte(struct vm_area_struct *vma,
 \t}
 \tif (pte_protnone(pte))
 \t\tgoto no_page;
-\tif ((flags & FOLL_WRITE) && !pte_write(pte)) {
+\tif ((flags & (FOLL_WRITE | FOLL_PIN)) && !pte_write(pte)) {
 \t\tpte_unmap_unlock(ptep, ptl);
 \t\treturn NULL;
 \t}
"""
FAST = """\
@@ -2146 +2146 @@ static int gup_pte_range(pmd_t pmd, unsigned long addr, unsigned long end,
 \t\tif (pte_protnone(pte))
 \t\t\tgoto pte_unmap;

-\t\tif (!pte_access_permitted(pte, flags & FOLL_WRITE))
+\t\tif (!pte_access_permitted(pte, flags & (FOLL_WRITE | FOLL_PIN)))
 \t\t\tgoto pte_unmap;

 \t\tif (pte_devmap(pte)) {
"""


def counted(diff: str) -> str:
    """The diff with the counts in its hunks' headers and the space on blank lines, which are left out here."""
    out = []
    for piece in re.split(r"(?m)^(?=@@ |diff )", diff):
        if piece.startswith("@@ "):
            lines = [line or " " for line in piece.splitlines()]
            old, new = (sum(line[0] in (" ", sign) for line in lines[1:]) for sign in "-+")
            lines[0] = re.sub(r"^@@ -(\d+) \+(\d+) @@", rf"@@ -\1,{old} +\2,{new} @@", lines[0])
            piece = "".join(f"{line}\n" for line in lines)
        out.append(piece)
    return "".join(out)


def reported(diff: str, codes: str, tmp_path: Path) -> Found:
    """Code, function and confidence of what is new and of these codes."""
    path = tmp_path / "hunks.diff"
    path.write_text(counted(diff), encoding="utf-8")
    report = check_patches([str(path)], Settings(preview=True))
    assert not report.errors
    return {(f.code, f.function, f.confidence.value) for f in report.findings if f.code in codes}


def reuse(first: str, second: str) -> str:
    return REUSE.replace("FIRST", f"+\t\t{first};").replace("SECOND", f"+\t\t{second};")


def share(kind: str, fails: str, done: str, uses: str) -> str:
    return SHARE.replace("RETURNS", kind).replace("FAILS", fails).replace("DONE", done).replace("USES", uses)


def test_the_page_of_a_fault_is_kept_by_its_entry_alone(tmp_path: Path) -> None:
    bad = reuse("wp_page_reuse(vmf)", "unlock_page(page)")
    assert reported(bad, "PTL108", tmp_path) == {("PTL108", "do_wp_page", "medium")}
    assert reported(reuse("unlock_page(page)", "wp_page_reuse(vmf)"), "PTL108", tmp_path) == set()


def test_a_reference_for_sharing_stays_where_hidden_lines_cannot_tell_the_copy(tmp_path: Path) -> None:
    found = reported(share("bool", "false", "true", LIFTED), "COW109 COW111 PTL106", tmp_path)
    assert found == {("COW109", "copy_one_pte", "medium"), ("COW111", "copy_one_pte", "medium")}


def test_the_errno_of_a_helper_goes_the_way_of_a_swap_entry(tmp_path: Path) -> None:
    found = reported(share("int", "-ENOMEM", "0", PASSED), "COW109 COW111 PTL106", tmp_path)
    assert found == {("PTL106", "copy_one_pte", "medium")}


def test_other_levels_of_the_fork_copy_may_have_the_check(tmp_path: Path) -> None:
    diff = share("int", "-ENOMEM", "0", PASSED)
    assert reported(diff, "COW103", tmp_path) == {("COW103", "", "low")}
    staged = f"From: A <a@b.c>\nSubject: [PATCH] mm: copy early\n\nTHP and hugetlb follow.\n---\n{diff}"
    assert reported(staged, "COW103", tmp_path) == set()


@pytest.mark.parametrize(
    ("diff", "found"),
    [
        (STUB, {("PAT103", "", "medium")}),
        (STUB + OTHER_ARM, set()),
        (STUB.replace("userfaultfd_k", "another"), set()),
        (WALKS, {("GUP117", "", "low")}),
        (WALKS + FAST, set()),
    ],
    ids=["one arm", "both arms", "a header with one arm", "one walk", "both walks"],
)
def test_what_has_a_counterpart_changes_with_it(diff: str, found: Found, tmp_path: Path) -> None:
    assert reported(diff, "PAT103 GUP117", tmp_path) == found


LOOK_UP = """\
diff --git a/PATH b/PATH
--- a/PATH
+++ b/PATH
@@ -10,0 +10,20 @@
+int demo_begin(struct address_space *mapping, pgoff_t index, gfp_t gfp)
+{
+\tstruct folio *folio;
+\tint status;
+
+\tfolio = __filemap_get_folio(mapping, index, FGP_LOCK, gfp);
+\tif (FAILED) {
+\t\tstatus = -ENOMEM;
+\t\tgoto out;
+\t}
+\tstatus = demo_read(folio);
+\tif (status)
+\t\tgoto out_unlock;
+\treturn 0;
+out_unlock:
+\tfolio_unlock(folio);
+\tfolio_put(folio);
+out:
+\treturn status;
+}
"""
FREEZE = """\
diff --git a/PATH b/PATH
--- a/PATH
+++ b/PATH
@@ -10,0 +10,5 @@
+static void demo_init(struct folio *folio)
+{
+\tfolio_ref_freeze(folio, 1);
+\tdemo_use(folio);
+}
"""
BIAS = """\
diff --git a/PATH b/PATH
--- a/PATH
+++ b/PATH
@@ -10,0 +10,4 @@
+void demo_add_pin(struct folio *folio)
+{
+\tfolio_ref_add(folio, GUP_PIN_COUNTING_BIAS);
+}
"""


@pytest.mark.parametrize(
    ("diff", "path", "codes", "found"),
    [
        (LOOK_UP.replace("FAILED", "!folio"), "fs/demo/io.c", "REF114", 0),
        (FREEZE, "mm/demo.c", "REF104", 1),
        (FREEZE, "mm/tests/demo_kunit.c", "REF104", 0),
        (BIAS, "drivers/demo/pin.c", "REF102", 1),
        (BIAS, "mm/gup.c", "REF102", 0),
    ],
    ids=[
        "how it fails is the release's matter",
        "freeze",
        "freeze in a unit test",
        "bias",
        "bias where pins are counted",
    ],
)
def test_what_the_release_or_the_file_must_tell(diff: str, path: str, codes: str, found: int, tmp_path: Path) -> None:
    assert len(reported(counted(diff.replace("PATH", path)), codes, tmp_path)) == found
