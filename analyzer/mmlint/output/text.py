"""Pieces the writers share: making foreign text harmless, colours, counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from mmlint.finding import Finding, Origin, Policy, Report, Severity

_UNSAFE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_CODES = {"red": "31", "yellow": "33", "blue": "34", "green": "32", "bold": "1", "dim": "2"}
_SEVERITY_COLOR = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}


def plain(text: str, tabs: bool = False) -> str:
    """`text` in one line in which nothing can move a cursor, turn the writing direction or break an encoding.

    Tabs become blanks, or stay with `tabs`.
    """
    return _UNSAFE.sub(_escape, text if tabs else text.replace("\t", " "))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class Style:
    """Colours for a terminal, or none."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def paint(self, text: str, *names: str) -> str:
        """`text` in the colours named."""
        if not self.color or not text:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"

    def link(self, text: str, address: str) -> str:
        """`text` that leads to an address on a terminal that knows how (OSC 8)."""
        return f"\x1b]8;;{plain(address)}\x1b\\{text}\x1b]8;;\x1b\\" if self.color and address else text

    def severity(self, finding: Finding, text: str) -> str:
        """`text` in the colour of the finding's severity."""
        return self.paint(text, "bold", _SEVERITY_COLOR[finding.severity])


def counted(finding: Finding) -> bool:
    """Whether the finding counts for the exit status: it is new, or there was no patch."""
    return finding.origin in (Origin.NEW, Origin.PRESENT)


def there_before(finding: Finding) -> str:
    """What to say of a finding that does not count; an audit compares trees and commits, and has no patch."""
    return "there before the patch" if finding.patch is not None else "there before"


def plural(count: int, word: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def summary(report: Report) -> list[str]:
    """The closing lines of the formats for people."""
    levels = Counter(finding.severity for finding in report.findings if counted(finding))
    before = [finding for finding in report.findings if not counted(finding)]
    parts = [plural(levels[level], level.value) for level in Severity if levels[level]]
    total = sum(levels.values())
    line = f"{plural(total, 'finding')}: {', '.join(parts)}" if total else "no findings"
    line += f" in {plural(report.stats.functions, 'function')} of {plural(report.stats.files, 'file')}"
    lines = ["nothing was checked" if report.errors and not report.stats.files else line]
    if before:
        lines.append(f"{plural(len(before), 'finding')} {there_before(before[0])}")
    if report.suppressed:
        lines.append(f"{plural(len(report.suppressed), 'finding')} suppressed; --show-ignored shows them")
    if report.stats.functions_unread:
        lines.append(f"{plural(report.stats.functions_unread, 'function')} could not be read")
    return lines


def statistics(findings: Iterable[Finding]) -> list[str]:
    """Findings counted by rule, most first."""
    counts = Counter((finding.code, finding.name) for finding in findings)
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [f"{count:6}  {code}  {name}" for (code, name), count in rows]


def policies(rows: Iterable[Policy]) -> list[str]:
    """The policy report as lines: places checked, passed and broken, then findings by what became of them."""
    rows = list(rows)
    if not rows:
        return []
    lines = [f"{'rule':<8}{'checked':>9}{'passed':>9}{'broken':>8}{'failed':>8}{'silenced':>10}  places"]
    for row in rows:
        if row.state != "checked":
            continue
        counts = "" if row.places is None else str(row.places), "" if row.passed is None else str(row.passed)
        silenced = row.inline + row.file + row.baseline + row.left_out
        lines.append(
            f"{row.code:<8}{counts[0]:>9}{counts[1]:>9}{row.broken:>8}{row.failed:>8}{silenced:>10}  {row.what}"
        )
    others: dict[str, list[str]] = {}
    for row in rows:
        if row.state != "checked":
            others.setdefault(row.state, []).append(row.code)
    return [*lines, *(f"{state}: {', '.join(codes)}" for state, codes in others.items())]


def replay(finding: Finding) -> str:
    """The command that replays the proof of a finding, or nothing."""
    return plain(finding.simulation.command)
