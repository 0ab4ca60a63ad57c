"""The front end on real kernel trees, against universal-ctags."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from mmlint.source.file import FunctionSource, SourceFile

from benchmarks.frontend import compare, listed_functions, texts_of

pytestmark = pytest.mark.kernel


def kernels() -> list[Path]:
    named = [Path(part) for part in os.environ.get("MMLINT_KERNELS", "").split(":") if part]
    return [path for path in named or sorted((Path.home() / "kernel").glob("linux-source-*")) if (path / "mm").is_dir()]


@pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
@pytest.mark.parametrize("folder", ["mm", "kernel/events", "lib"])
def test_every_function_is_found_and_read(tree: Path | None, folder: str) -> None:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    if shutil.which("ctags") is None:
        pytest.skip("universal-ctags is not installed")
    texts = texts_of(tree, sorted(path.relative_to(tree) for path in (tree / folder).glob("*.c")))
    result = compare(texts, listed_functions(tree, list(texts)))
    assert result.listed > 100
    assert result.same_share >= 0.998, result.differences
    assert result.read_share >= 0.995, result.damaged


CALL = re.compile(rb"\b(?!(?:if|while|for|switch|return|sizeof|defined|else)\b)([A-Za-z_]\w*)\(")


def misread_calls(function: FunctionSource) -> list[str]:
    """Calls in the body that its tree takes for a type, a declarator or a function of its own."""
    found = []
    at = function.body.start_byte
    lines = function.parsed.text[at:].split(b"\n")
    for text in lines:
        for match in () if text.lstrip().startswith(b"#") else CALL.finditer(text):
            node = function.node.descendant_for_byte_range(at + match.start(1), at + match.end(1))
            assert node is not None
            around = node.parent.type if node.parent is not None else ""
            if node.type == "type_identifier" or around in {"macro_type_specifier", "function_declarator"}:
                found.append(f"{function.path}:{function.line(node)} {match[1].decode()}")
        at += len(text) + 1
    return found


@pytest.mark.parametrize("tree", kernels() or [None], ids=lambda tree: tree.name if tree else "none")
def test_no_call_is_taken_for_a_declaration(tree: Path | None) -> None:
    if tree is None:
        pytest.skip("no kernel tree (MMLINT_KERNELS)")
    texts = texts_of(tree, sorted(path.relative_to(tree) for path in (tree / "mm").glob("*.c")))
    functions = [function for path, text in texts.items() for function in SourceFile(path, text).functions]
    assert len(functions) > 5000
    assert [call for function in functions for call in misread_calls(function)] == []
