"""Patches against their trees: a series placed patch by patch, commits, the index, and hunks with no tree at all."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import check_patch
from mmlint.facts.program import Program
from mmlint.failures import Failures
from mmlint.finding import Finding, InputError, Mail, Origin, PatchRef, Report, Severity
from mmlint.frozen import dataclass
from mmlint.interrupt import heed
from mmlint.linediff import opcodes
from mmlint.rule import Rule

if TYPE_CHECKING:
    from mmlint.inputs.apply import Placed
    from mmlint.inputs.model import FileChange, Patch, Series
    from mmlint.inputs.tree import Tree
    from mmlint.kernel.tables import Tables

SOURCES = (".c", ".h")
_USERSPACE = ("tools/", "scripts/")
"""Folders of programs: their locks and pages are not the kernel's."""
_UNIT_TEST = re.compile(r"_kunit\.c$|(^|/)tests/")
"""Tests that run in the kernel have made their pages themselves, and do wrong on purpose."""


@dataclass(frozen=True)
class PatchRun:
    """One run over patches: the rules, the kernel tables to use instead of the tree's own, and the report to fill.

    `look` gets both states of each patch before the rules do; `remedy` is for patches that the tree does not fit.
    """

    rules: Sequence[Rule]
    report: Report
    table: Tables | None = None
    look: Callable[[PatchView], None] | None = None
    remedy: str = "name the base with --tree/--base"

    def series(self, series: Series, tree: Tree | None) -> None:
        """Check the patches of a series, each on what the ones before it made of the tree (or on its hunks alone)."""
        from mmlint.inputs.apply import place_series

        self.report.notes += [*series.missing, *series.notes]
        self.report.mails += [_mail(patch) for patch in series.sent]
        if tree is None:
            for patch in series.sent:
                self.fragments(patch, "no tree (--tree names one)")
            return
        first = len(self.report.findings)
        lies = place_series(series.patches, tree)
        for patch, placed in zip(series.patches, lies, strict=True):
            if patch.index not in series.earlier:
                self.placed(patch, placed)
        self.mended_later(first, [(one, at.before, at.after) for one, at in zip(series.patches, lies, strict=True)])

    def placed(self, patch: Patch, placed: Placed) -> None:
        """Check a patch where it lies on a tree; files it does not fit are read by their hunks alone."""
        from mmlint.inputs.misfits import named, told

        if placed.errors:
            self.report.errors.append(told(patch, placed.errors, self.remedy))
        self.report.notes += [_note(patch, note) for note in placed.notes]
        misfits = {error.path for error in placed.errors}
        left = tuple(change for change in patch.changes if change.path in misfits)
        fits = _without(patch, misfits)
        if placed.how != "failed":
            self.states(replace(patch, changes=fits), placed.before, placed.after, elsewhere=_changed_lines(left))
        if not misfits:
            self.report.placed.append(patch.ref)
        else:
            why = f"it does not apply to the tree in {named(change.path for change in left)}"
            self.fragments(replace(patch, changes=left), why, placed.before, elsewhere=_changed_lines(fits))

    def states(self, patch: Patch, before: Tree, after: Tree, *, elsewhere: int = 0) -> None:
        """Check what a patch makes of a tree, given both states. `elsewhere`: see `PatchView`."""
        self._view(self._between(patch, before, after, elsewhere), patch)

    def _between(self, patch: Patch, before: Tree, after: Tree, elsewhere: int = 0) -> PatchView:
        files = tuple(_file_texts(patch.changes, before, after))
        old = Program(before, table=self.table)
        changed = frozenset(path for f in files for path in (f.old_path, f.new_path) if path)
        new = Program(after, old, changed, table=self.table)
        view = PatchView(patch.subject, patch.body, old, new, files, elsewhere=elsewhere)
        for file in files:
            view.changes.extend(pair_functions(file, view))
        return view

    def fragments(self, patch: Patch, why: str, behind: Tree | None = None, *, elsewhere: int = 0) -> None:
        """Check what the hunks of a patch show; `why` says why they are not taken with a tree.

        `behind` is a tree that they do not fit: whether callees sleep that the hunks do not show is read there.
        """
        from mmlint.inputs.fragments import fragments, shown
        from mmlint.inputs.tree import EmptyTree, OverlayTree

        old: dict[str, bytes | None] = {}
        new: dict[str, bytes | None] = {}
        files = []
        for change in _readable(patch.changes):
            path = change.path
            old[path], new[path] = before, after = fragments(change)
            old_path, new_path = (path if change.old_path else None), (path if change.new_path else None)
            lines = (change.added_lines(), change.removed_lines(), tuple(shown(change)[1]))
            files.append(FileText(path, old_path, new_path, before, after, *lines))
        if not files:
            return
        shelf = Program(behind, table=self.table) if behind is not None else None
        left = Program(OverlayTree(EmptyTree(), old), table=self.table, partial=True, behind=shelf)
        right = Program(OverlayTree(EmptyTree(), new), table=self.table, partial=True, behind=shelf)
        self.report.notes.append(_note(patch, f"{why}, so only the lines that its hunks show were analysed"))
        view = PatchView(patch.subject, patch.body, left, right, tuple(files), partial=True, elsewhere=elsewhere)
        for file in files:
            view.changes.extend(pair_functions(file, view))
        self._view(view, patch)

    def _view(self, view: PatchView, patch: Patch) -> None:
        if self.look is not None:
            self.look(view)
        brought, kept, gone = check_patch(view, self.rules, self.report.errors)
        report = self.report
        report.findings += [f.with_origin(Origin.NEW, patch.ref) for f in brought]
        report.findings += [f.with_origin(Origin.PRE_EXISTING, patch.ref) for f in kept]
        report.fixed += [f.with_origin(Origin.FIXED, patch.ref) for f in gone]
        report.notes += [_note(patch, text) for text in _left_out(view)]
        report.stats.files += len(view.files)
        report.stats.functions += sum(c.after is not None for c in view.changes)
        report.stats.functions_unread += sum(c.after is not None and c.after.source.damaged for c in view.changes)
        self._sources(view, brought)

    def _sources(self, view: PatchView, findings: Iterable[Finding]) -> None:
        for finding in findings:
            for path in (finding.path, *(step.path for step in finding.steps)):
                file = view.after.file(path) if path not in self.report.sources else None
                if file is not None:
                    self.report.sources[path] = file.text.decode("utf-8", "replace").splitlines()

    def mended_later(self, first: int, states: Sequence[tuple[Patch, Tree, Tree]]) -> None:
        """Lower what a later patch of the same series takes away again: it still stands in the way of a bisection.

        Looks at the findings from `first` on; `states` are the patches with the trees on both sides of each.
        """
        if len(states) < 2:
            return
        gone = {f.fingerprint: f.patch for f in self.report.fixed if f.patch is not None}
        for at, finding in enumerate(self.report.findings[first:], first):
            if finding.origin != Origin.NEW or finding.patch is None:
                continue
            mender = gone.get(finding.fingerprint)
            if mender is None or mender.index <= finding.patch.index:
                mender = self._restored(finding, states)
            if mender is not None:
                note = f"patch {mender.index}/{mender.total} of the series takes it away again"
                self.report.findings[at] = replace(finding, severity=Severity.INFO, notes=(*finding.notes, note))

    def _restored(self, finding: Finding, states: Sequence[tuple[Patch, Tree, Tree]]) -> PatchRef | None:
        """The later patch after which a comparison with the state before the finding's own patch finds nothing lost."""
        rules = [rule for rule in self.rules if rule.code == finding.code and rule.compare is not None]
        own = next((at for at, (patch, _, _) in enumerate(states) if patch.ref == finding.patch), None)
        if not rules or own is None or finding.severity is Severity.INFO:
            return None
        patch, before, _ = states[own]
        narrow = replace(patch, changes=tuple(change for change in patch.changes if change.path == finding.path))
        for later, _, after in states[own + 1 :]:
            if not any(change.path == finding.path for change in later.changes):
                continue
            view = self._between(narrow, before, after)
            still = view.after.named(finding.path, finding.function)
            if not still:
                continue
            failures: Failures = []
            found = check_patch(view, rules, failures)[0]
            # A rule that failed on the later state has not said that the loss is mended.
            if not failures and all(f.fingerprint != finding.fingerprint for f in found):
                return later.ref
        return None


