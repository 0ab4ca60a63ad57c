"""A series -> a verdict, on the tree it belongs to. Runs in a cell; what it gives back is JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Any

from mmlint import api
from mmlint.bot.config import TreeConfig
from mmlint.bot.reading import mark
from mmlint.finding import Confidence, Finding, Mail, Origin, Report, Severity
from mmlint.frozen import dataclass
from mmlint.inputs import mail
from mmlint.inputs.apply import place_series
from mmlint.inputs.gitsource import base_tree
from mmlint.inputs.model import Patch, Series
from mmlint.inputs.tree import FolderTree, GitStore, GitTree, Tree, TreeError
from mmlint.output import WRITERS, Context
from mmlint.output.text import counted
from mmlint.patches import PatchRun
from mmlint.policy.apply import apply_policy
from mmlint.policy.discovery import read
from mmlint.settings import Settings

_FITS = ("applied", "already")
_TEXTS = ("subject", "mail_subject", "author", "sender", "date", "body", "to", "cc")


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be analysed: raw mails in the order of their patches, a fixup on top of them, the trees to try.

    Findings below the thresholds, or with a fingerprint in `told`, get no text for a reply.
    """

    raws: tuple[bytes, ...]
    trees: tuple[TreeConfig, ...]
    settings: str = ""
    fixup: bytes | None = None
    total: int = 1
    min_severity: Severity = Severity.WARNING
    min_confidence: Confidence = Confidence.MEDIUM
    max_findings: int = 5
    hunks: bool = False
    interleaving: bool = False
    told: frozenset[str] = frozenset()


@dataclass(slots=True)
class Remark:
    """What a reply says about one patch. `prints` are its findings' fingerprints, `marks` hashes of their lines."""

    message_id: str
    subject: str
    text: str
    prints: list[str]
    marks: list[str]


@dataclass(slots=True)
class Result:
    """The outcome. `verdict` is clean, findings or nowhere; `base` says what it was tested on, in words."""

    verdict: str
    base: str = ""
    reason: str = ""
    total: int = 1
    subjects: list[str] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    fixed: list[str] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    more: int = 0
    checks: list[dict[str, Any]] = field(default_factory=list)
    comment: str = ""
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def result_of(answer: bytes | str) -> Result:
    """The result in what `analyse` gave back."""
    data: dict[str, Any] = json.loads(answer)
    data["remarks"] = [Remark(**row) for row in data["remarks"]]
    return Result(**data)


def analyse(job: Job) -> bytes:
    """Analyse a series."""
    started = time.monotonic()
    result = _analyse(job)
    result.seconds = time.monotonic() - started
    return json.dumps(asdict(result)).encode()


def _analyse(job: Job) -> Result:
    patches = [patch for raw in job.raws for patch in _patches(raw)]
    fixup = _patches(job.fixup)[:1] if job.fixup is not None else []
    if not patches:
        return Result("clean", reason="no patch left to analyse")
    if job.fixup is not None and not fixup:
        return Result("clean", reason="no diff in the reply")
    place = _choose([*patches, *fixup], job.trees)
    if place.taken == 0 and job.trees and not job.hunks:
        return Result("nowhere", reason=place.words, subjects=[patch.mail_subject for patch in patches])
    if 0 < place.taken < len(patches):
        patches = patches[: place.taken]
    if fixup and 0 < place.taken <= len(patches):
        return Result("nowhere", reason="the diff of the reply does not fit on its series")
    settings = Settings(**read(Path(job.settings))) if job.settings else Settings()
    report = Report()
    run = PatchRun(api.selected(settings), report)
    run.series(Series((*patches, *fixup), patches[0].version, job.total), place.tree)
    about = {patch.message_id for patch in fixup or patches}
    report.findings = [f for f in report.findings if counted(f) and f.patch and f.patch.message_id in about]
    report.mails = [each for each in report.mails if each.patch.message_id in about]
    report.fixed = [f for f in report.fixed if f.patch and f.patch.message_id in about]
    apply_policy(report, settings)
    return _result(report, place, job)


