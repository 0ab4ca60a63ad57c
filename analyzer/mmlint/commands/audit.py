"""`audit`: all of a kernel tree."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmlint.commands.options import Options, argument, flag
from mmlint.commands.run import complain, fail, run
from mmlint.finding import Report
from mmlint.frozen import dataclass
from mmlint.output import WRITERS, Context, Writer

if TYPE_CHECKING:
    from mmlint import api
    from mmlint.audit.workers import Where
    from mmlint.settings import Settings


@dataclass(frozen=True)
class Page(Writer):
    """The HTML report, which only an audit writes; `trees` are the folders that it is about."""

    trees: tuple[str, ...] = ()

    def render(self, report: Report, context: Context) -> str:
        """The page."""
        from mmlint.audit.page import render
        from mmlint.places import located

        try:
            maintainers = Path(located(self.trees[0])[0], "MAINTAINERS").read_text(encoding="utf-8", errors="replace")
        except OSError:
            maintainers = ""
        return render(report, context, maintainers, [_label(tree) for tree in self.trees])


@dataclass(frozen=True, slots=True)
class Audit(Options):
    """What `mmlint audit` takes."""

    trees: list[str] | None = argument("The kernel tree, or a folder of it.", "TREE")
    html: str | None = flag("Write a page to read and filter (a folder gets index.html).", metavar="FILE")
    sarif: str | None = flag("Write SARIF.", metavar="FILE")
    against: str | None = flag("Tell what is new, the same and gone since another tree.", metavar="TREE")
    git: str | None = flag("Say which commit of A..B (the tree stands at B) brought or removed what.", metavar="RANGE")
    executor: str = flag("Where files are analysed.", metavar="processes|dask", default="processes")
    scheduler: str | None = flag("The scheduler of a dask cluster, such as tcp://10.0.0.1:8786.", metavar="ADDR")
    policies: bool = flag("Say of each rule how many places it looked at, and what came of them.")
    every_file: bool = flag(
        "Read also the files that name nothing of mm, for their other locks and references; six times the cost."
    )
    no_cache: bool = flag("Use and keep no results of earlier runs.")

    def outputs(self) -> list[tuple[Writer, str]]:
        """As every command, with the two files; who asks for files alone gets one line a finding on stdout."""
        chosen = Options.outputs(self)
        if self.output is None and (self.html or self.sarif):
            chosen = [(WRITERS["concise"], "")]
        if self.html:
            page = Path(self.html)
            now = (self.trees or ["."])[0]
            trees = (now, *((_same_part(now, self.against),) if self.against else ()))
            chosen.append((Page("", "a page", trees=trees), str(page / "index.html" if page.is_dir() else page)))
        if self.sarif:
            chosen.append((WRITERS["sarif"], self.sarif))
        return chosen


def audit(options: Audit) -> None:
    """Audit a kernel tree; results are kept, so that an interrupted or repeated run does what is left.

    A finding that depends on another file is only worked out again when its own file or a header of its folder
    changes; --no-cache does everything anew. A folder of a tree is audited alone, as the part of the tree that it is.
    """
    trees = options.trees or []
    if len(trees) != 1:
        fail("audit: name one kernel tree")
    if options.against and options.git:
        fail("audit: --against compares with a tree, --git with commits; give one of them")
    where = _executor(options)
    if options.profile:
        fail("audit: --profile measures one process, and an audit works in several; try it with `mmlint check DIR`")
    tree = trees[0]
    past_tree = _same_part(tree, options.against) if options.against else ""
    machine = any(writer.machine and not file for writer, file in _outputs(options))

    def analysis(settings: Settings, bar: api.Progress | None) -> Report:
        from mmlint import kept
        from mmlint.api import own_tables
        from mmlint.audit.history import against, check_commits, check_past, tell_commits
        from mmlint.audit.run import audit as whole
        from mmlint.kernel.tables import tables
        from mmlint.places import located

        if options.against:
            check_past(options.against)
        if options.git:
            check_commits(tree, options.git)
        names = own_tables(settings.tables) or tables()
        folder = None if options.no_cache else Path(kept.folder())
        audited = partial(
            whole, settings=settings, names=names, folder=folder, progress=bar, executor=where, every=options.every_file
        )
        done = audited(tree)
        if not machine and not options.quiet and not done.report.errors:
            complain(f"{done.analysed} files analysed, {done.passed - done.analysed} as known from earlier runs")
        if past_tree:
            against(done.report, audited(past_tree).report, _label(past_tree))
        if not (options.policies or options.html):
            done.report.policies.clear()
        if options.git:
            root, part = located(tree)
            tell_commits(done.report, str(root), options.git, settings, part)
        return done.report

    run("audit", options, analysis)


def _same_part(tree: str, other: str) -> str:
    """The folder of another tree that a tree or a folder of it is held against."""
    from mmlint.places import located

    part, (root, others) = located(tree)[1], located(other)
    if others not in ("", part):
        fail(f"audit: {others} of --against is not what is audited; name the other tree, or the same folder of it")
    return str(root / part)


def _label(tree: str) -> str:
    """How a tree or a folder of it is called in reports."""
    from mmlint.places import located

    root, part = located(tree)
    return f"{root.name}/{part}" if part else root.name


def _executor(options: Audit) -> Where | None:
    """What gives the workers, None for processes of this machine."""
    if options.executor == "processes":
        if options.scheduler:
            fail("audit: --scheduler is for a dask cluster; give --executor dask with it, or leave it out")
        return None
    if options.executor != "dask":
        fail(f"--executor {options.executor}: processes or dask")
    if not options.scheduler:
        fail("--executor dask: name a scheduler with --scheduler ADDR")
    from mmlint.audit.cluster import cluster

    return partial(cluster, options.scheduler)


def _outputs(options: Audit) -> list[tuple[Writer, str]]:
    from mmlint.settings import SettingsError

    try:
        return options.outputs()
    except SettingsError as error:
        fail(str(error))
