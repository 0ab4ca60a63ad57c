"""What the user's policy makes of a report: levels, selection by file, confidence, ignores, suppressions, baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from mmlint.finding import Confidence, Finding, Ignore, Origin, Report, Severity, Simulation, Suppressed
from mmlint.nearest import nearest
from mmlint.policy import baseline, inline, suppressions
from mmlint.policy.codes import EXPIRED, POLICY_RULES, UNREASONED, USELESS, PolicyRule
from mmlint.policy.discovery import place_of
from mmlint.policy.gone import Checked
from mmlint.settings import Settings, SettingsError, path_matches

__all__ = ["apply_policy", "check_selectors"]


def apply_policy(report: Report, settings: Settings, today: date | None = None, root: str = "") -> Report:
    """Apply the policy to `report` in place and return it.

    Findings that policy silences move to `report.suppressed`; silencers that did nothing, have expired or give no
    reason become findings with POL codes. `today` is for tests; `root` is the tree where files were checked, in which a
    file that a suppression names may be gone. Raises `SettingsError` when a file of the policy cannot be read.
    """
    entries = suppressions.read(settings.suppressions) if settings.suppressions else []
    known = Counter(row.fingerprint for row in baseline.read(settings.baseline)) if settings.baseline else Counter()
    ignores = _ignores(report) if settings.inline_ignores else []
    checked = Checked(root, report.whole) if root and entries else None
    silencer = _Silencer(report, ignores, entries, known, settings.baseline, today or date.today(), checked)
    before = Counter(finding.code for finding in report.findings)
    findings, report.findings = _leveled(report.findings, settings), []
    report.left_out = dict(before - Counter(finding.code for finding in findings))
    for finding in findings:
        silenced = silencer.silence(finding)
        if silenced is not None:
            report.suppressed.append(silenced)
        else:
            report.findings.append(finding)
    complaints = (found for rule, found in silencer.complaints(settings) if settings.selects(rule))
    report.findings += _leveled(complaints, settings)
    report.findings.sort(key=lambda f: (f.patch.index if f.patch else 0, f.sort_key))
    report.fixed = _leveled(report.fixed, settings)
    return report


def check_selectors(settings: Settings) -> None:
    """Raise `SettingsError` on a selector that names no rule, with the nearest one."""
    from mmlint.rule import FAMILIES, known

    rules = known()
    words = {word for rule in rules for word in (rule.code, rule.name)}
    words |= {word for rule in POLICY_RULES for word in (rule.code, rule.name)}
    words |= {
        "ALL",
        "POL",
        *FAMILIES,
        *(code[:4] for code in words if code[:3].isupper()),
        *(r.code[:5] for r in rules),
    }
    for selector in settings.selectors():
        if selector not in words:
            hint = nearest(selector, words) or "; `mmlint rules` lists them"
            raise SettingsError(f"{place_of(selector, settings.sources)}no rule is called `{selector}`{hint}")


def _leveled(findings: Iterable[Finding], settings: Settings) -> list[Finding]:
    kept = []
    for finding in findings:
        if finding.confidence.rank < settings.min_confidence.rank:
            continue
        if settings.ignored_in(finding.code, finding.name, finding.path):
            continue
        severity = settings.level(finding.code, finding.name, finding.path, finding.severity)
        kept.append(finding if severity is finding.severity else replace(finding, severity=severity))
    return kept


def _ignores(report: Report) -> list[Ignore]:
    """The ignores the analysis handed over, those of mails, and those of files it only kept the lines of."""
    found = list(report.ignores)
    seen = {ignore.path for ignore in found}
    for path, lines in report.sources.items():
        if path not in seen:
            found += inline.scan(path, "\n".join(lines))
    for mail in report.mails:
        found += inline.scan_mail(mail.comment, mail.patch)
    return found


class _Silencer:
    """Finds what silences a finding, and remembers which silencers did something."""

    def __init__(
        self,
        report: Report,
        ignores: Sequence[Ignore],
        entries: Sequence[suppressions.Suppression],
        known: Counter[str],
        baseline_path: str,
        today: date,
        checked: Checked | None,
    ) -> None:
        self._report = report
        self._ignores = ignores
        self._entries = entries
        self._known = known
        self._baseline_path = baseline_path
        self._today = today
        self._checked = checked
        self._used: set[Ignore | suppressions.Suppression] = set()

    def silence(self, finding: Finding) -> Suppressed | None:
        """The finding with what silences it, or None."""
        lines = self._report.sources.get(finding.path, ())
        for ignore in self._ignores:
            if inline.silences(ignore, finding, lines):
                self._used.add(ignore)
                kind = "mail" if ignore.patch else "inline"
                return Suppressed(finding, kind, ignore.reason, _place(ignore))
        for entry in self._entries:
            if entry.covers(finding):
                self._used.add(entry)
                if not entry.expired(self._today):
                    owner = f" (owner: {entry.owner})" if entry.owner else ""
                    return Suppressed(finding, "file", entry.reason + owner, f"{entry.file}:{entry.line}")
        if self._known[finding.fingerprint] > 0:
            self._known[finding.fingerprint] -= 1
            return Suppressed(finding, "baseline", "known before", self._baseline_path)
        return None

    def complaints(self, settings: Settings) -> Iterable[tuple[PolicyRule, Finding]]:
        """Findings about the silencers themselves."""
        for ignore in self._ignores:
            codes = ", ".join(ignore.codes)
            if not ignore.reason or not ignore.codes:
                missing = "reason" if ignore.codes else "rule code"
                yield UNREASONED, _finding(UNREASONED, f"ignore without a {missing} has no effect", ignore)
            elif ignore not in self._used and self._whole(ignore) and _ran(ignore.codes, settings):
                yield USELESS, _finding(USELESS, f"ignore of {codes} silences nothing here", ignore)
        for entry in self._entries:
            if entry.expired(self._today):
                message = f"suppression of {entry.code} in {entry.path} expired on {entry.until}"
                yield EXPIRED, _finding(EXPIRED, message, entry)
            elif entry not in self._used and self._looked_at(entry, settings):
                gone = ": there is no such file" if self._gone(entry) else ""
                message = f"suppression of {entry.code} in {entry.path} silences nothing{gone}"
                yield USELESS, _finding(USELESS, message, entry)

    def _whole(self, ignore: Ignore) -> bool:
        """Whether everything that the ignore could silence was analysed."""
        return ignore.patch in self._report.placed if ignore.patch else ignore.path in self._report.whole

    def _looked_at(self, entry: suppressions.Suppression, settings: Settings) -> bool:
        """Whether this run would have shown what the entry silences: a file it names was analysed whole, or is gone."""
        named = any(path_matches(entry.path, path) for path in self._report.whole)
        return (named or self._gone(entry)) and _ran((entry.code,), settings)

    def _gone(self, entry: suppressions.Suppression) -> bool:
        return self._checked is not None and self._checked.lack(entry.path)


def _ran(codes: Sequence[str], settings: Settings) -> bool:
    """Whether all the rules ran: an ignore of a rule left out is not useless. Unknown codes count as run."""
    from mmlint.rule import known

    named = (rule for rule in known() if rule.code in codes or rule.name in codes)
    return all(map(settings.selects, named))


def _place(ignore: Ignore) -> str:
    return f"{ignore.patch.subject}" if ignore.patch else f"{ignore.path}:{ignore.line}"


def _finding(rule: PolicyRule, message: str, source: Ignore | suppressions.Suppression) -> Finding:
    mail = source.patch if isinstance(source, Ignore) else None
    path = source.path if isinstance(source, Ignore) else source.file
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=Severity.WARNING,
        confidence=Confidence.HIGH,
        message=message,
        path=path or "mail",
        line=max(source.line, 1),
        column=1,
        end_line=max(source.line, 1),
        function="",
        origin=Origin.NEW if mail else Origin.PRESENT,
        simulation=Simulation("", "", "", ""),
        patch=mail,
        anchor=message,
    )
