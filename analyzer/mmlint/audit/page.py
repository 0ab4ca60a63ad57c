"""The report of an audit as one HTML file that needs nothing else: no network, no other file, no server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from mmlint import __version__
from mmlint.audit.maintainers import Subsystems
from mmlint.audit.plot import bars
from mmlint.finding import Confidence, Finding, Origin, Policy, Report, Severity, Simulation
from mmlint.output import Context
from mmlint.output.text import plain, plural
from mmlint.output.witness import witness
from mmlint.rule import FAMILIES

_AROUND = 3
_LONG = 15
"""From so many rows on a table scrolls."""
_BARS = 25
"""Subsystems in the picture; the table has them all."""
_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def render(report: Report, _context: Context, maintainers: str = "", trees: Sequence[str] = ("findings",)) -> str:
    """The whole page; `trees` are the names of the tree and of the one that it is held against.

    `maintainers` is the text of the tree's MAINTAINERS.
    """
    subsystems = Subsystems(maintainers)
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    proofs = _proofs(report.findings)
    rows = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><title>mmlint audit</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>\n{style}</style></head><body>",
        f"<h1>mmlint audit</h1><p>{_summary(report)}</p>",
        *(f"<p>{_text(note)}</p>" for note in report.notes),
        *_problems(report),
        *_overview(report.findings, subsystems),
        *_policies(report.policies),
        *_releases(report, subsystems, trees),
        *_filter(report.findings, subsystems),
        *(row for finding in report.findings for row in _finding(finding, report, proofs, subsystems)),
        *_gone(report.fixed),
        *(row for simulation, number in proofs.items() for row in _proof(simulation, number)),
        f"<script>\n{script}</script></body></html>",
    ]
    return "".join(row + "\n" for row in rows)


def _text(text: str) -> str:
    return escape(plain(text))


def _summary(report: Report) -> str:
    found, silenced = plural(len(report.findings), "finding"), plural(len(report.suppressed), "finding")
    read = f"{plural(report.stats.functions, 'function')} of {plural(report.stats.files, 'file')}"
    unread = report.stats.functions_unread
    more = f"; {plural(unread, 'function')} could not be read in full" if unread else ""
    return f"{found} in {read}{more}; {silenced} suppressed. mmlint {escape(__version__)}."


def _problems(report: Report) -> list[str]:
    items = [f"<li>{_text(problem.path)}: {_text(problem.message)}</li>" for problem in report.errors]
    return ["<h2>Not read</h2><ul>", *items, "</ul>"] if items else []


def _releases(report: Report, subsystems: Subsystems, trees: Sequence[str]) -> list[str]:
    """Findings by subsystem, of the tree that it is held against as well."""
    now = Counter(subsystems.of(finding.path) for finding in report.findings)
    before = Counter(subsystems.of(f.path) for f in (*report.fixed, *report.findings) if f.origin is not Origin.NEW)
    several = len(trees) > 1
    names = sorted(now | (before if several else now), key=lambda name: (-now[name], -before[name], name))[:_BARS]
    rows = [(name, (before[name], now[name]) if several else (now[name],)) for name in names]
    picture = bars([*reversed(trees)], rows)
    return [picture] if picture else []


def _gone(findings: list[Finding]) -> list[str]:
    if not findings:
        return []
    places = (
        f"<li>{_text(f.code)} {_text(f.path)}:{f.line}: {_text(f.message)}"
        f"{''.join(f' ({_text(note)})' for note in f.notes)}</li>"
        for f in findings
    )
    return ["<h2>Gone</h2><ul>", *places, "</ul>"]


def _overview(findings: list[Finding], subsystems: Subsystems) -> list[str]:
    family = Counter(finding.code[:3] for finding in findings)
    folder = Counter("/".join(finding.path.split("/")[:-1][:2]) or "." for finding in findings)
    sure = Counter(finding.confidence.value for finding in findings)
    level = Counter(finding.severity.value for finding in findings)
    named = {letters: f"{letters}: {FAMILIES.get(letters, 'suppressions')}" for letters in family}
    return [
        "<h2>Overview</h2>",
        *_table("Severity", Counter({word: level[word] for word in Severity if level[word]})),
        *_table("Family", Counter({named[letters]: count for letters, count in family.items()})),
        *_table("Confidence", Counter({word: sure[word] for word in Confidence if sure[word]})),
        *_table("Subsystem", Counter(subsystems.of(finding.path) for finding in findings)),
        *_table("Folder", folder),
    ]


def _table(title: str, counts: Counter[str]) -> list[str]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return [
        f'<table class="counts{" long" if len(rows) > _LONG else ""}"><tr><th>{title}</th><th>Findings</th></tr>',
        *(f"<tr><td>{_text(word)}</td><td>{count}</td></tr>" for word, count in rows),
        "</table>",
    ]


def _policies(rows: Sequence[Policy]) -> list[str]:
    """What each rule looked at and what came of it: silence can be told from blindness."""
    if not rows:
        return []
    titles = ("Rule", "Name", "Looks at", "Places", "Passed", "Broken", "Failed", "Ignored in the code",
              "In a suppression file", "In the baseline", "Left out by levels")  # fmt: skip
    return [
        "<h2>Policies</h2><p>Places that break a rule for one cause are one finding.</p>",
        f'<table class="policies"><tr>{"".join(f"<th>{title}</th>" for title in titles)}</tr>',
        *(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in _policy(row))}</tr>" for row in rows),
        "</table>",
    ]


def _policy(row: Policy) -> list[str]:
    if row.state != "checked":
        return [row.code, row.name, row.state, *[""] * 8]
    numbers = (row.places, row.passed, row.broken, row.failed, row.inline, row.file, row.baseline, row.left_out)
    return [row.code, row.name, row.what, *("" if number is None else str(number) for number in numbers)]


def _filter(findings: list[Finding], subsystems: Subsystems) -> list[str]:
    return [
        "<h2>Findings</h2>",
        '<form><input name="text" type="search" placeholder="path, function, rule, words" aria-label="Search">',
        *_choice("severity", Severity),
        *_choice("confidence", Confidence),
        *_choice("family", sorted({finding.code[:3] for finding in findings})),
        *_choice("subsystem", sorted({subsystems.of(finding.path) for finding in findings})),
        *_choice("origin", sorted({finding.origin.value for finding in findings})),
        '<output name="shown"></output></form>',
    ]


def _choice(name: str, words: Iterable[str]) -> list[str]:
    options = [f'<option value="{_text(word)}">{_text(word)}</option>' for word in words]
    return [f'<select name="{name}" aria-label="{name}"><option value="">any {name}</option>', *options, "</select>"]


def _finding(finding: Finding, report: Report, proofs: dict[Simulation, int], subsystems: Subsystems) -> list[str]:
    about = {
        "code": finding.code,
        "severity": finding.severity.value,
        "confidence": finding.confidence.value,
        "family": finding.code[:3],
        "subsystem": subsystems.of(finding.path),
        "origin": finding.origin.value,
        "fingerprint": finding.fingerprint,
    }
    data = " ".join(f'data-{name}="{_text(value)}"' for name, value in about.items())
    where = f" in {_text(finding.function)}()" if finding.function else ""
    rows = [
        f'<article class="{_text(finding.severity.value)}" {data}>',
        f"<h3>{_text(finding.code)} {_text(finding.message)}</h3>",
        f"<p>{_text(finding.path)}:{finding.line}{where}. {_text(finding.name)}, {finding.severity.value}, "
        f"{finding.confidence.value} confidence.</p>",
        *_excerpt(finding.path, finding.line, finding.end_line, report),
    ]
    if finding.steps:
        rows.append("<ol>")
        for step in finding.steps:
            rows.append(f"<li>{_text(step.path)}:{step.line}: {_text(step.message)}")
            rows += [*_excerpt(step.path, step.line, step.line, report, around=0), "</li>"]
        rows.append("</ol>")
    rows += [f"<p>{_text(note)}</p>" for note in finding.notes]
    if finding.simulation.command:
        rows.append(
            f'<p>Proof: <a href="#proof-{proofs[finding.simulation]}">{_text(finding.simulation.scenario)}</a>, '
            f"replay with <code>{_text(finding.simulation.command)}</code></p>"
        )
    return [*rows, "</article>"]


def _excerpt(path: str, first: int, last: int, report: Report, around: int = _AROUND) -> list[str]:
    """The source around a place, its lines marked; nothing where the place is not in the file."""
    lines = report.sources.get(path, [])
    if not 1 <= first <= len(lines):
        return []
    begin, end = max(first - around, 1), min(max(last, first) + around, len(lines))
    rows = []
    for number in range(begin, end + 1):
        text = f"{number:6} {escape(plain(lines[number - 1], tabs=True))}"
        rows.append(f"<b>{text}</b>" if first <= number <= max(last, first) and around else f"{text}\n")
    return [f"<pre>{''.join(rows)}</pre>"]


def _proofs(findings: list[Finding]) -> dict[Simulation, int]:
    """The proofs behind the findings, each with its number on the page."""
    unique = dict.fromkeys(finding.simulation for finding in findings if finding.simulation.command)
    return {simulation: number for number, simulation in enumerate(unique, 1)}


def _proof(simulation: Simulation, number: int) -> list[str]:
    played = witness(simulation)
    rows = ["<h2>Proofs</h2>"] if number == 1 else []
    rows.append(f'<section id="proof-{number}"><h3>{_text(simulation.scenario)}</h3>')
    rows.append(f"<p><code>{_text(simulation.command)}</code>, tested by <code>{_text(simulation.test)}</code></p>")
    if played.turns:
        rows.append('<p class="stepper"><button data-step="-1">Back</button><button data-step="1">Step</button></p>')
        rows.append("<table><tr><th>CPU</th><th>Step</th></tr>")
        rows += [
            f'<tr class="turn"><td>{_text(turn.cpu)}</td><td>{_text(turn.text)}</td></tr>' for turn in played.turns
        ]
        rows.append(f"</table><p>{_text(played.verdict)}</p>")
    return [*rows, "</section>"]
