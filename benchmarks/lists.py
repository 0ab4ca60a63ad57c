"""Real list archives through reading, assembling, applying and the rules: `lists.py ARCHIVE... --tree DIR`.

An archive is an mbox, an mbox.gz or a public-inbox v2 repository. Every patch is put on the first tree that takes it
(forward, or taken back first where the tree has it) and checked there, else on its hunks alone. With `--state FILE`
each series is written down when it is done, and a later run goes on from there; the table at the end covers all of it.
`--sample N --seed S` takes series at random until there are N patches. `--verdicts FILE` counts the findings at warning
and error by what was said of them when they were read: lines of message id, code, place, verdict and reason, with tabs.
`--agree` compares applying with `git apply --check` on every mail, `--b4` the patches, their order and their versions
with those of b4 (`pip install mmlint[lists]`); each difference is printed.
"""

from __future__ import annotations

import argparse
import bisect
import hashlib
import itertools
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mmlint.inputs import mail, mbox, read, series
from mmlint.inputs.apply import Placed, apply_patch, place_series
from mmlint.inputs.gitsource import base_tree
from mmlint.inputs.model import Patch, Series
from mmlint.inputs.subject import Subject
from mmlint.inputs.tree import FolderTree, GitStore, Tree, TreeError
from rich.console import Console
from rich.progress import track
from rich.table import Table

Record = dict[str, Any]


@dataclass(slots=True)
class Reading:
    """What reading gave: counts, seconds, the patches."""

    mails: int = 0
    refused: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    patches: list[Patch] = field(default_factory=list)
    covers: dict[str, Subject] = field(default_factory=dict)
    seconds: float = 0.0


def raw_mails(archive: Path) -> Iterator[mbox.RawMail]:
    """Every mail of an archive in turn."""
    if archive.is_dir():
        store = GitStore(archive)
        for commit in store.run("rev-list", "--reverse", "--all").decode().split():
            found = store.get(f"{commit}:m")
            if found:
                yield mbox.RawMail(found[2], 1)
        return
    with archive.open("rb") as file:
        yield from mbox.split(read.opened(file))


def read_archives(archives: list[Path]) -> Reading:
    """Read every mail; the patches stay in memory, the mails do not."""
    result = Reading()
    started = time.monotonic()
    for archive in archives:
        for raw in raw_mails(archive):
            found = read.read_raw(raw, archive.name)
            result.mails += 1
            result.refused += bool(found.errors)
            result.notes.update(note.split(" skipped")[0] for note in found.notes)
            result.patches += found.patches
            if found.cover is not None:
                result.covers[found.message_id] = found.cover
    result.seconds = time.monotonic() - started
    return result


# ------------------------------------------------------------------- one series


@dataclass(slots=True)
class Work:
    """What the workers share: the series, the trees, whether rules run."""

    series: list[Series]
    trees: list[str]
    rules: bool
    opened: list[Tree] = field(default_factory=list)


_work: Work


def key(one: Series) -> str:
    """A name of a series that is the same in every run."""
    text = "\0".join(f"{patch.message_id}:{patch.line}:{patch.mail_subject}" for patch in one.patches)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def place_anywhere(one: Series) -> tuple[list[Placed] | None, str]:
    """The series on the base it names, else on the first tree that takes all of it, else on the one that takes most."""
    if not _work.opened:
        _work.opened = [FolderTree(name) for name in _work.trees]
    best: list[Placed] | None = None
    where = ""
    for name, tree in zip(_work.trees, _work.opened, strict=True):
        based = base_tree(GitStore(name), one.patches[0]) if one.patches[0].base_commit else None
        placed = place_series(one.patches, based or tree)
        taken = sum(each.how in ("applied", "already") for each in placed)
        if best is None or taken > sum(each.how in ("applied", "already") for each in best):
            best, where = placed, f"base commit in {Path(name).name}" if based else Path(name).name
        if taken == len(placed):
            break
    return best, where


def check_series(index: int) -> Record:
    """Everything about one series, ready to be written down."""
    one = _work.series[index]
    started = time.monotonic()
    placed, where = place_anywhere(one)
    applying = time.monotonic() - started
    patches = []
    for at, patch in enumerate(one.patches):
        if patch.index in one.earlier:
            continue
        lies = placed[at] if placed else None
        patches.append(check_patch(patch, lies, where))
    return {
        "key": key(one),
        "version": one.version,
        "total": one.total,
        "missing": len(one.missing),
        "applying": applying,
        "patches": patches,
    }


