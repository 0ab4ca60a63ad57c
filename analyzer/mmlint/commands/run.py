"""From a report to output and exit status: the part that check, patch and audit share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mmlint.commands.options import Options
from mmlint.commands.progress import Progress
from mmlint.finding import Finding, InputError, Report, Suppressed
from mmlint.output import Context, Writer
from mmlint.output.text import counted, plain, plural
from mmlint.rule import RuleError
from mmlint.settings import Settings, SettingsError

if TYPE_CHECKING:
    from mmlint import api

CLEAN, FOUND, UNUSABLE, NOTHING, INTERRUPTED = 0, 1, 2, 3, 130
Analysis = Callable[[Settings, "api.Progress | None"], Report]


def run(command: str, options: Options, analysis: Analysis) -> None:
    """Analyse, write every output and leave with the exit status."""
    try:
        outputs = options.outputs()
    except SettingsError as error:
        fail(str(error))
    human = not any(writer.machine and not file for writer, file in outputs)
    try:
        settings = options.settings()
        if options.show_settings:
            from mmlint.policy.schema import describe

            emit(describe(settings))
            sys.exit(CLEAN)
        report = _analyse(settings, options, analysis, human)
    except (SettingsError, RuleError) as error:
        if human:
            fail(str(error))
        settings, report = Settings(), Report(errors=[InputError("", str(error))])
    except KeyboardInterrupt:  # before there was anything to report; typer would end without a word
        complain("interrupted")
        sys.exit(INTERRUPTED)
    context = Context(
        command=command,
        show_ignored=settings.show_ignored,
        fail_on=settings.fail_on,
        statistics=options.statistics,
        quiet=options.quiet,
        docs_url=settings.docs_url,
    )
    ended = _write(report, outputs, context, options.color, human) or status(report, settings)
    sys.exit(NOTHING if options.require_input and ended == CLEAN and not report.stats.files else ended)


def _analyse(settings: Settings, options: Options, analysis: Analysis, human: bool) -> Report:
    from mmlint.policy.apply import check_selectors

    check_selectors(settings)
    drawn = human and sys.stderr.isatty() and not options.quiet and not options.no_progress
    progress = Progress(sys.stderr) if drawn else None
    if options.verbose:
        _tell(settings)
    try:
        report = _profiled(analysis, settings) if options.profile else analysis(settings, progress)
    finally:
        if progress is not None:
            progress.done()
    if options.verbose:
        _tell_result(report)
    if options.add_ignore is not None:
        _add_ignores(report, settings, options.add_ignore)
    return report


def _profiled(analysis: Analysis, settings: Settings) -> Report:
    from mmlint.commands.profile import measure

    report, table = measure(lambda: analysis(replace(settings, jobs=1), None))
    print(table, end="", file=sys.stderr)
    return report


def _tell(settings: Settings) -> None:
    from mmlint.api import selected
    from mmlint.rule import known

    complain(f"configuration: {', '.join(settings.sources) or 'none'}")
    for name in ("baseline", "suppressions"):
        if getattr(settings, name):
            complain(f"{name}: {getattr(settings, name)}")
    complain(f"{len(selected(settings))} of {len(known())} rules run")


def _tell_result(report: Report) -> None:
    for path in report.whole:
        complain(f"{path}: checked")
    for mail in report.mails:
        complain(f"patch {mail.patch.index}/{mail.patch.total}: {mail.patch.subject}")
    looked_at = f"{plural(report.stats.functions, 'function')} of {plural(report.stats.files, 'file')}"
    complain(f"{looked_at} in {report.stats.seconds:.2f} s")


def _add_ignores(report: Report, settings: Settings, reason: str) -> None:
    from mmlint.policy import suppressions
    from mmlint.policy.codes import find
    from mmlint.policy.discovery import SUPPRESSIONS

    if not reason.strip():
        raise SettingsError("--add-ignore: give the reason the suppressions will carry")
    file = settings.suppressions or SUPPRESSIONS
    added = [finding for finding in report.findings if find(finding.code) is None]
    count = suppressions.append(file, added, reason)
    report.findings = [finding for finding in report.findings if finding not in added]
    report.suppressed += [Suppressed(finding, "file", reason, file) for finding in added]
    report.notes.append(f"{count} suppressions added to {file}")


def status(report: Report, settings: Settings) -> int:
    """0: nothing that counts at or above `fail-on`; 1: something; 2: unreadable input; 130: ended by Ctrl-C."""
    if report.interrupted:
        return INTERRUPTED
    if report.errors:
        return UNUSABLE
    return FOUND if not settings.exit_zero and any(_fails(f, settings) for f in report.findings) else CLEAN


def _fails(finding: Finding, settings: Settings) -> bool:
    return counted(finding) and finding.severity.rank >= settings.fail_on.rank


def _write(report: Report, outputs: list[tuple[Writer, str]], context: Context, color: str, human: bool) -> int:
    """Write everything; returns 2 when a file cannot be written."""
    failed = CLEAN
    for writer, file in outputs:
        if not file:
            colored = colors(color) and not writer.machine
            emit(writer.render(report, replace(context, color=colored)))
            continue
        try:
            Path(file).write_text(writer.render(report, context), encoding="utf-8")
        except OSError as error:
            failed = UNUSABLE
            complain(f"{file}: cannot write: {error.strerror}")
    if human:
        complain_of(report.errors)
        if report.interrupted:
            complain("interrupted; this is what was found until then")
    return failed


def colors(choice: str) -> bool:
    """Whether stdout gets colours: the flag, then FORCE_COLOR and CLICOLOR_FORCE, then NO_COLOR, then a terminal."""
    if choice not in ("auto", "always", "never"):
        fail(f"--color {choice}: one of auto, always, never")
    if choice != "auto":
        return choice == "always"
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and sys.stdout.isatty()


def emit(text: str) -> None:
    """Write to stdout; a reader that has gone away is no error."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"mmlint: {plain(message)}", file=sys.stderr)


def complain_of(problems: Iterable[InputError]) -> None:
    """One line on stderr for each input that could not be read or used."""
    for problem in problems:
        where = f"{problem.path}:{problem.line}" if problem.line else problem.path
        complain(f"{where}: {problem.message}" if where else problem.message)


def fail(message: str) -> NoReturn:
    """One line on stderr, exit status 2."""
    complain(message)
    sys.exit(UNUSABLE)
