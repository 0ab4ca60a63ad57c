"""Rules run over functions: hits become findings, and the findings of two states are told apart."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mmlint.changes.change import PatchView
from mmlint.facts.function import Function
from mmlint.facts.locks.above import callers
from mmlint.facts.program import Program
from mmlint.facts.views.summaries import summary
from mmlint.failures import Failures, note_failure
from mmlint.finding import Confidence, Finding, Hit, Origin, Severity, Simulation, Step
from mmlint.rule import Rule
from mmlint.tally import tally
from mmlint.triggers import triggers

_CALLER_DEPTH = 3
_MAX_CALLERS = 60


def simulation(rule: Rule, hit: Hit | None = None) -> Simulation:
    """The proof of a rule, or the hit's own, as findings carry it."""
    scenario = (hit.scenario if hit is not None else None) or rule.scenario
    return Simulation(scenario.name, scenario.schedule, scenario.test, scenario.command)


def to_finding(rule: Rule, hit: Hit, path: str, function: str, *, cap: Confidence = Confidence.HIGH) -> Finding:
    """A hit of a rule as a finding; `cap` bounds the confidence (hunks alone)."""
    confidence = (hit.confidence or rule.confidence).at_most(cap)
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=hit.severity or rule.severity,
        confidence=confidence,
        message=hit.message,
        path=hit.path or path,
        line=hit.line,
        column=hit.column,
        end_line=hit.end_line or hit.line,
        function=function,
        origin=Origin.PRESENT,
        simulation=simulation(rule, hit),
        steps=hit.steps,
        anchor=hit.anchor,
        cause=hit.cause,
    )


def check_function(function: Function, rules: Sequence[Rule], failures: Failures | None = None) -> Iterator[Finding]:
    """The findings of the `check` rules in one function; hunks may not show the words that a rule is told by.

    What a rule raises is noted in `failures`, if given.
    """
    partial = function.program.partial
    cap = Confidence.MEDIUM if partial else Confidence.HIGH
    for rule in rules if partial else triggers(rules, function.tables).woken_by(function.words):
        if rule.check is None or (partial and not rule.partial):
            continue
        try:
            for hit in rule.check(function):
                if function.source.damaged and function.cfg.truncated:
                    return
                yield to_finding(rule, hit, function.path, function.name, cap=cap)
        except Exception as error:
            note_failure(failures, error, rule, function.path, function.line)


def check_file(
    program: Program,
    path: str,
    rules: Sequence[Rule],
    places: dict[str, tuple[int, int]] | None = None,
    failures: Failures | None = None,
) -> list[Finding]:
    """The findings of the `check` rules in one file, numbered and in order, one for each cause.

    `places`, if given, gets for each rule the places that it looked at and those that break it; what a rule raises is
    noted in `failures`, if given.
    """
    found = number(f for function in program.functions(path) for f in check_function(function, rules, failures))
    if places is not None:
        places.update(tally(program.functions(path), rules, found, failures))
    return one_a_cause(found)


def one_a_cause(findings: Iterable[Finding]) -> list[Finding]:
    """Of findings that share a cause the most severe, the first of several, with the other places as its last steps."""
    causes: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
    for place, finding in enumerate(findings):
        same = (finding.code, finding.path, finding.cause) if finding.cause else (str(place),)
        causes[same].append(finding)
    out = []
    for same_cause in causes.values():
        first = max(same_cause, key=lambda f: f.severity.rank)
        others = [Step(f.path, f.line, f"the same here: {f.message}") for f in same_cause if f is not first]
        out.append(replace(first, steps=(*first.steps, *others)) if others else first)
    return sorted(out, key=lambda f: f.sort_key)


def number(findings: Iterable[Finding]) -> list[Finding]:
    """Findings in order, one for each place, with ordinals that tell equal ones in a function apart."""
    unique = {(f.code, f.path, f.line, f.column, f.message): f for f in findings}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    out = []
    for finding in sorted(unique.values(), key=lambda f: f.sort_key):
        key = (finding.code, finding.path, finding.function, finding.anchor)
        out.append(replace(finding, ordinal=seen[key]) if seen[key] else finding)
        seen[key] += 1
    return out


# ------------------------------------------------------------------- patches


def check_patch(
    view: PatchView, rules: Sequence[Rule], failures: Failures | None = None
) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """What a patch brings, what was there and still is, and what it takes away.

    Where a rule on the state of the code has spoken, a comparison that points at the same line says nothing more, nor
    one in the same function of a rule that it stands in for, or that comes last. What a rule raises is noted in
    `failures`, if given.
    """
    before = [c.before for c in view.changes if c.before is not None]
    after = [c.after for c in view.changes if c.after is not None]
    if not (view.partial or view.crowded):
        callers = _affected_callers(view)
        before += [b for b, _ in callers if b is not None]
        after += [a for _, a in callers]
    old = number(f for function in before for f in check_function(function, rules, failures))
    new = number(f for function in after for f in check_function(function, rules, failures))
    brought, kept, gone = compare(old, new)
    loud = [f for f in brought if f.severity.rank >= Severity.WARNING.rank]
    said = {(f.path, f.line) for f in loud}
    instead = {rule.code: rule.instead_of for rule in rules if rule.instead_of}
    covered = {(f.path, f.function, code) for f in loud for code in instead.get(f.code, ())}
    compared = [f for f in _compared(view, rules, failures) if (f.path, f.line) not in said]
    covered |= {(f.path, f.function, code) for f in compared for code in instead.get(f.code, ())}
    brought += [f for f in compared if (f.path, f.function, f.code) not in covered]
    return one_a_cause(number(_without_last(brought, rules))), kept, gone


