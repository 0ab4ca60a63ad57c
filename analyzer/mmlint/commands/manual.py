"""The manual page, made of what the commands declare about themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from mmlint import __version__
from mmlint.commands.options import Options
from mmlint.output import WRITERS
from mmlint.settings import PRESETS

_ABOUT = """\
mmlint reads Linux memory-management code, and the patches that people mail for it, and reports places that break the
rules mm maintainers hold about page references, page pins, copy-on-write and page-table locks. Every finding names a
scenario of a small simulator of the mm in which the reported pattern breaks, and the command that replays it.
"""
_STATUS = (
    ("0", "nothing new at or above the level of --fail-on"),
    ("1", "findings; for patches only what they bring in counts"),
    ("2", "usage, configuration, or input that cannot be read; what could be read is reported all the same"),
    ("3", "nothing to check, with --require-input"),
    ("130", "interrupted; what was found until then is reported"),
)
_FILES = (
    ("mmlint.toml, .mmlint.toml, pyproject.toml", "settings, looked for up to the root of the git repository"),
    ("$XDG_CONFIG_HOME/mmlint/mmlint.toml", "settings of the user, used where there is no file of the project"),
    ("mmlint-suppressions.toml", "suppressions outside the tree, beside the settings or in the working folder"),
    ("mmlint-baseline.json", "the baseline, where neither --file nor the setting names another"),
)
_ENVIRONMENT = (
    ("MMLINT_CONFIG", "the settings file to use"),
    ("NO_COLOR, FORCE_COLOR, CLICOLOR_FORCE", "colours, where --color says nothing"),
    ("XDG_CONFIG_HOME, XDG_CACHE_HOME", "where the user's settings and what is kept between runs are"),
    ("MMLINT_CACHE_DIR", "the folder for what is kept between runs, instead of mmlint below XDG_CACHE_HOME"),
)
_EXAMPLES = (
    ("mmlint check mm/memory.c", "Check a file."),
    ("mmlint patch v2.mbox --tree ~/linux", "Check what a mailed series brings in."),
    ("mmlint patch --staged", "Check what is about to be committed."),
    ("mmlint rule PTL101", "Read why."),
    ("mmlint sim PTL101", "Replay the proof."),
)


def manual(app: Any) -> str:
    """The page in roff, for `man`; `app` is the typer application."""
    from typer.main import get_command

    root = get_command(app)
    rows = [
        f'.TH MMLINT 1 "" "mmlint {__version__}" "User Commands"',
        ".SH NAME",
        "mmlint \\- static analysis of Linux memory-management code and patches",
        ".SH SYNOPSIS",
        ".B mmlint",
        "\\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...",
        ".SH DESCRIPTION",
        _text(_ABOUT),
        ".SH COMMANDS",
    ]
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        rows += _command(f"mmlint {name}", command)
    rows += [".SH COMMON OPTIONS", "The commands that analyse take these."]
    for option in _options(root.commands["check"]):  # type: ignore[attr-defined]
        if option.name in _common():
            rows += _option(option)
    rows += [".SH OUTPUT FORMATS", *_items((name, writer.summary) for name, writer in WRITERS.items())]
    rows += [".SH PRESETS", _text(f"{', '.join(PRESETS)}: see --preset and docs/configuration.md.")]
    for title, items in (("EXIT STATUS", _STATUS), ("FILES", _FILES), ("ENVIRONMENT", _ENVIRONMENT)):
        rows += [f".SH {title}", *_items(items)]
    rows += [".SH EXAMPLES", *_items((example, about) for example, about in _EXAMPLES)]
    rows += [".SH SEE ALSO", ".BR git (1),", ".BR b4 (1)"]
    return "\n".join(rows) + "\n"


def _command(path: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is not None:
        yield f".SS {_plain(path)}"
        yield _text(command.help or "")
        for name, each in inner.items():
            yield from _command(f"{path} {name}", each)
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    yield " ".join((f".SS {_plain(path)}", *(_argument(argument) for argument in arguments)))
    yield _text(command.help or "")
    for argument in arguments:
        if argument.help:
            yield from _item(_argument(argument), argument.help)
    for option in _options(command):
        if option.name not in _common():
            yield from _option(option)
    shared = [max(option.opts, key=len) for option in _options(command) if option.name in _common()]
    if shared:
        yield ".PP"
        all_of_them = len(shared) == len(_common())
        yield "Takes the common options, too." if all_of_them else _text(f"Of the common options: {', '.join(shared)}.")


def _options(command: Any) -> Iterator[Any]:
    return (p for p in command.params if p.param_type_name == "option" and p.name != "help")


def _common() -> frozenset[str]:
    return frozenset(item.name for item in fields(Options))


def _argument(argument: Any) -> str:
    word = argument.metavar or argument.name.upper()
    many = "..." if argument.nargs != 1 else ""
    return f"{word}{many}" if argument.required else f"[{word}]{many}"


def _option(option: Any) -> Iterator[str]:
    names = ", ".join(f"\\fB{_plain(name)}\\fR" for name in sorted(option.opts, key=len))
    value = "" if option.is_flag else f" \\fI{_plain(option.metavar or option.name.upper())}\\fR"
    yield ".TP"
    yield names + value
    yield _text(option.help or "")


def _items(items: Any) -> Iterator[str]:
    for term, about in items:
        yield from _item(term, about)


def _item(term: str, about: str) -> Iterator[str]:
    yield ".TP"
    yield f"\\fB{_plain(term)}\\fR"
    yield _text(about)


def _plain(text: str) -> str:
    return text.replace("\\", "\\e").replace("-", "\\-")


def _text(text: str) -> str:
    """Paragraphs in which nothing is taken for a request."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    filled = (_plain(" ".join(paragraph.split())) for paragraph in paragraphs)
    return "\n.PP\n".join(re.sub(r"^([.'])", r"\\&\1", paragraph) for paragraph in filled)
