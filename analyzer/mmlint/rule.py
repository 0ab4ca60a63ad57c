"""What a rule is, and how the rules are found: by walking `mmlint_rules` and the entry points `mmlint.rules`.

Importing every rule takes as long as checking a small patch. `known` therefore gives this project's rules as they were
kept by an earlier run, for as long as no file of the two packages has changed: all that selects a rule is there, and
its module is imported when its check is called.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from mmlint.finding import Confidence, Hit, Severity
from mmlint.frozen import dataclass
from mmlint.kept import kept, stamp

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from mmlint.changes.change import FunctionChange, PatchView
    from mmlint.facts.function import Function
    from mmlint.facts.views.looked import Looked
    from mmlint.sim.scenario import Scenario

FAMILIES = {
    "REF": "page reference counts",
    "COW": "copy-on-write and fork",
    "GUP": "page pins",
    "PTL": "page-table locks and sleeping",
    "MIG": "migration and TLB flushes",
    "DEV": "ZONE_DEVICE and DAX",
    "PAT": "what a patch changes",
}
_OWN = "mmlint_rules"
_GROUP = "mmlint.rules"
_CODE = re.compile(rf"({'|'.join(FAMILIES)})[1-9]\d\d$")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+$")


class RuleError(ValueError):
    """A rule value that breaks the conventions; raised when the rules are loaded."""


@dataclass(frozen=True)
class Rule:
    """One rule: a value in a file of its own, whose module docstring is its only documentation.

    Exactly one of the three checks is set: `check` looks at a function as it stands, `compare` at a function before
    and after a patch, `check_patch` at a whole patch (changelog included). `needs` names the fact providers the check
    asks for; `tokens` are identifiers of which at least one must occur in a function's text for `check` to run, or one
    of the names that the kernel tables `tables` (attributes of `Tables`) list (hunks alone may not show them, there it
    always runs), and `shape` (a regular expression) is what a file must show beside the tokens: an audit passes over
    files without it; `partial` rules also run on hunks without a tree, where only parts of functions are seen.
    `places` counts what the check looks at, for the policy report of an audit; without it the calls of `tokens` and
    `tables` are counted. `instead_of` are the codes of `compare` rules that say the same of a patch: silent in a
    function in which this rule finds something new; a `compare` rule that is `last` is silent wherever any other does,
    at warning or above. `by_steps` rules ask of what a function did before whether it still
    does it: in a patch that changes a lot, or reverts a commit (`PatchView.takes_away`), they are told at info.
    """

    code: str
    name: str
    summary: str
    severity: Severity
    confidence: Confidence
    since: str
    scenario: Scenario
    check: Callable[[Function], Iterator[Hit]] | None = None
    compare: Callable[[FunctionChange], Iterator[Hit]] | None = None
    check_patch: Callable[[PatchView], Iterator[Hit]] | None = None
    needs: tuple[Callable[..., Any], ...] = ()
    tokens: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    shape: str = ""
    places: Looked | None = None
    partial: bool = False
    instead_of: tuple[str, ...] = ()
    last: bool = False
    by_steps: bool = False
    status: Literal["stable", "preview"] = "stable"
    module: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.module:
            caller = sys._getframe(2).f_globals.get("__name__", "")
            object.__setattr__(self, "module", caller)

    @property
    def family(self) -> str:
        """The three letters of the code."""
        return self.code[:3]

    @property
    def doc(self) -> str:
        """The rule's page: the docstring of its module."""
        return (importlib.import_module(self.module).__doc__ or "").strip()


def validate(rules: list[Rule]) -> None:
    """Raise `RuleError` on the first rule that breaks a convention."""
    seen: dict[str, Rule] = {}
    for rule in rules:
        where = f"rule {rule.code} ({rule.module})"
        if not _CODE.match(rule.code) or not _NAME.match(rule.name):
            raise RuleError(f"{where}: code must look like REF101 and name like raw-page-refcount")
        if sum(c is not None for c in (rule.check, rule.compare, rule.check_patch)) != 1:
            raise RuleError(f"{where}: set exactly one of check, compare and check_patch")
        if not isinstance(rule, _LateRule) and not rule.doc:
            raise RuleError(f"{where}: the module docstring is the rule's page and is missing")
        for key in (rule.code, rule.name):
            if key in seen:
                raise RuleError(f"{where}: {key} is taken by {seen[key].module}")
            seen[key] = rule