def _without_last(found: Sequence[Finding], rules: Sequence[Rule]) -> list[Finding]:
    """Without what rules that are `last` say of functions of which another one, or the first of them, has spoken."""
    last = [rule.code for rule in rules if rule.last]
    speaks: dict[tuple[str, str], str] = {}
    loud = (f for f in found if f.severity.rank >= Severity.WARNING.rank and f.function)
    for finding in sorted(loud, key=lambda f: last.index(f.code) if f.code in last else -1):
        speaks.setdefault((finding.path, finding.function), finding.code)
    return [f for f in found if f.code not in last or speaks.get((f.path, f.function), f.code) == f.code]


def _compared(view: PatchView, rules: Sequence[Rule], failures: Failures | None) -> Iterator[Finding]:
    cap = Confidence.MEDIUM if view.partial else Confidence.HIGH
    for rule in rules:
        if view.partial and not rule.partial:
            continue
        if rule.compare is not None:
            for change in (c for c in view.changes if not c.wide):
                try:
                    for hit in rule.compare(change):
                        told = replace(hit, severity=Severity.INFO) if rule.by_steps and view.takes_away else hit
                        yield to_finding(rule, told, change.file.path, change.name, cap=cap)
                except Exception as error:
                    line = change.after.line if change.after is not None else 0
                    note_failure(failures, error, rule, change.file.path, line)
        elif rule.check_patch is not None:
            first = view.files[0].path if view.files else ""
            try:
                for hit in rule.check_patch(view):
                    yield to_finding(rule, hit, hit.path or first, "", cap=cap)
            except Exception as error:
                note_failure(failures, error, rule, first)


def _affected_callers(view: PatchView) -> list[tuple[Function | None, Function]]:
    """Callers, up to three levels, of functions whose summary the patch changes."""
    changed = {(c.after.path, c.after.name) for c in view.changes if c.after is not None}
    found: dict[tuple[str, str], tuple[Function | None, Function]] = {}
    work = [(c.before, c.after, 0) for c in view.changes if c.after is not None]
    while work and len(found) < _MAX_CALLERS:
        before, after, depth = work.pop(0)
        if depth >= _CALLER_DEPTH or (depth == 0 and not _may_matter(before, after)):
            continue
        if before is not None and summary(before) == summary(after):
            continue
        if before is None and depth == 0 and not any(summary(after)):
            continue
        for caller in callers(after, including=True):
            key = (caller.path, caller.name)
            if key in changed or key in found:
                continue
            old = next(iter(view.before.named(caller.path, caller.name)), None)
            found[key] = (old, caller)
            view.after.look_again(caller.path)
            work.append((old, caller, depth + 1))
    return list(found.values())


_CALLED = re.compile(rb"\b([A-Za-z_]\w*)\s*\(")
_GFP = re.compile(rb"GFP_\w+|gfp")


def _may_matter(before: Function | None, after: Function) -> bool:
    """Whether a change touches what callers could notice: takers, droppers, sleepers, masks, what leads to them."""
    old = Counter(before.text.splitlines() if before is not None else [])
    new = Counter(after.text.splitlines())
    changed = b"\n".join([*(old - new), *(new - old)])
    if _GFP.search(changed):
        return True
    table = after.tables
    for name in {found.decode() for found in _CALLED.findall(changed)} - table.nosleep:
        if name in table.sleeps or name in table.takes or name in table.drops or name in table.page_takers:
            return True
        if any(_noticed(f, name) for f in (before, after) if f is not None):
            return True
    return False


def _noticed(function: Function, name: str) -> bool:
    callee = function.program.resolve(name, function.path)
    return callee is not None and any(summary(callee))


_NAME = re.compile(r"\b(?<!under )[A-Za-z_]\w*(?!\w|\s*\()")
_LINE = re.compile(r"\bline \d+")


def _shape(anchor: str) -> str:
    """The anchor with its variables made anonymous; calls keep their names, and so does what they stand under."""
    return _NAME.sub("_", anchor)


_KEYS: tuple[Callable[[Finding], tuple[str, ...]], ...] = (
    lambda f: (f.code, f.path, f.function, f.anchor),
    lambda f: (f.code, f.path, f.function, _shape(f.anchor)),
    lambda f: (f.code, f.path, f.function, f.severity, _LINE.sub("", f.message)),
    lambda f: (f.code, f.anchor),
    lambda f: (f.code, _shape(f.anchor)),
)


def compare(old: list[Finding], new: list[Finding]) -> tuple[list[Finding], list[Finding], list[Finding]]:
    """(new, kept, gone): findings matched by function and text, then with variables renamed, with other
    arguments, and moved elsewhere.
    """
    left, right = list(old), list(new)
    kept: list[Finding] = []
    for key in _KEYS:
        waiting: dict[tuple[str, ...], list[Finding]] = defaultdict(list)
        for finding in left:
            waiting[key(finding)].append(finding)
        unmatched = []
        for finding in right:
            partners = waiting.get(key(finding))
            if partners:
                left.remove(partners.pop(0))
                kept.append(finding)
            else:
                unmatched.append(finding)
        right = unmatched
    return right, kept, left
