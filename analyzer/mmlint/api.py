"""The one seam of the project: inputs and settings in, a report out. Command line, hooks, bot and audit all call it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mmlint.engine import check_file
from mmlint.facts.program import MAX_FILE, SHARED_FOLDERS, Program
from mmlint.finding import Finding, InputError, Origin, Report, Stats
from mmlint.interrupt import heed
from mmlint.patches import PatchRun, check_git, check_inputs, open_tree
from mmlint.places import Shown, alone, collect, grouped
from mmlint.policy import inline
from mmlint.policy.apply import apply_policy
from mmlint.rule import Rule, known, load
from mmlint.settings import Settings, SettingsError
from mmlint.tally import Looks

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from mmlint.changes.change import PatchView
    from mmlint.inputs.tree import Tree
    from mmlint.kernel.tables import Tables

_PARALLEL_FROM = 6
_CHUNK, _FOLDER_CHUNK = 4, 16
"""Files checked at a time by a worker, of folders whose index all workers share and of others."""


class Progress(Protocol):
    """Somebody who wants to know how far a long run is."""

    def start(self, total: int, what: str, report: Report | None = None) -> None:
        """`total` steps of `what` are ahead; `report` fills up meanwhile."""

    def advance(self, n: int = 1) -> None:
        """`n` of them are done."""

    def done(self) -> None:
        """All is done."""


def selected(settings: Settings) -> list[Rule]:
    """The rules that the settings let run."""
    return [rule for rule in known() if settings.selects(rule)]


def own_tables(files: tuple[str, ...]) -> Tables | None:
    """The kernel tables with a user's files before them, None without files. Raises `SettingsError`."""
    if not files:
        return None
    from mmlint.kernel.tables import TableError, extend

    try:
        return extend(*files)
    except TableError as error:
        raise SettingsError(str(error)) from None


def looks_of(tree: Tree, settings: Settings) -> Looks:
    """What the rules look at in a tree."""
    return Looks(Program(tree, table=own_tables(settings.tables)).tables)


def warn_of_misfit(tree: Tree | str, report: Report) -> None:
    """A note in the report if the kernel tables do not fit the tree (or the folder with this path)."""
    from mmlint.fit import misfit
    from mmlint.inputs.tree import FolderTree

    line = misfit(FolderTree(tree) if isinstance(tree, str) else tree)
    if line:
        report.notes.append(line)


# --------------------------------------------------------------------- files


def check_paths(
    paths: Sequence[str],
    settings: Settings,
    *,
    root: str | None = None,
    stdin_name: str = "stdin.c",
    progress: Progress | None = None,
) -> Report:
    """Check C files and folders as they stand. What cannot be read becomes an error of the report.

    A path `-` is the text on stdin, taken for the file `stdin_name`. Ctrl-C ends the run: the report then holds what
    was found and is marked `interrupted`.
    """
    started = time.monotonic()
    report = Report()
    files = list(collect([path for path in paths if path != "-"], report))
    if "-" in paths:
        text = sys.stdin.buffer.read()
        if text:
            _check_text(text, stdin_name, settings, root, report)
        else:
            report.notes.append(f"{stdin_name}: is empty; nothing to check")
    groups = grouped(root, files, report)
    for group in groups:
        warn_of_misfit(str(group.base), report)
    if progress is not None:
        progress.start(sum(len(group.names) for group in groups), "files", report)
    try:
        for group in groups:
            shown = Shown(group.base, group.names)
            for part in _run_files(str(group.base), list(group.names), settings, progress):
                _merge(report, part, shown)
    except KeyboardInterrupt:
        report.interrupted = True
    if progress is not None:
        progress.done()
    report.findings.sort(key=lambda f: f.sort_key)
    report.stats.seconds = time.monotonic() - started
    only = str(groups[0].base) if len(groups) == 1 else ""
    return apply_policy(report, settings, root=only)


def check_text(text: bytes, name: str, settings: Settings, *, root: str | None = None) -> Report:
    """Check a text as if it were the file `name`, whatever that holds on disk: what is open in an editor."""
    started = time.monotonic()
    report = Report()
    _check_text(text, name, settings, root, report)
    report.stats.seconds = time.monotonic() - started
    return apply_policy(report, settings)


