"""Real fixes taken back: does the rule set see the bug? `fixes.py ARCHIVE... --tree DIR [--scopes FILE] [--out DIR]`.

Of the mails of the archives (mbox, mbox.gz, public-inbox v2) it takes those that say `Fixes:`, touch no more than four
files, and change a line with a word of memory management, a lock or an RCU section (or a file of mm/). A fix that the
tree has already is taken back, and what that does is checked as a patch of its own, without the text of the mail. A
bug that comes back has to be found; nothing is known about the bugs that are no concern of mmlint's, so `--scopes`
names those that are: lines of message id, scope (`in` or `out`), kind, and the subject, with tabs. `--out` writes each
reversed fix and its mail, `--missed` lists what is in scope and not found.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import lists
from mmlint import api
from mmlint.finding import Origin, Report, Severity
from mmlint.inputs import read
from mmlint.inputs.apply import Placed, place, undo
from mmlint.inputs.model import Patch
from mmlint.inputs.tree import FolderTree
from mmlint.patches import PatchRun
from mmlint.settings import Settings

FILES = 4
OURS = re.compile(r"(?:mm|virt/kvm|fs/proc|kernel/events|io_uring|drivers/dax)/|arch/\w+/(?:mm|kvm)/|fs/dax\.c$")
WORDS = re.compile(
    rb"\b(?:folio|page|pte|pmd|pud|vma|mmap|get_user_pages|pin_user|ptl|hugetlb|migrat|swap|tlb|memcg|fault"
    rb"|rcu_read|(?:spin|read|write|mutex)_(?:un)?lock|GFP_)\w*"
)
LOUD = (Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True)
class Fix:
    """A fix that the tree has: its mail and the patch that takes it back."""

    message_id: str
    subject: str
    mail: bytes
    undone: Patch


def fixes(archives: Iterable[Path], tree: FolderTree) -> Iterator[Fix]:
    """Each fix once: another version, or another list's copy, is the same fix."""
    seen: set[str] = set()
    for archive in archives:
        for raw in lists.raw_mails(archive):
            if b"Fixes:" not in raw.data:
                continue
            for patch in read.read_raw(raw, archive.name).patches:
                subject, content = patch.subject.lower(), _content(patch)
                if not concerns(patch) or subject in seen or content in seen or place(patch, tree).how != "already":
                    continue
                seen |= {subject, content}
                bare = replace(undo(patch), subject="simplify", mail_subject="simplify", body="", comment="")
                yield Fix(patch.message_id, patch.mail_subject, raw.data, bare)


def concerns(patch: Patch) -> bool:
    """Whether it calls itself a fix, is small and may be about memory management."""
    paths = [change.path for change in patch.changes]
    if "Fixes:" not in patch.body or not 0 < len(paths) <= FILES or not any(p.endswith((".c", ".h")) for p in paths):
        return False
    return any(OURS.match(path) for path in paths) or any(WORDS.search(line) for line in _changed(patch))


def _changed(patch: Patch) -> Iterator[bytes]:
    return (text for change in patch.changes for hunk in change.hunks for tag, text in hunk.lines if tag in "+-")


def _content(patch: Patch) -> str:
    return hashlib.sha256(b"\n".join(_changed(patch))).hexdigest()


# ------------------------------------------------------------------- checking

_tree: FolderTree


def check(fix: Fix) -> list[str]:
    """What the rules say of the bug that comes back, at warning or error."""
    placed = place(fix.undone, _tree)
    report = Report()
    PatchRun(api.selected(Settings()), report).placed(fix.undone, Placed(_tree, placed.after, "applied"))
    new = [found for found in report.findings if found.origin == Origin.NEW and found.severity in LOUD]
    return [f"{found.path}:{found.line} {found.code} {found.message}" for found in new]


def read_scopes(path: Path) -> dict[str, tuple[str, str]]:
    """Scope and kind by message id."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {row[0]: (row[1], row[2]) for row in rows}


def write(out: Path, number: int, fix: Fix) -> None:
    """The fix as it was sent, for the reader of a miss."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{number:04d}.fix").write_bytes(fix.mail)


def main() -> int:
    global _tree
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--tree", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--scopes", type=Path, help="which fixes are mmlint's concern")
    parser.add_argument("--out", type=Path, help="write each fix's mail here")
    parser.add_argument("--missed", action="store_true", help="list the fixes in scope that nothing is said about")
    given = parser.parse_args()
    _tree = FolderTree(given.tree)
    found = list(fixes(given.archives, _tree))
    scopes = read_scopes(given.scopes) if given.scopes else {}
    with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
        said = pool.map(check, found, chunksize=2)
    counts: Counter[tuple[str, str, bool]] = Counter()
    for number, (fix, findings) in enumerate(zip(found, said, strict=True), 1):
        scope, kind = scopes.get(fix.message_id, ("not read", ""))
        counts[scope, kind, bool(findings)] += 1
        if given.out:
            write(given.out, number, fix)
        if given.missed and scope != "out" and not findings:
            print(f"{number:04d} {scope} <{fix.message_id}> {fix.subject}")
    show(counts)
    return 0


def show(counts: Counter[tuple[str, str, bool]]) -> None:
    """Fixes and how many of them were found when taken back, by scope and kind."""
    for scope in sorted({scope for scope, _, _ in counts}):
        for kind in sorted({kind for where, kind, _ in counts if where == scope}):
            good, bad = counts[scope, kind, True], counts[scope, kind, False]
            print(f"{scope:9} {kind:12} {good} of {good + bad} found ({good / (good + bad):.0%})")
        good = sum(n for (where, _, hit), n in counts.items() if where == scope and hit)
        bad = sum(n for (where, _, hit), n in counts.items() if where == scope and not hit)
        print(f"{scope:9} {'all':12} {good} of {good + bad} found ({good / (good + bad):.0%})")


if __name__ == "__main__":
    sys.exit(main())
