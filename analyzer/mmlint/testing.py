"""Fixtures with `want` comments, for the rules of this project and for third-party rule packs.

A fixture line ends in `/* want CODE "words of the message" */` where a finding is expected (`want CODE info "words"`
where it must be no more than that); an unexpected finding and an unmet want are both failures. `todo-want` marks a
known miss and `todo-ok` a known false alarm: each fails as soon as it is no longer true, so that it gets moved.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import check_file, check_patch
from mmlint.facts.program import Program
from mmlint.finding import Finding
from mmlint.frozen import dataclass
from mmlint.inputs.tree import EmptyTree, OverlayTree
from mmlint.patches import changed_lines
from mmlint.rule import Rule

_WANT = re.compile(
    r"/\*\s*(want|todo-want|todo-ok)\s+([A-Z]{3}\d{3})\s*(error|warning|info)?\s*(?:\"([^\"]*)\")?\s*\*/"
)


@dataclass(frozen=True, slots=True)
class Want:
    """One expectation: `kind` is want, todo-want or todo-ok; `level` is the severity where the fixture names one."""

    kind: str
    code: str
    words: str
    line: int
    level: str = ""

    def met_by(self, finding: Finding) -> bool:
        """Whether the finding is the expected one."""
        named = finding.code == self.code and finding.line == self.line and self.words in finding.message
        return named and self.level in ("", finding.severity.value)


def wants(text: str) -> list[Want]:
    """The expectations written in a fixture, lines counting from 1."""
    return [
        Want(found[1], found[2], found[4] or "", number, found[3] or "")
        for number, line in enumerate(text.splitlines(), 1)
        for found in _WANT.finditer(line)
    ]


def findings_in(text: str, rule: Rule, path: str = "mm/fixture.c") -> list[Finding]:
    """What one rule finds in one file of C."""
    program = Program(OverlayTree(EmptyTree(), {path: text.encode()}))
    return check_file(program, path, [rule])


def findings_between(before: str, after: str, rule: Rule, path: str = "mm/fixture.c", body: str = "") -> list[Finding]:
    """What one rule finds new in a change from `before` to `after`, which stands for many small patches."""
    old = Program(OverlayTree(EmptyTree(), {path: before.encode()}))
    new = Program(OverlayTree(EmptyTree(), {path: after.encode()}), old, frozenset((path,)))
    added, removed = changed_lines(before.encode(), after.encode())
    file = FileText(path, path, path, before.encode(), after.encode(), added, removed)
    view = PatchView("fixture", body, old, new, (file,))
    view.changes.extend(pair_functions(file, view))
    return check_patch(view, [replace(rule, by_steps=False)])[0]


def mismatches(text: str, findings: list[Finding], code: str) -> list[str]:
    """What is wrong between expectations and findings, one line each; empty if all is as written."""
    expected = [w for w in wants(text) if w.code == code]
    wrong = []
    for want in expected:
        met = any(want.met_by(f) for f in findings)
        if want.kind == "want" and not met:
            wrong.append(f"line {want.line}: no {code} with {want.words!r}")
        if want.kind == "todo-want" and met:
            wrong.append(f"line {want.line}: {code} is found now: write it as want")
        if want.kind == "todo-ok" and not met:
            wrong.append(f"line {want.line}: {code} is silent now: take the todo-ok away")
    for finding in findings:
        if not any(w.kind != "todo-want" and w.met_by(finding) for w in expected):
            wrong.append(f"line {finding.line}: unexpected {finding.code}: {finding.message}")
    return wrong


def fixture_folder(root: Path, rule: Rule) -> Path:
    """Where a rule's fixtures are."""
    return root / f"{rule.code}-{rule.name}"
