"""What a rule is, and how the rules are found: by walking `mmlint_rules` and the entry points `mmlint.rules`."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from mmlint.finding import Confidence, Hit, Severity

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from mmlint.facts.change import FunctionChange, PatchView
    from mmlint.facts.function import Function
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
    asks for; `tokens` are identifiers of which at least one must occur in a function's text for `check` to run;
    `partial` rules also run on hunks without a tree, where only parts of functions are seen. `instead_of` are the codes
    of `compare` rules that say the same of a patch: silent in a function in which this rule finds something new.
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
    partial: bool = False
    instead_of: tuple[str, ...] = ()
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
        return (sys.modules[self.module].__doc__ or "").strip()


def validate(rules: list[Rule]) -> None:
    """Raise `RuleError` on the first rule that breaks a convention."""
    seen: dict[str, Rule] = {}
    for rule in rules:
        where = f"rule {rule.code} ({rule.module})"
        if not _CODE.match(rule.code) or not _NAME.match(rule.name):
            raise RuleError(f"{where}: code must look like REF101 and name like raw-page-refcount")
        if sum(c is not None for c in (rule.check, rule.compare, rule.check_patch)) != 1:
            raise RuleError(f"{where}: set exactly one of check, compare and check_patch")
        if not rule.doc:
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
    """Every rule installed, by code. Raises `RuleError` when one is malformed."""
    rules = list(_walk(importlib.import_module("mmlint_rules")))
    for entry in _packs() if _any_pack() else ():
        target = entry.load()
        rules += [target] if isinstance(target, Rule) else list(_walk(target))
    rules.sort(key=lambda rule: rule.code)
    validate(rules)
    return tuple(rules)


def find(word: str) -> Rule | None:
    """The rule with this code or name, or None."""
    return next((rule for rule in load() if word in (rule.code, rule.name)), None)