def _walk(package: ModuleType) -> Iterator[Rule]:
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        rule = getattr(importlib.import_module(info.name), "RULE", None)
        if isinstance(rule, Rule):
            yield rule


def _any_pack() -> bool:
    """Whether something on the path may offer rules: reading the files is 30 ms faster than loading the library."""
    for folder in map(Path, sys.path):
        if folder.is_file():
            return True
        for listed in folder.glob("*-info/entry_points.txt"):
            if _GROUP.encode() in listed.read_bytes():
                return True
    return False


def _packs() -> Iterable[EntryPoint]:
    from importlib import metadata

    return metadata.entry_points(group=_GROUP)


@cache
def load() -> tuple[Rule, ...]:
    """Every rule installed, by code, with its module. Raises `RuleError` when one is malformed."""
    return _checked([*_walk(importlib.import_module(_OWN)), *_others()])


@cache
def code_stamp() -> str:
    """A key that changes with the files of this project's two packages; empty where they are not installed as files."""
    try:
        return stamp(importlib.import_module(_OWN).__path__[0], str(Path(__file__).parent), suffix="")
    except OSError:
        return ""


@cache
def known() -> tuple[Rule, ...]:
    """The rules of `load`; the module of one of this project's own may be imported only when its check is called.

    `scenario` comes with the module, too, and `needs` is left empty. Raises `RuleError`.
    """
    if load.cache_info().currsize:
        return load()
    key = code_stamp()
    if not key:
        return load()
    rows = kept("rules", importlib.import_module(_OWN).__path__[0], key, lambda: [_row(r) for r in _own()])
    others = list(_others())
    late = [_late(row) for row in rows]
    return _checked([*late, *others]) if others else tuple(late)


def _own() -> tuple[Rule, ...]:
    return _checked(list(_walk(importlib.import_module(_OWN))))


def _others() -> Iterator[Rule]:
    """The rules of other packs."""
    for entry in _packs() if _any_pack() else ():
        target = entry.load()
        yield from [target] if isinstance(target, Rule) else _walk(target)


def _checked(rules: list[Rule]) -> tuple[Rule, ...]:
    rules.sort(key=lambda rule: rule.code)
    validate(rules)
    return tuple(rules)


def find(word: str) -> Rule | None:
    """The rule with this code or name, or None."""
    return next((rule for rule in load() if word in (rule.code, rule.name)), None)


# ----------------------------------------------------------------- late rules

_CHECKS = ("check", "compare", "check_patch")
_PLAIN = (
    "code",
    "name",
    "summary",
    "since",
    "tokens",
    "tables",
    "shape",
    "partial",
    "instead_of",
    "last",
    "by_steps",
    "status",
    "module",
)
_Row = dict[str, Any]


def _row(rule: Rule) -> _Row:
    """What is kept of a rule."""
    row: _Row = {name: getattr(rule, name) for name in _PLAIN}
    row |= {"severity": rule.severity.value, "confidence": rule.confidence.value}
    return row | {"calls": next(name for name in _CHECKS if getattr(rule, name) is not None)}


def _late(row: _Row) -> Rule:
    """A rule made of what was kept of it."""
    rule = object.__new__(_LateRule)
    values = {name: row[name] for name in _PLAIN}
    values |= {"severity": Severity(row["severity"]), "confidence": Confidence(row["confidence"])}
    vars(rule).update(values, **{row["calls"]: _LateCheck(row["module"], row["calls"])})
    return rule


@dataclass(frozen=True)
class _LateCheck:
    """A check of a rule, by the name of its field, in a module that is imported when it is called."""

    module: str
    name: str

    @cached_property
    def real(self) -> Callable[[Any], Iterator[Hit]]:
        """The check itself."""
        found: Callable[[Any], Iterator[Hit]] = getattr(_rule_of(self.module), self.name)
        return found

    def __call__(self, subject: Any) -> Iterator[Hit]:
        return self.real(subject)


class _LateRule(Rule):
    """A rule of which everything but the scenario is there."""

    def __getattr__(self, name: str) -> Any:
        if name != "scenario":
            raise AttributeError(name)
        object.__setattr__(self, name, _rule_of(self.module).scenario)
        return self.scenario


def places_of(rule: Rule) -> Looked | None:
    """The `places` of a rule, also of one that is imported late."""
    return (_rule_of(rule.module) if isinstance(rule, _LateRule) else rule).places


@cache
def _rule_of(module: str) -> Rule:
    rule: Rule = importlib.import_module(module).RULE
    return rule
