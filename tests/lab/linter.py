"""What the linter says of each edit, given to it as a patch on the intact tree."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmlint.api import check_patches
from mmlint.settings import Settings

from tests.lab.edits import Edit, plain
from tests.lab.mutations import Mutation


@dataclass(frozen=True, slots=True)
class Said:
    """A finding, as the tables show it."""

    code: str
    place: str
    function: str


def as_patch(tree: Path, mutation: Mutation) -> str:
    """The plain rendering of a mutation as a unified diff."""
    by_file: dict[str, list[Edit]] = {}
    for edit in mutation.edits:
        by_file.setdefault(edit.file, []).append(edit)
    return "".join(_diff(name, (tree / name).read_text(encoding="utf-8"), edits) for name, edits in by_file.items())


def _diff(name: str, before: str, edits: Iterable[Edit]) -> str:
    after = plain(before, edits)
    lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), f"a/{name}", f"b/{name}")
    return "".join(lines)


def findings(tree: Path, mutation: Mutation) -> tuple[Said, ...]:
    """What is new with the mutation. Raises RuntimeError if the patch cannot be checked."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{mutation.name}.patch"
        file.write_text(as_patch(tree, mutation), encoding="utf-8")
        report = check_patches([str(file)], Settings(), tree=str(tree))
    if report.errors:
        raise RuntimeError(str(report.errors[0]))
    return tuple(Said(f.code, f"{f.path}:{f.line}", f.function) for f in report.findings)
