"""Every format against its golden file; `MMLINT_UPDATE_GOLDENS=1 pytest tests/output` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mmlint.output import WRITERS, Context

from tests.output.sample import report

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", WRITERS)
def test_format_is_as_recorded(name: str) -> None:
    text = WRITERS[name].render(report(), Context(command="patch", show_ignored=True, statistics=True))
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("MMLINT_UPDATE_GOLDENS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_no_golden_without_a_format() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(WRITERS)


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_foreign_can_drive_a_terminal(name: str) -> None:
    text = WRITERS[name].render(report(), Context(command="patch", show_ignored=True))
    assert not {
        character for character in text if (ord(character) < 32 and character not in "\n\t") or character == "\x7f"
    }
    assert "\u202e" not in text
    text.encode("utf-8")
