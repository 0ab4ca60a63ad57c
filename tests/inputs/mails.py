"""Mails and diffs written for these tests."""

from __future__ import annotations

import base64
import difflib
import os
import quopri
from pathlib import Path

import pytest

OLD = """#include <linux/mm.h>

static void demo_put(struct page *page)
{
\tput_page(page);
}

static int demo_walk(struct vm_area_struct *vma, unsigned long addr,
\t\t     struct page **pages)
{
\tspinlock_t *ptl;
\tpte_t *pte;
\tint nr = 0;

\tpte = pte_offset_map_lock(vma->vm_mm, pmd, addr, &ptl);
\tif (!pte)
\t\treturn -EAGAIN;

\tdo {
\t\tif (pte_none(*pte))
\t\t\tcontinue;
\t\tpages[nr++] = pte_page(*pte);
\t} while (pte++, addr += PAGE_SIZE, addr != end);

\tpte_unmap_unlock(pte - 1, ptl);
\treturn nr;
}

int demo_end(void)
{
\treturn 0;
}
"""
NEW = OLD.replace(
    "\t\tpages[nr++] = pte_page(*pte);\n", "\t\tpages[nr] = pte_page(*pte);\n\t\tget_page(pages[nr++]);\n"
)
NEWER = NEW.replace("\treturn 0;\n", "\treturn 1;\n")


def make_diff(old: str, new: str, path: str = "mm/demo.c", context: int = 3) -> str:
    """A git diff between two texts, with the function names that git puts behind `@@`."""
    lines = difflib.unified_diff(old.splitlines(True), new.splitlines(True), f"a/{path}", f"b/{path}", n=context)
    rows = [row if row.endswith("\n") else row + "\n\\ No newline at end of file\n" for row in lines]
    source = old.splitlines()
    for at, row in enumerate(rows):
        if row.startswith("@@"):
            start = int(row.split()[1][1:].split(",")[0])
            named = [line for line in source[: max(start - 1, 0)] if line[:1].isalpha()]
            rows[at] = row.rstrip("\n") + (f" {named[-1][:80]}" if named else "") + "\n"
    return f"diff --git a/{path} b/{path}\nindex 1111111..2222222 100644\n" + "".join(rows)


DIFF = make_diff(OLD, NEW)
CHANGELOG = "Take a reference on every page that is handed out.\n\nSigned-off-by: A Coder <a@example.org>\n"


def make_mail(
    subject: str = "[PATCH] mm/demo: take references",
    diff: str = DIFF,
    message_id: str = "one@example.org",
    reply_to: str = "",
    body: str = CHANGELOG,
    extra: str = "",
) -> bytes:
    """A patch mail as git send-email sends it."""
    thread = f"In-Reply-To: <{reply_to}>\nReferences: <{reply_to}>\n" if reply_to else ""
    head = (
        f"From: A Coder <a@example.org>\nTo: linux-mm@example.org\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n"
        f"Message-ID: <{message_id}>\n{thread}Subject: {subject}\n{extra}\n"
    )
    return (head + body + ("---\n mm/demo.c | 3 ++-\n\n" + diff + "-- \n2.43.0\n\n" if diff else "")).encode()


def make_mbox(*mails: bytes) -> bytes:
    """An mboxrd file of mails."""
    out = b""
    for mail in mails:
        quoted = b"\n".join(b">" + row if row.lstrip(b">").startswith(b"From ") else row for row in mail.split(b"\n"))
        out += b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + quoted + b"\n"
    return out


def reencode(mail: bytes, encoding: str) -> bytes:
    """The same mail with its body in quoted-printable or base64."""
    head, _, body = mail.partition(b"\n\n")
    coded = quopri.encodestring(body) if encoding == "quoted-printable" else base64.encodebytes(body)
    return (
        head + f"\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n".encode() + coded
    )


def shared(name: str) -> Path:
    """A file of the shared data beside the repository (or MMLINT_SHARED); skips the test without it."""
    root = Path(os.environ.get("MMLINT_SHARED") or Path(__file__).resolve().parents[3] / "shared")
    if not (root / name).exists():
        pytest.skip(f"no {name} in MMLINT_SHARED or ../shared")
    return root / name
