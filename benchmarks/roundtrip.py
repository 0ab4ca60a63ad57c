"""The same commits in five forms must give the same findings: `roundtrip.py TREE --work DIR`.

A scratch repository with more than 200 commits is made of parts of the kernel tree (`history.py`). Each line of history
is checked as commits (`--git`), as the files of `git format-patch`, as one shuffled mbox, and as mails in
quoted-printable and base64. What is compared of every patch: origin, code, severity, confidence, fingerprint and place
of each finding, those that it fixes, and that nothing was refused. `--latency` instead times one mail at a time as a
command, against `scripts/checkpatch.pl` of TREE on the same mails.
"""

from __future__ import annotations

import argparse
import base64
import os
import quopri
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import history
from mmlint import api
from mmlint.finding import Finding, Report
from mmlint.settings import Settings
from rich.console import Console
from rich.progress import track

_ENCODING = re.compile(rb"^(?:MIME-Version|Content-Type|Content-Transfer-Encoding):.*\n", re.MULTILINE)
Verdicts = tuple[tuple[object, ...], ...]


def verdicts(report: Report) -> Verdicts:
    """What is compared of a report, in an order of its own."""

    def one(finding: Finding) -> tuple[object, ...]:
        patch = finding.patch
        where = (patch.index, patch.total) if patch else (0, 0)
        what = (finding.origin.value, finding.severity.value, finding.confidence.value, finding.path, finding.line)
        return (*where, finding.code, finding.fingerprint, *what)

    refused = [("refused", error.path, error.message) for error in report.errors]
    found = sorted((one(finding) for finding in [*report.findings, *report.fixed]), key=str)
    return (*refused, *found)


def printable(body: bytes) -> bytes:
    """The body in quoted-printable; a CR at the end of a line is written out, as git does, or it is lost on the way."""
    lines = body.split(b"\n")
    return b"\n".join(quopri.encodestring(line.removesuffix(b"\r")) + b"=0D" * line.endswith(b"\r") for line in lines)


def encoded(mail: bytes, encoding: str) -> bytes:
    """A mail of `git format-patch` with its body in a transfer encoding."""
    head, _, body = mail.partition(b"\n\n")
    charset = b"utf-8"
    try:
        body.decode()
    except UnicodeDecodeError:
        charset = b"iso-8859-1"
    coded = printable(body) if encoding == "quoted-printable" else base64.encodebytes(body)
    lines = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=" + charset
    lines += b"\nContent-Transfer-Encoding: " + encoding.encode()
    return _ENCODING.sub(b"", head + b"\n") + lines + b"\n\n" + coded


def forms(repo: Path, name: str, folder: Path) -> dict[str, list[Path]]:
    """The files of each form in which a line can be mailed."""
    for old in folder.iterdir():
        old.unlink()
    thread = ["--thread", "--cover-letter", "-v2"] if name.startswith("series") else []
    command = ["git", "-C", str(repo), "format-patch", "-q", *thread, "-o", str(folder), f"main..{name}"]
    subprocess.run(command, check=True)
    files = sorted(folder.glob("*.patch"))
    mails = [file.read_bytes() for file in files]
    random.Random(name).shuffle(mails)
    made = {"format-patch": files}
    for form, change in FORMS.items():
        made[form] = [folder / f"{form}.mbox"]
        made[form][0].write_bytes(b"".join(change(mail) + b"\n" for mail in mails))
    return made


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "shuffled": lambda mail: mail,
    "quoted-printable": lambda mail: encoded(mail, "quoted-printable"),
    "base64": lambda mail: encoded(mail, "base64"),
}


def compare(repo: Path, all_lines: list[history.Line], folder: Path) -> int:
    """Check every line in every form; prints each difference, returns how many lines differ."""
    settings = Settings()
    different, findings, commits = 0, Counter[str](), 0
    for line in track(all_lines, "lines", console=Console(stderr=True)):
        report = api.check_patches([], settings, tree=str(repo), git=f"main..{line.name}")
        wanted = verdicts(report)
        commits += len(line.commits)
        findings.update(finding.code for finding in report.findings)
        bad = False
        for form, files in forms(repo, line.name, folder).items():
            names = [str(file) for file in files]
            got = verdicts(api.check_patches(names, settings, tree=str(repo), base="main"))
            if got != wanted:
                bad = True
                print(f"{line.name}: {form} differs from --git")
                print(*(f"    - {row}" for row in wanted if row not in got), sep="\n")
                print(*(f"    + {row}" for row in got if row not in wanted), sep="\n", flush=True)
        different += bad
    lengths = Counter(len(line.commits) for line in all_lines)
    print(f"{commits} commits in {len(all_lines)} lines ({sum(n for k, n in lengths.items() if k > 1)} series)")
    print(f"kinds: {dict(Counter(commit.kind for line in all_lines for commit in line.commits))}")
    print(f"findings: {sum(findings.values())} {dict(findings.most_common())}")
    print(f"lines with a difference between the forms: {different}")
    return different


# ------------------------------------------------------------------- latency


def seconds(command: list[str], cwd: Path) -> tuple[float, float]:
    """Wall and processor seconds of a command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def latency(repo: Path, all_lines: list[history.Line], tree: Path, folder: Path) -> None:
    """Time single mails, mmlint and checkpatch in turn."""
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for line in track([x for x in all_lines if len(x.commits) == 1], "mails", console=Console(stderr=True)):
        mail = forms(repo, line.name, folder)["format-patch"][0]
        command = [sys.executable, "-m", "mmlint", "patch", str(mail), "--tree", str(repo), "--base", "main"]
        ours.append(seconds([*command, "--isolated"], tree))
        theirs.append(seconds(["perl", "scripts/checkpatch.pl", "--no-tree", str(mail)], tree))
    print(f"{len(ours)} mails, load {os.getloadavg()[0]:.1f}")
    for what, times in (("mmlint", ours), ("checkpatch", theirs)):
        for at, kind in ((0, "wall"), (1, "processor")):
            row = sorted(one[at] for one in times)
            print(
                f"{what} {kind}: median {statistics.median(row):.3f} s, 95 % {row[int(len(row) * 0.95)]:.3f} s, ",
                end="",
            )
            print(f"most {row[-1]:.2f} s")
    ratios = sorted(a[1] / b[1] for a, b in zip(ours, theirs, strict=True))
    total = sum(a[1] for a in ours) / sum(b[1] for b in theirs)
    print(f"processor time against checkpatch: median {statistics.median(ratios):.2f}, of the sums {total:.2f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="an unpacked kernel tree")
    parser.add_argument("--work", type=Path, required=True, help="a folder for the repository and the mails")
    parser.add_argument("--per-kind", type=int, default=9, help="commits for each kind of edit")
    parser.add_argument("--latency", action="store_true", help="time single mails against checkpatch instead")
    parser.add_argument("--only", default="", help="only lines whose name begins so")
    given = parser.parse_args()
    repo, folder = given.work / "repo.git", given.work / "mails"
    base = history.tree_files(given.tree)
    all_lines = history.lines(base, given.tree, given.per_kind)
    if not history.has(repo, all_lines):
        shutil.rmtree(repo, ignore_errors=True)
        history.write(repo, base, all_lines)
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [line for line in all_lines if line.name.startswith(given.only)]
    if given.latency:
        latency(repo, chosen, given.tree, folder)
        return 0
    return int(compare(repo, chosen, folder) > 0)


if __name__ == "__main__":
    sys.exit(main())
