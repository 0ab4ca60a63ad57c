"""One report with everything in it that a writer must survive: several origins, steps, suppressions, hostile text."""

# ruff: noqa: E101, W291, W293 (a diff and kernel code stand in here as they are)
from __future__ import annotations

from mmlint.finding import (
    Confidence,
    Finding,
    InputError,
    Mail,
    Origin,
    PatchRef,
    Report,
    Severity,
    Simulation,
    Stats,
    Step,
    Suppressed,
)

SOURCE = """\
static int copy_one(struct mm_struct *dst, struct mm_struct *src, pmd_t *pmd, unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(src, pmd, addr, &ptl);
	struct folio *folio;

	/* \x1b]0;owned\x07 a comment that tries to set the title */
	folio = folio_alloc(GFP_KERNEL, 0);
	pte_unmap_unlock(pte, ptl);
	return folio ? 0 : -ENOMEM;
}
""".splitlines()

HOSTILE = 'evil\x1b[31m <b>&"]]>\u202e% ::error::\n```\nname'

PATCH = PatchRef(2, 3, "mm: allocate where it hürts", "20261101.2-abc@example.org")

DIFF = """\
diff --git a/mm/demo.c b/mm/demo.c
index 1111111..2222222 100644
--- a/mm/demo.c
+++ b/mm/demo.c
@@ -3,8 +3,9 @@ static int copy_one(struct mm_struct *dst, struct mm_struct *src)
 	spinlock_t *ptl;
 	pte_t *pte = pte_offset_map_lock(src, pmd, addr, &ptl);
 	struct folio *folio;
 
-	folio = NULL;
+	/* \x1b]0;owned\x07 a comment that tries to set the title */
+	folio = folio_alloc(GFP_KERNEL, 0);
 	pte_unmap_unlock(pte, ptl);
 	return folio ? 0 : -ENOMEM;
 }
-- 
2.47.0
"""


def simulation(code: str) -> Simulation:
    """A proof as a rule records it."""
    command = f"mmlint sim {code} --schedule aab"
    return Simulation("S12", "aab", "tests/sim/test_scenarios.py::test_bad_breaks[S12]", command)


def sleeping(**changes: object) -> Finding:
    """The main finding: an allocation below a lock, with the lock and another file as steps."""
    values: dict[str, object] = {
        "code": "PTL901",
        "name": "sleep-below-lock",
        "severity": Severity.ERROR,
        "confidence": Confidence.HIGH,
        "message": "`folio_alloc(GFP_KERNEL)` may sleep while the page-table lock is held",
        "path": "mm/demo.c",
        "line": 8,
        "column": 10,
        "end_line": 8,
        "function": "copy_one",
        "origin": Origin.NEW,
        "simulation": simulation("PTL901"),
        "steps": (
            Step("mm/demo.c", 4, "page-table lock taken here"),
            Step("include/linux/demo.h", 12, "allocates with the caller's mask"),
        ),
        "patch": PATCH,
        "anchor": "folio_alloc(GFP_KERNEL, 0)",
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def report() -> Report:
    """The report."""
    hostile = sleeping(
        code="REF901",
        name="hostile-names",
        severity=Severity.WARNING,
        confidence=Confidence.LOW,
        message=HOSTILE,
        path="mm/we ird,%\udcff.c",
        line=3,
        column=1,
        end_line=5,
        function="",
        steps=(),
        notes=("only the hunks were read",),
        anchor="x",
    )
    before = sleeping(origin=Origin.PRE_EXISTING, line=9, column=2, steps=(), anchor="y", severity=Severity.INFO)
    silenced = sleeping(line=4, column=15, steps=(), anchor="z")
    return Report(
        findings=[sleeping(), before, hostile],
        errors=[InputError("mails/broken.mbox", "hunk 2 ends early; fetch the mail again", 17)],
        notes=["[PATCH 0/3]: cover letter, nothing to check"],
        fixed=[sleeping(origin=Origin.FIXED, line=20, anchor="w", steps=())],
        stats=Stats(files=2, functions=7, functions_unread=1, seconds=0.25),
        sources={"mm/demo.c": SOURCE},
        mails=[
            Mail(
                PATCH,
                subject=f"[PATCH v2 2/3] {PATCH.subject}",
                author="Jörg Tester <joerg@example.org>",
                date="Sun, 1 Nov 2026 10:00:00 +0100",
                to=("linux-mm@example.org",),
                cc=("Other <other@example.org>\nBcc: victim@example.org",),
                references=("cover-letter@example.org",),
                diff=DIFF,
            )
        ],
        suppressed=[
            Suppressed(silenced, "inline", "freed below", "mm/demo.c:3"),
            Suppressed(silenced, "baseline", "known before", "mmlint-baseline.json"),
        ],
    )