def _check_text(text: bytes, name: str, settings: Settings, root: str | None, report: Report) -> None:
    from mmlint.inputs.tree import FolderTree, OverlayTree

    group = alone(root, name, report)
    tree = OverlayTree(FolderTree(group.base), dict.fromkeys(group.names, text))
    for part in _check_names(Program(tree, table=own_tables(settings.tables)), list(group.names), settings, None):
        _merge(report, part, Shown(group.base, group.names))


def _run_files(root: str, names: list[str], settings: Settings, progress: Progress | None) -> Iterator[Report]:
    jobs = settings.jobs or min(os.cpu_count() or 1, 8)
    if jobs <= 1 or len(names) < _PARALLEL_FROM:
        yield from _check_names(_program(root, settings.tables), names, settings, progress)
        return
    chunks = _chunks(root, names)
    from concurrent.futures import BrokenExecutor

    from mmlint.processes import Processes

    ready_workers(root, settings)
    with Processes(min(jobs, len(chunks))) as pool:
        try:
            yield from chain.from_iterable(run_chunks(pool, root, chunks, settings, progress))
        except BrokenExecutor:
            yield Report(errors=[InputError(root, "a worker process died (out of memory?); try again with --jobs 1")])


def _chunks(root: str, names: Sequence[str]) -> list[list[str]]:
    """The names, those of a folder together as far as they go into one chunk, the chunks with most text first."""
    size = {name: _size(root, name) for name in names}
    folders: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda n: (-size[n], n)):
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    chunks = []
    for folder, found in folders.items():
        most = _CHUNK if folder in SHARED_FOLDERS else _FOLDER_CHUNK
        chunks += [found[i : i + most] for i in range(0, len(found), most)]
    return sorted(chunks, key=lambda chunk: -sum(map(size.__getitem__, chunk)))


def ready_workers(root: str, settings: Settings) -> None:
    """Read what every worker asks of rules and tree: processes that are forked from now on share it."""
    load()
    _kept_program.cache_clear()
    _kept_program(root, settings.tables).prepare()


def run_chunks(
    pool: Executor,
    root: str,
    chunks: Sequence[list[str]],
    settings: Settings,
    progress: Progress | None,
    *,
    tally: bool = False,
) -> Generator[list[Report], None, None]:
    """Check chunks of files on any executor: the reports of each, in order. `tally` counts the places looked at."""
    futures = [pool.submit(_check_in_worker, root, chunk, settings, tally) for chunk in chunks]
    for future, chunk in zip(futures, chunks, strict=True):
        yield future.result()
        heed()
        if progress is not None:
            progress.advance(len(chunk))


def _size(root: str, name: str) -> int:
    try:
        return os.stat(f"{root}/{name}").st_size  # noqa: PTH116
    except OSError:
        return 0


def _check_in_worker(root: str, names: list[str], settings: Settings, tally: bool) -> list[Report]:
    return list(_check_names(_kept_program(root, settings.tables), names, settings, None, tally))


@lru_cache(maxsize=1)
def _kept_program(root: str, extra: tuple[str, ...]) -> Program:
    """The tree as one worker process sees it: kept between its chunks, so that what callees do is worked out once."""
    return _program(root, extra, sparse=True)


def _program(root: str, extra: tuple[str, ...], *, sparse: bool = False) -> Program:
    from mmlint.inputs.tree import FolderTree

    return Program(FolderTree(root), table=own_tables(extra), sparse=sparse)


def _check_names(
    program: Program, names: list[str], settings: Settings, progress: Progress | None, tally: bool = False
) -> Iterator[Report]:
    rules = selected(settings)
    for name in names:
        program.forget_facts((name.rpartition("/")[0], "mm", "include/linux"))
        yield _check_one(program, name, rules, tally)
        heed()
        if progress is not None:
            progress.advance()


def _check_one(program: Program, name: str, rules: Sequence[Rule], tally: bool) -> Report:
    report = Report()
    file = program.file(name)
    if file is None:
        large = len(program.tree.read(name) or b"") > MAX_FILE
        why = f"is larger than {MAX_FILE >> 20} MiB: left out" if large else "cannot be read; check its permissions"
        report.errors.append(InputError(name, why))
        return report
    if b"\0" in file.text[:4096]:
        report.errors.append(InputError(name, "is a binary file, not C source"))
        return report
    report.findings = check_file(program, name, rules, report.places if tally else None, report.errors)
    report.whole.append(name)
    if inline.MARK.encode() in file.text:
        report.ignores += inline.scan(name, file.text.decode("utf-8", "replace"))
    report.stats = Stats(1, len(program.functions(name)), sum(f.source.missed for f in program.functions(name)))
    if report.findings:
        report.sources[name] = file.text.decode("utf-8", "replace").splitlines()
        _add_sources(report, program)
    return report


