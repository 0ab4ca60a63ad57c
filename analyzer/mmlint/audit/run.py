"""An audit from beginning to end.

A result is kept under the content of its file, the headers of its folder, the tree's Makefile (which names the
release), the rules that run, the tables and the program text of mmlint. Limit: a finding that depends on another file
is only worked out again when one of these changes; an audit without the kept results does everything anew.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import BrokenExecutor
from contextlib import closing
from pathlib import Path

from mmlint import __version__
from mmlint.api import Progress, looks_of, selected, warn_of_misfit
from mmlint.audit.files import sources
from mmlint.audit.interest import Interest, Names, interest
from mmlint.audit.policies import policies
from mmlint.audit.scan import digest, headers, scan
from mmlint.audit.store import Seen, Store
from mmlint.audit.workers import Where, analyse
from mmlint.finding import InputError, Report
from mmlint.frozen import dataclass
from mmlint.inputs.tree import FolderTree, TreeError
from mmlint.places import located
from mmlint.policy.apply import apply_policy
from mmlint.rule import Rule
from mmlint.settings import Settings

_MAKEFILE_HEAD = 2000


@dataclass(frozen=True, slots=True)
class Audit:
    """A report, and the cost of it in files: in the tree, holding a name that matters, analysed in this run."""

    report: Report
    files: int = 0
    passed: int = 0
    analysed: int = 0


def audit(
    root: str,
    settings: Settings,
    names: Names,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    executor: Where | None = None,
    every: bool = False,
) -> Audit:
    """Audit the tree at `root`, or a folder of it as what it is there; paths are those of the tree.

    `names` are the kernel tables; `folder` keeps results between runs, None keeps none.

    Files are analysed by processes of this machine, or by what `executor` gives; with `every`, also those that name
    nothing of mm.
    """
    started = time.monotonic()
    try:
        tree = FolderTree(root)
        top, part = located(root)
        tree = FolderTree(top) if part else tree
    except TreeError as error:
        return Audit(Report(errors=[InputError("", f"{error}; name a kernel tree")]))
    with closing(Store(str(tree.root), folder)) as store:
        wanted = interest(selected(settings), names, every=every)
        done = _Run(tree, settings, store, progress, executor).run(sources(str(tree.root), part), wanted)
    done.report.stats.seconds = time.monotonic() - started
    apply_policy(done.report, settings, root=str(tree.root))
    done.report.policies = policies(done.report, settings, looks_of(tree, settings))
    return done


class _Run:
    def __init__(
        self, tree: FolderTree, settings: Settings, store: Store, progress: Progress | None, executor: Where | None
    ) -> None:
        self.executor = executor
        self.tree, self.settings, self.store, self.progress = tree, settings, store, progress
        self.root = str(tree.root)
        self.jobs = settings.jobs or min(os.cpu_count() or 1, 8)
        self.parts: dict[str, Report] = {}
        self.errors: list[InputError] = []
        self.interrupted = False

    def run(self, files: list[str], wanted: Interest) -> Audit:
        rules = selected(self.settings)
        if not files:
            return Audit(Report(errors=[InputError(self.root, "no C files in this tree; name a kernel tree")]))
        try:
            seen = scan(self.tree, files, wanted, self.store, self.jobs)
        except BrokenExecutor:
            message = "worker processes died three times while reading (out of memory?); try again with --jobs 1"
            return Audit(Report(errors=[InputError(self.root, message)]))
        keys = _keys(seen, _signature(self.tree, rules, self.settings))
        waiting = self._known(keys)
        self._analyse(waiting, keys, seen)
        report = self._report(files, seen)
        warn_of_misfit(self.tree, report)
        if not wanted.every:
            about = f"{len(keys)} of {len(files)} files name something of mm that these rules are about"
            report.notes.append(f"{about}; --every-file reads the others, too")
        return Audit(report, len(files), len(keys), sum(name in self.parts for name in waiting))

    def _known(self, keys: dict[str, str]) -> list[str]:
        """Take what earlier runs found; the files that are left."""
        waiting = []
        for name, key in keys.items():
            kept = self.store.result(name, key)
            if kept is None:
                waiting.append(name)
            else:
                self.parts[name] = kept
        return waiting

    def _analyse(self, waiting: list[str], keys: dict[str, str], seen: dict[str, Seen]) -> None:
        so_far = Report()
        if self.progress is not None:
            self.progress.start(len(waiting), "files", so_far)
        try:
            with closing(analyse(self.root, waiting, self.settings, self.jobs, self.executor)) as results:
                for name, part in results:
                    part.sources.clear()
                    self.parts[name] = part
                    so_far.extend(part)
                    if not part.errors and self.tree.stamp(name) == seen[name].stamp:
                        self.store.keep(name, keys[name], part)
                    if self.progress is not None:
                        self.progress.advance()
        except BrokenExecutor:
            left = next(name for name in waiting if name not in self.parts)
            message = "worker processes died here three times (out of memory?); what is done is kept for the next run"
            self.errors.append(InputError(left, message))
        except KeyboardInterrupt:
            self.interrupted = True
        if self.progress is not None:
            self.progress.done()

    def _report(self, files: list[str], seen: dict[str, Seen]) -> Report:
        report = Report(errors=self.errors, interrupted=self.interrupted)
        for name in sorted(self.parts):
            report.extend(self.parts[name])
        report.findings.sort(key=lambda f: f.sort_key)
        unread = [name for name in files if name not in seen]
        large = [name for name in unread if os.access(f"{self.root}/{name}", os.R_OK)]
        if large:
            report.notes.append(f"{len(large)} files beyond 8 MiB are left out: {', '.join(large)}")
        message = "cannot be read; check its permissions"
        report.errors += [InputError(name, message) for name in unread if name not in large]
        for path in sorted({p for f in report.findings for p in (f.path, *(step.path for step in f.steps))}):
            text = self.tree.read(path)
            if text is not None:
                report.sources[path] = text.decode("utf-8", "replace").splitlines()
        return report


def _keys(seen: dict[str, Seen], signature: str) -> dict[str, str]:
    """The files that are analysed, in order, and the state that a result of each is good for."""
    around = headers(seen)
    return {
        name: digest(signature, seen[name].digest, around.get(name.rpartition("/")[0], ""))
        for name in sorted(seen)
        if seen[name].matters
    }


def _signature(tree: FolderTree, rules: list[Rule], settings: Settings) -> str:
    """What results depend on beside their file: the rules, all of mmlint and of rule packs, the tables, the release."""
    packages = {Path(__file__).parent.parent}
    for rule in rules:
        file = sys.modules[rule.module.partition(".")[0]].__file__
        if file is not None:
            packages.add(Path(file).parent if Path(file).name == "__init__.py" else Path(file))
    parts: list[bytes | str] = [__version__, *(rule.code for rule in rules)]
    for package in sorted(packages):
        files = sorted([*package.rglob("*.py"), *package.rglob("*.toml")]) if package.is_dir() else [package]
        parts += [file.read_bytes() for file in files]
    parts += [Path(name).read_bytes() for name in settings.tables]
    parts.append((tree.read("Makefile") or b"")[:_MAKEFILE_HEAD])
    return digest(*parts)
