"""The shape of the project: which way imports point, how large things are, how messages read, what is committed."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from mmlint.finding import Finding
from mmlint.rule import Rule, load
from mmlint.testing import findings_between, findings_in, fixture_folder

ROOT = Path(__file__).parent.parent
PACKAGES = {"analyzer": "mmlint", "rules": "mmlint_rules"}

_VALUES = {"finding", "rule", "settings", "policy"}
_USERS = _VALUES | {"__version__", "api", "inputs", "output", "patches"}
ALLOWED: dict[str, set[str]] = {
    "kept": set(),
    "frozen": set(),
    "linediff": set(),
    "nearest": set(),
    "tomlfile": set(),
    "interrupt": set(),
    "processes": set(),
    "source": set(),
    "kernel": {"kept"},
    "sim": set(),
    "finding": {"sim"},
    "inputs": {"finding", "source"},
    "facts": {"source", "kernel", "inputs", "finding", "kept"},
    "changes": {"source", "facts", "finding", "kernel"},
    "rule": {"changes", "facts", "finding", "kept", "sim"},
    "mmlint_rules": {"rule", "finding", "changes", "facts", "sim"},
    "failures": {"finding", "rule"},
    "tally": {"facts", "failures", "finding", "kernel", "rule", "triggers"},
    "engine": {"failures", "tally", "changes", "facts", "finding", "rule", "triggers"},
    "triggers": {"kernel", "rule"},
    "settings": {"finding"},
    "policy": {"settings", "rule", "finding"},
    "output": {"__version__", "finding", "rule", "policy", "sim"},
    "patches": {"engine", "changes", "facts", "failures", "finding", "inputs", "interrupt", "kernel", "rule"},
    "fit": {"engine", "changes", "facts", "inputs", "kept", "kernel", "rule"},
    "places": {"finding", "inputs", "patches"},
    "api": {
        "tally",
        "patches",
        "fit",
        "places",
        "engine",
        "changes",
        "facts",
        "interrupt",
        "kernel",
        "inputs",
        "processes",
    }
    | _VALUES,
    "bot": _USERS,
    "audit": _USERS | {"places", "processes", "source", "tally"},
    "server": _USERS,
    "commands": _USERS | {"facts", "fit", "kernel", "kept", "places", "sim", "bot", "audit", "server"},
    "cli": {"commands", "__version__"},
    "__main__": {"cli", "commands", "interrupt", "rule", "__version__"},
    "testing": {"engine", "patches", "changes", "facts", "finding", "inputs", "rule"},
    "__init__": set(),
}
"""By unit (a module or package of `mmlint`, or all rules): the units it may import."""

FOLDERS: dict[str, dict[str, set[str]]] = {
    "facts": {
        "locks": set(),
        "owners": {"locks"},
        "pins": {"locks", "owners"},
        "entries": {"locks"},
        "views": {"locks", "owners", "pins", "entries"},
    },
    "changes": {
        "edits": set(),
        "questions": {"edits"},
        "releases": {"edits", "questions"},
        "locks": {"edits"},
        "values": {"edits", "questions"},
        "weaker": {"edits", "locks"},
        "steps": {"edits", "questions", "releases", "weaker"},
    },
}
"""By package and folder: the folders of it that one may import. The package's own modules import none of them."""

ANYWHERE = {"frozen", "linediff", "nearest", "tomlfile"}
"""Units that all but the simulator may import, which imports nothing of the analyzer."""

TYPES_ONLY = {
    ("facts", "inputs"),
    ("failures", "rule"),
    ("rule", "changes"),
    ("rule", "facts"),
    ("rule", "sim"),
    ("finding", "sim"),
}
"""Arrows that exist for annotations alone: under TYPE_CHECKING."""

MODULE_LINES = 400
SCENARIO_LINES = 750
"""Files of scenarios are lists of independent values."""
FUNCTION_LINES = 60
LARGER_FUNCTIONS = {"analyzer/mmlint/sim/explore.py:explore": 70}


@cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    files = [file for folder, name in PACKAGES.items() for file in sorted((ROOT / folder / name).rglob("*.py"))]
    return tuple((file.relative_to(ROOT), ast.parse(file.read_text(encoding="utf-8"))) for file in files)


def unit(dotted: str) -> str:
    package, *rest = dotted.split(".")
    return package if package == "mmlint_rules" else (rest[0] if rest else "__init__")


def unit_of(path: Path) -> str:
    return unit(".".join(path.with_suffix("").parts[1:]))


def imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module == "mmlint":
        yield from (f"mmlint.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module


def arrows(path: Path, tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """(importing unit, imported unit, line) of every import of the project inside a syntax tree."""
    for node in ast.walk(tree):
        for name in imported(node):
            if name.split(".")[0] in PACKAGES.values() and unit(name) != unit_of(path):
                yield unit_of(path), unit(name), getattr(node, "lineno", 0)


def for_types(tree: ast.Module) -> set[int]:
    """The lines under `if TYPE_CHECKING:`."""
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {line for block in blocks for line in range(block.lineno, (block.body[-1].end_lineno or 0) + 1)}


def test_every_unit_has_a_place() -> None:
    assert {unit_of(path) for path, _ in modules()} - set(ALLOWED) == set()


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path}:{line}: {source} must not import {target}"
        for path, tree in modules()
        for source, target, line in arrows(path, tree)
        if target not in ALLOWED[source] | (ANYWHERE if source != "sim" else set())
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FOLDERS)
def test_folders_import_one_way(package: str) -> None:
    table, wrong = FOLDERS[package], []
    for path, tree in modules():
        if path.parts[2] != package:
            continue
        folder = path.parts[3]
        allowed = table[folder] | {folder} if len(path.parts) > 4 else set()
        names = [name.split(".") for node in ast.walk(tree) for name in imported(node)]
        folders = {name[2] for name in names if len(name) > 2 and name[:2] == ["mmlint", package]} & set(table)
        wrong += [f"{path} must not import {package}.{target}" for target in sorted(folders - allowed)]
    assert wrong == []


def test_arrows_for_annotations_do_nothing_at_run_time() -> None:
    wrong = [
        f"{path}:{line}: import {target} under TYPE_CHECKING"
        for path, tree in modules()
        for source, target, line in arrows(path, tree)
        if (source, target) in TYPES_ONLY and line not in for_types(tree)
    ]
    assert wrong == []


def test_the_table_itself_has_no_circle() -> None:
    rest = {
        name: {t for t in targets if (name, t) not in TYPES_ONLY} & set(ALLOWED) for name, targets in ALLOWED.items()
    }
    while rest:
        free = {name for name, targets in rest.items() if not targets & set(rest)}
        assert free, f"a circle among {sorted(rest)}"
        rest = {name: targets for name, targets in rest.items() if name not in free}


def test_clients_of_the_flow_are_facts() -> None:
    """What is not compiled cannot inherit from the class that is."""
    clients = [
        path
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split("[")[0] == "Client" for base in node.bases)
    ]
    assert len(clients) > 10
    assert [path for path in clients if path.parts[2] != "facts"] == []


def test_rules_do_not_import_each_other_across_families() -> None:
    for path, tree in modules():
        if path.parts[0] == "rules" and len(path.parts) > 3:
            names = [name for node in ast.walk(tree) for name in imported(node) if name.startswith("mmlint_rules.")]
            assert [n for n in names if n.split(".")[1] != path.parts[2]] == [], path


# -------------------------------------------------------------------- sizes


def limit(path: Path) -> int:
    return SCENARIO_LINES if "scenarios" in path.parts else MODULE_LINES


def test_modules_stay_small() -> None:
    sizes = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path, _ in modules()}
    assert [f"{path}: {size} lines, at most {limit(path)}" for path, size in sizes.items() if size > limit(path)] == []


def test_functions_stay_small() -> None:
    sizes = {
        f"{path.as_posix()}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    large = {name: size for name, size in sizes.items() if size > LARGER_FUNCTIONS.get(name, FUNCTION_LINES)}
    assert large == {}
    assert [name for name in LARGER_FUNCTIONS if sizes.get(name, 0) <= FUNCTION_LINES] == []


# ----------------------------------------------------------------- messages


def fixture_findings(rule: Rule) -> list[Finding]:
    folder = fixture_folder(ROOT / "fixtures", rule)
    if rule.check is not None:
        return findings_in((folder / "bad.c").read_text(encoding="utf-8"), rule)
    changelog = folder / "after.txt"
    body = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    before, after = ((folder / f"{side}.c").read_text(encoding="utf-8") for side in ("before", "after"))
    return findings_between(before, after, rule, body=body)


@pytest.mark.parametrize("rule", load(), ids=lambda rule: rule.code)
def test_messages_follow_the_convention(rule: Rule) -> None:
    findings = fixture_findings(rule)
    assert findings
    for finding in findings:
        texts = [finding.message, *(step.message for step in finding.steps)]
        for text in texts:
            assert text[0] == "`" or not text[0].isupper() or text[1:2].isupper(), f"starts with a capital: {text}"
            assert not text.endswith((".", "!")), f"ends with a stop: {text}"
            assert text.count("`") % 2 == 0, f"a backquote without its pair: {text}"
            outside = re.sub(r"`[^`]*`", "", text)
            assert not re.search(r"\b[a-z]+_[a-z_]+\b(?!\.h)", outside), f"an identifier without backquotes: {text}"
        assert len(finding.message) <= 120, finding.message


# ---------------------------------------------------------------- committed


MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:work|root|home/[a-z]\w*|Users/\w+)/")


def test_no_committed_file_names_a_path_of_a_machine() -> None:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    assert len(files) > 100
    found = [str(file.relative_to(ROOT)) for file in files if file.is_file() and MACHINE_PATH.search(file.read_bytes())]
    assert found == []