def _add_sources(report: Report, program: Program) -> None:
    for path in {step.path for f in report.findings for step in f.steps} | {f.path for f in report.findings}:
        file = program.file(path) if path not in report.sources else None
        if file is not None:
            report.sources[path] = file.text.decode("utf-8", "replace").splitlines()


def _merge(report: Report, part: Report, shown: Shown) -> None:
    from dataclasses import replace

    def rename(finding: Finding) -> Finding:
        steps = tuple(replace(step, path=shown[step.path]) for step in finding.steps)
        return replace(finding, path=shown[finding.path], steps=steps)

    report.findings += [rename(f) for f in part.findings]
    report.errors += [replace(e, path=shown[e.path]) for e in part.errors]
    report.ignores += [replace(i, path=shown[i.path]) for i in part.ignores]
    report.whole += [shown[path] for path in part.whole]
    report.sources.update({shown[path]: lines for path, lines in part.sources.items()})
    for name in ("files", "functions", "functions_unread"):
        setattr(report.stats, name, getattr(report.stats, name) + getattr(part.stats, name))


# ------------------------------------------------------------------- patches


def check_patches(
    inputs: Sequence[str],
    settings: Settings,
    *,
    tree: str | None = None,
    base: str | None = None,
    git: str | None = None,
    staged: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Check what patches introduce: mails and diffs on a tree or by hunks alone, commits of a range, the index."""
    started = time.monotonic()
    report = Report()
    run = PatchRun(selected(settings), report, own_tables(settings.tables))
    try:
        if git is not None or staged:
            warn_of_misfit(_work_tree(tree or "."), report)
            check_git(run, tree or ".", git, staged)
        else:
            _check_inputs(run, inputs, tree, base, progress)
    except KeyboardInterrupt:
        report.interrupted = True
    report.findings.sort(key=lambda f: ((f.patch.index if f.patch else 0), f.sort_key))
    if not settings.show_preexisting:
        report.findings = [f for f in report.findings if f.origin != Origin.PRE_EXISTING]
    report.stats.seconds = time.monotonic() - started
    return apply_policy(report, settings)


def _work_tree(path: str) -> str:
    """The folder above `path` that git keeps, itself where there is none."""
    here = Path(path).resolve()
    return str(next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here))


def compared(old: list[Finding], new: list[Finding]) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """(new, kept, gone): the findings of two trees, matched though they moved or variables were renamed."""
    from mmlint.engine import compare

    return compare(old, new)


def patch_facts(patch: str, root: str, *, steps: bool = False) -> tuple[str, list[InputError]]:
    """What is known of each function that a patch changes as the patch leaves it, and what could not be read or placed.

    With `steps`: both sides of each, step by step: what is matched, what is left over, what is lost. Raises
    LookupError, in one line, where there is nothing to tell of.
    """
    from mmlint.changes.steps.explain import left, lost_steps
    from mmlint.inputs.tree import FolderTree

    views: list[PatchView] = []
    report = Report()
    run = PatchRun((), report, look=views.append, remedy="name the tree that it is for with --root")
    tuple(check_inputs(run, [patch], FolderTree(root)))
    told = [(lost_steps if steps else left)(change) for view in views for change in view.changes]
    if not told:
        raise LookupError(next((f"{e.path}: {e.message}" for e in report.errors), f"{patch}: changes no function"))
    return "\n".join(told), report.errors


def _check_inputs(
    run: PatchRun, inputs: Sequence[str], tree: str | None, base: str | None, progress: Progress | None
) -> None:
    opened = open_tree(tree, base, run.report)
    if opened is None and (tree, base) != (None, None):
        return
    if opened is not None:
        warn_of_misfit(opened, run.report)
    steps = check_inputs(run, inputs, opened)
    total = next(steps)
    if progress is not None:
        progress.start(total, "series", run.report)
    for _ in steps:
        if progress is not None:
            progress.advance()
    if progress is not None:
        progress.done()
