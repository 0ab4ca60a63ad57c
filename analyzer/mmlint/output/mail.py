"""`mail`: a reply to each patch that has findings, as an mbox of drafts that `git send-email` or a mailer completes.

The hunk is quoted down to the line a finding is about, the finding stands underneath, at most 72 columns wide. From
and Date are left to whoever sends it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from email.header import Header
from email.utils import formataddr, parseaddr

from mmlint import __version__
from mmlint.finding import Finding, Mail, PatchRef, Report
from mmlint.output import Context
from mmlint.output.hunks import Hunk, hunks
from mmlint.output.text import counted, plain
from mmlint.output.witness import witness

WIDTH = 72
CONTEXT = 8
_SEPARATOR = "From mmlint Thu Jan  1 00:00:00 1970"
_MAX_TURNS = 14


def render(report: Report, _context: Context) -> str:
    """The mbox; empty when nothing is to be said."""
    mails = {mail.patch: mail for mail in report.mails}
    groups: dict[PatchRef, list[Finding]] = {}
    for finding in filter(counted, report.findings):
        groups.setdefault(finding.patch or PatchRef(1, 1, "", ""), []).append(finding)
    order = [*(patch for patch in mails if patch in groups), *(patch for patch in groups if patch not in mails)]
    return "".join(_message(mails.get(patch) or Mail(patch), groups[patch], report) for patch in order)


def _message(mail: Mail, findings: Sequence[Finding], report: Report) -> str:
    body = "\n".join([*_body(mail, findings, report), "", "-- ", f"mmlint {__version__}"])
    quoted = "\n".join(">" + line if line.lstrip(">").startswith("From ") else line for line in body.split("\n"))
    return "\n".join([_SEPARATOR, *_headers(mail), "", quoted, "", ""])


def _headers(mail: Mail) -> list[str]:
    subject = plain(mail.subject or mail.patch.subject) or "mmlint findings"
    headers = [("Subject", subject if subject.lower().startswith("re:") else f"Re: {subject}")]
    if mail.author:
        headers.append(("To", _address(mail.author)))
    others = [address for address in dict.fromkeys((*mail.to, *mail.cc)) if address != mail.author]
    if others:
        headers.append(("Cc", ",\n ".join(_address(address) for address in others)))
    message_id = _angled(mail.patch.message_id)
    if message_id:
        headers.append(("In-Reply-To", message_id))
        headers.append(("References", "\n ".join([*filter(None, map(_angled, mail.references)), message_id])))
    headers += [("MIME-Version", "1.0"), ("Content-Type", "text/plain; charset=utf-8")]
    headers.append(("Content-Transfer-Encoding", "8bit"))
    return [f"{name}: {value if value.isascii() else _encoded(value)}" for name, value in headers]


def _encoded(text: str) -> str:
    return Header(text, "utf-8", maxlinelen=WIDTH).encode(linesep="\n")


def _address(text: str) -> str:
    first = plain(next(iter(text.splitlines()), ""))
    name, address = parseaddr(first)
    return formataddr((name, address)) if address.isascii() and address else _encoded(first)


def _angled(message_id: str) -> str:
    inside = "".join(character for character in message_id if character.isprintable() and character not in "<> ")
    return f"<{inside}>" if inside else ""


def _body(mail: Mail, findings: Sequence[Finding], report: Report) -> list[str]:
    rows = []
    if mail.author:
        wrote = f"On {plain(mail.date)}, {plain(mail.author)} wrote:" if mail.date else f"{plain(mail.author)} wrote:"
        rows += _wrap(wrote)
    left = list(findings)
    for hunk in hunks(mail.diff):
        here = [(position, f) for f in left if (position := hunk.find(f.path, f.line)) is not None]
        rows += _quoted(hunk, sorted(here, key=lambda row: row[0]))
        left = [finding for finding in left if finding not in [f for _, f in here]]
    if left:
        rows += ["", *_wrap("Brought in by this patch, in lines it does not change:")] if rows else []
    for finding in left:
        source = report.sources.get(finding.path, ())
        line = source[finding.line - 1 : finding.line]
        rows += ["", f"{plain(finding.path)}:{finding.line}", *(f"> {plain(text, tabs=True)}" for text in line), ""]
        rows += _remark(finding)
    return rows


def _quoted(hunk: Hunk, here: Sequence[tuple[int, Finding]]) -> Iterable[str]:
    shown = -1
    for position, finding in here:
        first = max(shown + 1, position - CONTEXT)
        if shown < 0:
            yield from (f"> {plain(line, tabs=True)}" for line in hunk.head)
        if first > shown + 1:
            yield "> [...]"
        yield from (f"> {plain(line, tabs=True)}" for line in hunk.lines[first : position + 1])
        yield ""
        yield from _remark(finding)
        yield ""
        shown = max(shown, position)


def _remark(finding: Finding) -> list[str]:
    where = f" in {plain(finding.function)}()" if finding.function else ""
    rows = _wrap(f"{finding.severity.value.upper()} {finding.code} ({finding.confidence.value} confidence){where}:")
    rows += _wrap(plain(finding.message))
    for step in finding.steps:
        rows += _wrap(f"{plain(step.path)}:{step.line}: {plain(step.message)}", "  - ", "    ")
    for note in finding.notes:
        rows += _wrap(plain(note))
    table = _table(finding)
    if table:
        rows += ["", *_wrap("An interleaving that breaks, in the simulator:"), "", *table]
    if finding.simulation.command:
        rows += ["", f"Replay: {plain(finding.simulation.command)}"]
    return rows


def _table(finding: Finding) -> list[str]:
    """The witness, a column for each CPU."""
    played = witness(finding.simulation)
    cpus = list(dict.fromkeys(turn.cpu for turn in played.turns))
    if not cpus:
        return []
    width = (WIDTH - 2) // len(cpus)
    rows = ["  " + "".join(plain(cpu)[: width - 2].ljust(width) for cpu in cpus).rstrip()]
    for turn in played.turns[:_MAX_TURNS]:
        indent = "  " + " " * (width * cpus.index(turn.cpu))
        rows += [indent + line for line in textwrap.wrap(plain(turn.text), width - 2)]
    if len(played.turns) > _MAX_TURNS:
        rows.append(f"  ... {len(played.turns) - _MAX_TURNS} more")
    return [*rows, *_wrap(plain(played.verdict), "  => ", "     ")]


def _wrap(text: str, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