def check_patch(patch: Patch, placed: Placed | None, where: str) -> Record:
    """One patch through the rules, on its tree or on hunks alone."""
    fits = placed is not None and placed.how in ("applied", "already")
    record: Record = {
        "message_id": patch.message_id,
        "subject": patch.mail_subject,
        "found": patch.where,
        "how": placed.how if placed else "no tree",
        "tree": where if fits else "",
        "three_way": bool(placed and placed.notes and "three-way" in " ".join(placed.notes)),
        "base_named": patch.base_commit is not None,
        "findings": [],
        "fixed": 0,
        "seconds": 0.0,
    }
    if not _work.rules:
        return record
    from mmlint import api
    from mmlint.finding import Origin, Report
    from mmlint.patches import PatchRun
    from mmlint.settings import Settings

    report, settings = Report(), Settings()
    started = time.monotonic()
    run = PatchRun(api.selected(settings), report)
    if placed is not None:
        run.placed(patch, placed)
    else:
        run.fragments(patch, "it applies to none of the trees")
    record["seconds"] = time.monotonic() - started
    record["fixed"] = len(report.fixed)
    record["findings"] = [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "confidence": finding.confidence.value,
            "place": f"{finding.path}:{finding.line} {finding.function}",
            "message": finding.message,
        }
        for finding in report.findings
        if finding.origin == Origin.NEW
    ]
    return record


def run(work: Work, jobs: int, state: Path | None) -> list[Record]:
    """Check what is not in the state file yet; returns all records of these series."""
    global _work
    _work = work
    done = load_state(state)
    todo = [index for index, one in enumerate(work.series) if key(one) not in done]
    console = Console(stderr=True)
    with multiprocessing.get_context("fork").Pool(jobs) as pool, open_state(state) as out:
        for record in track(
            pool.imap_unordered(check_series, todo, chunksize=4), "series", total=len(todo), console=console
        ):
            done[record["key"]] = record
            out.write(json.dumps(record) + "\n")
            out.flush()
    return [done[key(one)] for one in work.series]


def load_state(state: Path | None) -> dict[str, Record]:
    """Records of an earlier run; a last line that was cut off is ignored."""
    records: dict[str, Record] = {}
    if state is not None and state.exists():
        for line in state.read_text().splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            records[record["key"]] = record
    return records


def open_state(state: Path | None) -> Any:
    if state is None:
        return tempfile.TemporaryFile("w")
    text = state.read_text() if state.exists() else ""
    if text and not text.endswith("\n"):
        state.write_text(text[: text.rfind("\n") + 1])
    return state.open("a")


# ------------------------------------------------------------------- applying against git


def agree(archives: list[Path], trees: list[str]) -> int:
    """Compare our verdict on every patch mail with that of `git mailinfo` and `git apply --check`."""
    opened = [(Path(name), FolderTree(name)) for name in trees]
    counts: Counter[tuple[str, str]] = Counter()
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        for archive in archives:
            for raw in track(raw_mails(archive), archive.name, console=Console(stderr=True)):
                found = read.read_raw(raw, archive.name)
                if len(found.patches) != 1 or found.patches[0].where != "mail":
                    continue
                text = Path(folder) / "patch"
                command = ["git", "mailinfo", "--no-scissors", f"{folder}/message", str(text)]
                subprocess.run(command, input=raw.data, capture_output=True, check=False)
                for path, tree in opened:
                    ours = not found.errors and not apply_patch(found.patches[0], tree)[1]
                    theirs = git_applies(path, text)
                    counts[path.name, f"git {'takes' if theirs else 'refuses'}, we {'take' if ours else 'refuse'}"] += 1
                    if ours != theirs:
                        different += 1
                        print(f"{archive.name}:{raw.line} {path.name} git={theirs} we={ours} {mail_subject(found)}")
    for (name, verdict), count in sorted(counts.items()):
        print(f"{name}: {verdict}: {count}")
    return different


def mail_subject(found: mail.MailResult) -> str:
    return found.patches[0].mail_subject


def git_applies(tree: Path, patch: Path) -> bool:
    """Whether `git apply --check` takes the patch in a folder that is no repository."""
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    done = subprocess.run(
        ["git", "apply", "--check", str(patch)], cwd=tree, capture_output=True, env=environment, check=False
    )
    return done.returncode == 0


def beside_b4(archives: list[Path]) -> int:
    """Compare assembling with b4's, archive by archive."""
    import against_b4

    open_questions = 0
    for archive in archives:
        counts, lines = against_b4.compare(raw_mails(archive))
        print(archive.name, *lines, *(f"{what}: {count}" for what, count in sorted(counts.items())), sep="\n")
        open_questions += counts["versions that differ: not explained"]
    return int(open_questions > 0)


# ------------------------------------------------------------------- verdicts

Place = tuple[str, str, str]
"""Message-ID, code, file and function of a finding: what stays the same when lines move."""


def loud(records: list[Record]) -> Iterator[tuple[Record, Record]]:
    """Each new finding at warning or error, with its patch."""
    for record in records:
        for patch in record["patches"]:
            for finding in patch["findings"]:
                if finding["severity"] in ("warning", "error"):
                    yield patch, finding


def place_of(patch: Record, finding: Record) -> Place:
    path, _, rest = finding["place"].partition(":")
    return patch["message_id"], finding["code"], f"{path} {rest.partition(' ')[2]}"