def _left_out(view: PatchView) -> Iterator[str]:
    """What was not compared with its state before, and why."""
    if view.crowded:
        yield f"{len(view.changes)} functions change, so many that only their new states were checked"
        return
    for change in view.changes:
        if change.wide:
            yield f"{change.file.path}: so much of {change.name}() changes that only its new state was checked"


def _note(patch: Patch, text: str) -> str:
    """A note on one patch; a bare diff has no subject to name it by."""
    return f"{patch.subject}: {text}" if patch.subject else text


def _mail(patch: Patch) -> Mail:
    """What a reply to the patch needs of its mail."""
    return Mail(
        patch.ref,
        patch.mail_subject or patch.subject,
        patch.sender or patch.author,
        patch.date,
        _addresses(patch.to),
        _addresses(patch.cc),
        patch.references,
        "".join(_diff(change) for change in patch.changes),
        patch.comment,
    )


def _addresses(header: str) -> tuple[str, ...]:
    """The addresses of a header; what is none (a name alone, letters beyond ASCII) cannot be replied to."""
    from email.utils import formataddr, getaddresses

    return tuple(formataddr(pair) for pair in getaddresses([header]) if pair[1] and pair[1].isascii())


def _diff(change: FileChange) -> str:
    lines = [f"diff --git a/{change.old_path or change.path} b/{change.path}"]
    lines += [f"--- {f'a/{change.old_path}' if change.old_path else '/dev/null'}"]
    lines += [f"+++ {f'b/{change.new_path}' if change.new_path else '/dev/null'}"]
    for hunk in change.hunks:
        old, new = (hunk.source_start, hunk.source_length), (hunk.target_start, hunk.target_length)
        lines.append(f"@@ -{old[0]},{old[1]} +{new[0]},{new[1]} @@ {hunk.heading}".rstrip())
        lines += [tag + text.decode("utf-8", "replace") for tag, text in hunk.lines]
    return "\n".join(lines) + "\n"


