"""The files around the rules of a pack: a distribution of one's own, found by the entry point `mmlint.rules`."""

from __future__ import annotations

import re

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{distribution}"
version = "0.1.0"
description = "Rules for mmlint"
requires-python = ">=3.11"
dependencies = ["mmlint"]

[project.entry-points."mmlint.rules"]
{package} = "{package}"

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""
_INIT = '"""Rules for mmlint: one file each; nothing is registered by hand."""\n'
_TEST = '''"""Every rule on its fixtures: what is wanted is found, and nothing else. Needs `pip install -e .` first."""

from pathlib import Path

import pytest
from mmlint import testing
from mmlint.rule import Rule, load
from mmlint.sim.scenario import HOLDS

FIXTURES = Path(__file__).parent.parent / "fixtures"
RULES = [rule for rule in load() if rule.module.split(".")[0] == "{package}"]


def test_the_pack_is_installed() -> None:
    assert RULES


@pytest.mark.parametrize("name", ["bad.c", "good.c"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_fixture(rule: Rule, name: str) -> None:
    text = (testing.fixture_folder(FIXTURES, rule) / name).read_text(encoding="utf-8")
    assert testing.mismatches(text, testing.findings_in(text, rule), rule.code) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_proof(rule: Rule) -> None:
    """The scenario's bad variant breaks, its good one holds over all interleavings."""
    assert rule.scenario.explore("bad").kind != HOLDS
    assert rule.scenario.explore("good").kind == HOLDS
'''
PACKAGE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def files(package: str) -> dict[str, str]:
    """The files of a pack by path, besides its rules and their fixtures."""
    words = {"package": package, "distribution": package.replace("_", "-")}
    return {
        "pyproject.toml": _PYPROJECT.format(**words),
        f"{package}/__init__.py": _INIT,
        "tests/test_rules.py": _TEST.format(**words),
    }
