"""Reads the arguments of a command without loading typer, which takes longer than checking a patch.

It knows the plain forms only (`--name value`, `--name=value`, `-o value`, switches, positional arguments). Whatever
else there is, help and mistakes included, is left to typer, which then reads the same arguments from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import Field, fields
from typing import Any, TypeVar

from mmlint.commands.options import Options

_Given = TypeVar("_Given", bound=Options)


def read(kind: type[_Given], words: Sequence[str]) -> _Given | None:
    """The options in `words`, or None when they are not in plain form."""
    known = _names(kind)
    positional = next((item.name for item in fields(kind) if item.metadata["names"] is None), "")
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-" or not word.startswith("-"):
            if not positional:
                return None
            given.setdefault(positional, []).append(word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        item = known.get(name)
        if item is None:
            return None
        if not item.metadata["metavar"]:
            if equals:
                return None
            given[item.name] = True
            continue
        if not equals:
            if not rest or rest[0].startswith("-"):
                return None
            value = rest.pop(0)
        if not _store(item, value, given):
            return None
    return kind(**given)


def _names(kind: type[Options]) -> dict[str, Field[Any]]:
    known = {}
    for item in fields(kind):
        names = item.metadata["names"]
        if names is not None:
            known.update(dict.fromkeys(names or ("--" + item.name.replace("_", "-"),), item))
    return known


def _store(item: Field[Any], value: str, given: dict[str, Any]) -> bool:
    annotation = str(item.type)
    if annotation.startswith("list"):
        given.setdefault(item.name, []).append(value)
    elif annotation.startswith("int"):
        if not (value.isascii() and value.isdigit()):
            return False
        given[item.name] = int(value)
    else:
        given[item.name] = value
    return True