def check_inputs(run: PatchRun, names: Sequence[str], tree: Tree | None) -> Iterator[int]:
    """Check every series in the inputs ("-" is stdin), whose members may stand in files of their own.

    Yields how many series are still to be checked, first before the first of them and then after each.
    """
    from mmlint.inputs.series import assemble

    report = run.report
    series = [one for name in names for one in _read(name, report)]
    if len(names) > 1:
        series = assemble([patch for one in series for patch in one.sent])
    yield len(series)
    for left, one in zip(range(len(series) - 1, -1, -1), series, strict=True):
        run.series(one, _base(one, tree, report))
        heed()
        yield left


def _read(name: str, report: Report) -> list[Series]:
    from mmlint.inputs.read import read_patches

    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        report.errors.append(InputError(name, f"cannot be read: {error.strerror}; check the path"))
        return []
    found = read_patches(data, name)
    report.errors += found.errors
    report.notes += found.notes
    return found.series


def _base(series: Series, tree: Tree | None, report: Report) -> Tree | None:
    """The tree that a series is based on: the commit its trailer names where the store has it, else the one given."""
    from mmlint.inputs.gitsource import base_tree
    from mmlint.inputs.tree import GitTree

    if isinstance(tree, GitTree) and series.patches:
        named = base_tree(tree.store, series.patches[0])
        if named is not None:
            report.notes.append(f"base: commit {series.patches[0].base_commit}, as the mail says")
            return named
    return tree


def check_git(run: PatchRun, repo: str, revisions: str | None, staged: bool) -> None:
    """Check the commits of a range one by one, or what the index holds against HEAD."""
    from mmlint.inputs.gitsource import range_patches
    from mmlint.inputs.gitsource import staged as staged_change
    from mmlint.inputs.tree import TreeError

    try:
        changes = [staged_change(repo)] if staged else range_patches(repo, revisions or "HEAD")
        first = len(run.report.findings)
        for patch, before, after in changes:
            run.states(patch, before, after)
            heed()
        run.mended_later(first, changes)
    except TreeError as error:
        remedy = "--tree names the repository" + ("" if staged else ", --git a commit or A..B of it")
        run.report.errors.append(_tree_error(repo, error, remedy))


def open_tree(tree: str | None, base: str | None, report: Report) -> Tree | None:
    """The tree that was named, a folder or a revision of a git store; an error in the report where there is none.

    A revision alone is one of the store around the working folder.
    """
    from mmlint.inputs.tree import FolderTree, GitTree, TreeError

    if base is not None:
        tree = tree or "."
    if tree is None:
        return None
    try:
        if base is not None:
            return GitTree(tree, base)
        if not Path(tree).is_dir():
            raise TreeError("no such folder")
        return FolderTree(tree)
    except TreeError as error:
        remedy = "a git repository, --base a commit of it" if base is not None else "a kernel tree or a git repository"
        report.errors.append(_tree_error(tree, error, f"--tree names {remedy}"))
        return None


def _tree_error(where: str, error: Exception, remedy: str) -> InputError:
    """What is wrong with a tree, in one line that names it once and says what to do."""
    return InputError(where, f"{str(error).removeprefix(f'{where}: ')}; {remedy}")


def _readable(changes: Sequence[FileChange]) -> Iterator[FileChange]:
    return (
        c
        for c in changes
        if c.kind not in ("binary", "mode")
        and c.path.endswith(SOURCES)
        and not c.path.startswith(_USERSPACE)
        and not _UNIT_TEST.search(c.path)
    )


def _changed_lines(changes: Sequence[FileChange]) -> int:
    return sum(len(c.added_lines()) + len(c.removed_lines()) for c in _readable(changes))


def _without(patch: Patch, paths: set[str]) -> tuple[FileChange, ...]:
    return tuple(change for change in patch.changes if change.path not in paths)


def _file_texts(changes: Sequence[FileChange], before: Tree, after: Tree) -> Iterator[FileText]:
    for change in _readable(changes):
        old = before.read(change.old_path) if change.old_path else None
        new = after.read(change.new_path) if change.new_path else None
        if old is None and new is None:
            continue
        old_path = change.old_path if old is not None else None
        new_path = change.new_path if new is not None else None
        left, right = old or b"", new or b""
        yield FileText(change.path, old_path, new_path, left, right, *changed_lines(left, right))


def changed_lines(before: bytes, after: bytes) -> tuple[frozenset[int], frozenset[int]]:
    """Line numbers added (in the new text) and removed (in the old text)."""
    a, b = before.split(b"\n"), after.split(b"\n")
    added: set[int] = set()
    removed: set[int] = set()
    for tag, i1, i2, j1, j2 in opcodes(a, b):
        if tag != "equal":
            removed.update(range(i1 + 1, i2 + 1))
            added.update(range(j1 + 1, j2 + 1))
    return frozenset(added), frozenset(removed)
