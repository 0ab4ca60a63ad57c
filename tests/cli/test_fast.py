"""The fast reader of arguments never disagrees with typer: it gives the same options, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmlint.commands.analyse import Check, Patch
from mmlint.commands.binding import bind
from mmlint.commands.fast import read
from typer import Typer
from typer.testing import CliRunner

WORDS = st.sampled_from(
    [
        "--output",
        "-o",
        "json",
        "-ojson",
        "--output=json",
        "--jobs",
        "-j",
        "2",
        "-j2",
        "x",
        "--quiet",
        "-q",
        "-",
        "a.c",
        "--exit-zero",
        "--exit-zero=1",
        "--select",
        "PTL,REF",
        "--",
        "--help",
        "--nothing",
        "--root",
        "--git",
        "HEAD",
        "--staged",
        "--tree=",
        "--color",
        "-qo",
        "--jobs=-1",
        "--select=A=B",
        "",
    ]
)


def typed(kind: type[Check | Patch], words: list[str]) -> Check | Patch | None:
    """What typer makes of the words; None when it refuses them."""
    seen: list[Check | Patch] = []
    app = Typer(rich_markup_mode=None)
    app.command()(bind(kind, seen.append))
    result = CliRunner().invoke(app, words)
    return seen[0] if result.exit_code == 0 and seen else None


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([Check, Patch]), st.lists(WORDS, max_size=5))
def test_same_as_typer_or_nothing(kind: type[Check | Patch], words: list[str]) -> None:
    fast = read(kind, words)
    if fast is not None:
        assert typed(kind, words) == fast


@pytest.mark.parametrize(
    "words",
    [
        ["a.c", "-o", "json", "b.c"],
        ["--select", "PTL", "--select=REF", "-j", "2", "-q"],
        ["-"],
        [],
    ],
)
def test_plain_forms_are_read(words: list[str]) -> None:
    fast = read(Check, words)
    assert fast is not None
    assert typed(Check, words) == fast


@pytest.mark.parametrize(
    "words", [["--help"], ["-qo", "json"], ["--jobs", "two"], ["--output"], ["--quiet=yes"], ["--"]]
)
def test_the_rest_is_left_to_typer(words: list[str]) -> None:
    assert read(Check, words) is None