def read_verdicts(path: Path) -> dict[Place, str]:
    """What was said of each finding that was read."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {(row[0], row[1], row[2]): row[3] for row in rows}


def tally(records: list[Record], verdicts: dict[Place, str]) -> list[tuple[str, object]]:
    """Rows of the table: findings and patches by verdict; prints what nobody has read."""
    findings: Counter[str] = Counter()
    patches: dict[str, set[str]] = {}
    for patch, finding in loud(records):
        place = place_of(patch, finding)
        verdict = verdicts.get(place, "not read")
        findings[verdict] += 1
        patches.setdefault(verdict, set()).add(patch["message_id"])
        if verdict == "not read":
            print("not read:", *place, finding["message"], sep="\t")
    return [(f"findings {what} (on patches)", f"{n} ({len(patches[what])})") for what, n in sorted(findings.items())]


# ------------------------------------------------------------------- the table


def table(
    reading: Reading, assembling: float, records: list[Record], whole: list[Series], more: list[tuple[str, object]]
) -> None:
    """Print what the run found; `more` are rows for the end."""
    patches = [patch for record in records for patch in record["patches"]]
    rows: list[tuple[str, object]] = [("mails read", reading.mails), ("mails with a damaged patch", reading.refused)]
    rows += [(f"  {note}", count) for note, count in reading.notes.most_common(8)]
    rows += [("patches", len(patches))]
    rows += [(f"  in a {where}", n) for where, n in Counter(p["found"] for p in patches).most_common()]
    rows += [("series of more than one", sum(one.total > 1 for one in whole))]
    rows += [("  complete", sum(one.total > 1 and not one.missing for one in whole))]
    rows += [("  with members missing", sum(bool(one.missing) for one in whole))]
    rows += [("patches that name a base commit", sum(p["base_named"] for p in patches))]
    rows += [(f"  {p}", n) for p, n in Counter(f"{p['how']} {p['tree']}".strip() for p in patches).most_common()]
    rows += [("  by three-way merge", sum(p["three_way"] for p in patches))]
    found = Counter((f["code"], f["severity"]) for p in patches for f in p["findings"])
    rows += [("patches with new findings", sum(bool(p["findings"]) for p in patches))]
    rows += [(f"  {code} {severity}", count) for (code, severity), count in sorted(found.items())]
    rows += [("seconds reading", f"{reading.seconds:.1f}"), ("seconds assembling", f"{assembling:.2f}")]
    rows += [("seconds applying (all processes)", f"{sum(r['applying'] for r in records):.1f}")]
    rows += [("seconds in rules (all processes)", f"{sum(p['seconds'] for p in patches):.1f}")]
    for what, ways in (("whole on a tree", ("applied", "already")), ("by hunks", ("failed", "partly", "no tree"))):
        times = sorted(p["seconds"] for p in patches if p["how"] in ways)
        if len(times) > 1:
            late = f"{times[int(len(times) * 0.95)]:.3f}"
            rows += [(f"  {what}: median, 95 %, most", f"{statistics.median(times):.3f} {late} {times[-1]:.2f}")]
    rows += more
    shown = Table("what", "how many", title="lists")
    for what, value in rows:
        shown.add_row(what, str(value))
    Console(width=100).print(shown)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--tree", action="append", default=[], help="a kernel tree; may be given several times")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--state", type=Path, help="write each series down here and go on from it")
    parser.add_argument("--no-rules", action="store_true", help="read, assemble and apply only")
    parser.add_argument("--findings", action="store_true", help="list every new finding")
    parser.add_argument("--agree", action="store_true", help="compare applying with git, nothing else")
    parser.add_argument("--b4", action="store_true", help="compare assembling with b4, nothing else")
    parser.add_argument("--paths", default="", help="only series that touch a file below this path (mm/)")
    parser.add_argument("--sample", type=int, default=0, help="take series at random until there are so many patches")
    parser.add_argument("--seed", type=int, default=0, help="which ones `--sample` takes")
    parser.add_argument("--verdicts", type=Path, help="what was said of the findings when they were read")
    given = parser.parse_args()
    try:
        if given.agree:
            return int(agree(given.archives, given.tree) > 0)
        if given.b4:
            return beside_b4(given.archives)
        reading = read_archives(given.archives)
    except (OSError, TreeError) as error:
        sys.exit(f"lists: {error}")
    started = time.monotonic()
    whole = series.assemble(reading.patches, reading.covers)
    assembling = time.monotonic() - started
    chosen = [s for s in whole if any(c.path.startswith(given.paths) for p in s.patches for c in p.changes)]
    if given.sample:
        random.Random(given.seed).shuffle(chosen)
        ends = list(itertools.accumulate(len(one.sent) for one in chosen))
        chosen = chosen[: bisect.bisect_left(ends, given.sample) + 1]
    records = run(Work(chosen, given.tree, not given.no_rules), given.jobs, given.state)
    if given.findings:
        for record in records:
            for patch in record["patches"]:
                for finding in cast("list[Record]", patch["findings"]):
                    print(f"{finding['code']} {finding['severity']} {finding['confidence']} {patch['how']}", end=" ")
                    print(f"<{patch['message_id']}> {finding['place']}: {finding['message']}")
    verdicts = tally(records, read_verdicts(given.verdicts)) if given.verdicts else []
    table(reading, assembling, records, chosen, verdicts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
