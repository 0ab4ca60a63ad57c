"""Every `mmlint ...` that a document shows is a command line that there is; nothing of it is run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from mmlint.cli import app

from tests.cli.transcript import ROOT

# docs/modules.md lists modules, with the docstrings of commands.
SHOWN = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "modules.md")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *SHOWN]
START = re.compile(r"(?:^|[|;] |\$ |exec |run: |replay: |cmd = |/bin/)mmlint (?=[a-z-])")
FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """The command lines of a document, and whether each is whole: prose may name a command without its arguments."""
    for block in FENCED.findall(text):
        for line in re.split(r"\n|\\n'", block.replace("\\\n", " ")):
            yield from ((line[found.end() :], True) for found in START.finditer(line))
    for span in INLINE.findall(FENCED.sub("", text)):
        yield from ((span[found.end() :].replace("\n", " "), False) for found in START.finditer(span))


def words(line: str) -> list[str]:
    """The arguments: what stands before a comment, a pipe, a redirection or the next command."""
    split = shlex.shlex(line, posix=True, punctuation_chars="|;<>&")
    split.whitespace_split = True
    found = []
    for word in split:
        if set(word) <= set("|;<>&"):
            break
        found.append(word)
    return found


def wrong_with(line: str, whole: bool) -> str:
    """What the command line has against it, or nothing."""
    command, rest = typer.main.get_command(app), words(line)
    while rest and hasattr(command, "commands"):
        word = rest.pop(0)
        if any(word in option.opts for option in command.params):
            return ""
        if word not in command.commands:
            return "no such command"
        command = command.commands[word]
    if hasattr(command, "commands"):
        return "the command is missing" if whole else ""
    try:
        command.make_context("mmlint", rest)
    except Exception as error:
        return "" if not whole and type(error).__name__ == "MissingParameter" else str(error)
    return ""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_line_is_one(document: Path) -> None:
    shown = list(lines(document.read_text(encoding="utf-8")))
    assert [(line, wrong) for line, whole in shown if (wrong := wrong_with(line, whole))] == []


def test_all_kinds_of_places_are_looked_at() -> None:
    text = (
        "```sh\nb4 am -o- ID | mmlint patch - --tree ~/linux   # a series\nmmlint bot once bot.toml\n```\n"
        "and `mmlint check\n--show-settings`, or `mmlint rule`.\n"
    )
    assert [(words(line), whole) for line, whole in lines(text)] == [
        (["patch", "-", "--tree", "~/linux"], True),
        (["bot", "once", "bot.toml"], True),
        (["check", "--show-settings"], False),
        (["rule"], False),
    ]
    assert sum(len(list(lines(path.read_text(encoding="utf-8")))) for path in DOCUMENTS) > 80


@pytest.mark.parametrize(
    "line", ["bot once --config bot.toml", "bto once", "bot", "sims x", "check --tre .", "check -j x"]
)
def test_what_there_is_not_is_seen(line: str) -> None:
    assert wrong_with(line, whole=True)
