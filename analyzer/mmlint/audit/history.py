"""How a tree came to its findings: against another tree, and commit by commit."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from mmlint.api import check_patches, compared
from mmlint.audit.files import any_source
from mmlint.finding import Finding, Origin, PatchRef, Report
from mmlint.inputs.gitsource import check_revisions
from mmlint.inputs.tree import TreeError
from mmlint.output.text import plural
from mmlint.settings import Settings, SettingsError

_Key = tuple[str, str]


def check_past(root: str) -> None:
    """Raise `SettingsError` when there is no tree to compare with."""
    if not any_source(root):
        reason = "no C files in this tree" if Path(root).is_dir() else "no such folder"
        raise SettingsError(f"--against {root}: {reason}; name a kernel tree")


def check_commits(root: str, revisions: str) -> None:
    """Raise `SettingsError` when the tree has no such commits."""
    try:
        check_revisions(root, revisions)
    except TreeError as error:
        raise SettingsError(f"--git {revisions}: {error}; name commits A..B of the tree") from None


def against(report: Report, old: Report, name: str) -> None:
    """Tell apart what is new in `report`, what `old` (the audit of `name`) has as well, and what only `old` has.

    Findings are the same where rule, function and text are, also when they moved or variables were renamed.
    """
    brought, kept, gone = compared(old.findings, report.findings)
    new = {id(finding) for finding in brought}
    report.findings = [f.with_origin(Origin.NEW if id(f) in new else Origin.PRE_EXISTING) for f in report.findings]
    report.fixed = sorted((f.with_origin(Origin.FIXED) for f in gone), key=lambda f: f.sort_key)
    report.errors += old.errors
    report.interrupted |= old.interrupted
    for path, lines in old.sources.items():
        report.sources.setdefault(path, lines)
    report.notes.append(f"against {name}: {len(gone)} gone, {len(brought)} new, {len(kept)} the same")


def tell_commits(report: Report, root: str, revisions: str, settings: Settings, part: str = "") -> None:
    """Say of each finding which commit of `A..B` brought it, and list what commits removed. The tree stands at B.

    `part` is the folder of the tree that was audited. Where not all commits could be read nobody knows which findings
    they brought: all count as they are.
    """
    walked = check_patches([], replace(settings, show_preexisting=False), tree=root, git=revisions)
    report.errors += walked.errors
    report.interrupted |= walked.interrupted
    if walked.errors or walked.interrupted:
        report.notes.append(f"in {revisions}: not all commits could be read; findings are not told apart by commit")
        return
    brought = {_key(finding): finding.patch for finding in walked.findings if finding.patch is not None}
    report.findings = [_told(finding, brought.get(_key(finding))) for finding in report.findings]
    here = Counter(map(_key, report.findings))
    inside = f"{part}/" if part else ""
    removed = {_key(finding): finding for finding in walked.fixed if finding.path.startswith(inside)}
    gone = [finding for key, finding in removed.items() if not here[key]]
    report.fixed = sorted((_noted(f, f.patch, "removed") for f in gone), key=lambda f: f.sort_key)
    count = sum(finding.origin is Origin.NEW for finding in report.findings)
    report.notes.append(f"in {revisions}: {plural(len(gone), 'finding')} removed, {count} brought")


def _key(finding: Finding) -> _Key:
    return (finding.path, finding.fingerprint)


def _told(finding: Finding, patch: PatchRef | None) -> Finding:
    if patch is None:
        return finding.with_origin(Origin.PRE_EXISTING)
    return _noted(finding.with_origin(Origin.NEW, patch), patch, "brought")


def _noted(finding: Finding, patch: PatchRef | None, what: str) -> Finding:
    return replace(finding, notes=(*finding.notes, f"{what} by {patch.subject}")) if patch is not None else finding