def _patches(raw: bytes) -> list[Patch]:
    """The patches of a mail; characters that no encoding has (UTF-7 makes such) are replaced in their texts."""
    return [
        replace(
            patch, source="mail", **{name: getattr(patch, name).encode("utf-8", "replace").decode() for name in _TEXTS}
        )
        for patch in mail.read(raw, "mail").patches
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """A tree, how many patches from the first on it takes, and which tree it is (or why it takes none)."""

    tree: Tree | None
    taken: int
    words: str


def _choose(patches: Sequence[Patch], trees: Sequence[TreeConfig]) -> _Place:
    """The first tree that takes all of the series, else the one that takes most of it from its beginning."""
    best = _Place(None, 0, "")
    missed = []
    for config in trees:
        name = config.name or Path(config.path).name
        for tree, words in _candidates(patches[0], config, name):
            placed = place_series(patches, tree)
            taken = next((at for at, each in enumerate(placed) if each.how not in _FITS), len(placed))
            had = ", which has it already (taken back first)" if placed[0].how == "already" else ""
            if taken == len(placed):
                return _Place(tree, taken, words + had)
            if taken > best.taken:
                best = _Place(tree, taken, words + had)
            where = f"{misfit.path}: {misfit.why}" if (misfit := next(iter(placed[taken].errors), None)) else "not"
            missed.append(f"{words}: {where}")
    return best if best.taken else _Place(None, 0, "; ".join(missed)[:1000])


def _candidates(first: Patch, config: TreeConfig, name: str) -> Sequence[tuple[Tree, str]]:
    if not config.branches:
        return [(FolderTree(config.path), name)]
    store = GitStore(config.path)
    named = base_tree(store, first)
    if named is not None:
        return [(named, f"{name} at {named.commit[:12]}, the base that the mail names")]
    found = []
    for branch in config.branches:
        try:
            tree = GitTree(store, branch)
        except TreeError:
            continue
        found.append((tree, f"{name}, branch {branch} ({tree.commit[:12]})"))
    return found


def _result(report: Report, place: _Place, job: Job) -> Result:
    worth = [f for f in report.findings if _worth(f, job)]
    worth.sort(key=lambda f: (-f.severity.rank, -f.confidence.rank, f.patch.index if f.patch else 0, f.sort_key))
    told, more = worth[: job.max_findings], max(len(worth) - job.max_findings, 0)
    notes = [*report.notes, *(f"{error.path}: {error.message}" for error in report.errors)]
    return Result(
        verdict="findings" if report.findings else "clean",
        base=place.words if place.tree is not None else "their hunks alone, as they apply to no tree here",
        total=job.total,
        subjects=[each.subject or each.patch.subject for each in report.mails],
        findings=[_row(finding, finding in told) for finding in report.findings],
        fixed=[finding.fingerprint for finding in report.fixed],
        remarks=[
            _remark(each, here, report, job.interleaving)
            for each in report.mails
            if (here := [f for f in told if f.patch == each.patch])
        ],
        more=more,
        checks=json.loads(WRITERS["patchwork"].render(report, Context("patch"))),
        comment=WRITERS["markdown"].render(report, Context("patch")) if report.findings else "",
        notes=notes[:50],
    )


def _worth(finding: Finding, job: Job) -> bool:
    return (
        finding.origin == Origin.NEW
        and finding.severity.rank >= job.min_severity.rank
        and finding.confidence.rank >= job.min_confidence.rank
        and finding.fingerprint not in job.told
    )


def _row(finding: Finding, mailed: bool) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "path": finding.path,
        "line": finding.line,
        "function": finding.function,
        "patch": finding.patch.message_id if finding.patch else "",
        "fingerprint": finding.fingerprint,
        "steps": [f"{step.path}:{step.line}: {step.message}" for step in finding.steps],
        "simulation": asdict(finding.simulation),
        "worth": mailed,
    }


def _remark(each: Mail, findings: list[Finding], report: Report, interleaving: bool) -> Remark:
    """The text about one patch, from the writer of mails; its headers are the bot's own."""
    shown = findings if interleaving else [_without_schedule(finding) for finding in findings]
    part = Report(findings=shown, mails=[each], sources=report.sources)
    text = WRITERS["mail"].render(part, Context("patch"))
    body = text.split("\n\n", 1)[1].rsplit("\n-- \n", 1)[0]
    return Remark(
        each.patch.message_id,
        each.subject or each.patch.subject,
        "\n".join(_unquoted(line) for line in body.split("\n")).strip("\n"),
        [finding.fingerprint for finding in findings],
        [mark(_line(finding, report)) for finding in findings],
    )


def _without_schedule(finding: Finding) -> Finding:
    """The finding without the steps of its proof; the command that plays them stays."""
    return replace(finding, simulation=replace(finding.simulation, schedule=""))


def _unquoted(line: str) -> str:
    """A line without the quoting of mboxes."""
    return line[1:] if line.startswith(">") and line.lstrip(">").startswith("From ") else line


def _line(finding: Finding, report: Report) -> str:
    lines = report.sources.get(finding.path, [])
    return lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""
