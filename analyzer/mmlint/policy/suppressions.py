"""Suppressions outside the tree: a TOML file of `[[suppression]]` tables, each with code, reason and where it holds."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from mmlint import tomlfile
from mmlint.finding import Finding
from mmlint.frozen import dataclass
from mmlint.nearest import nearest
from mmlint.settings import SettingsError, path_matches
from mmlint.tomlfile import Toml

_KEYS = ("code", "path", "function", "reason", "owner", "until")


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry: findings of `code` in files a glob `path` matches, in `function` if given, up to day `until`."""

    code: str
    path: str
    reason: str
    function: str = ""
    owner: str = ""
    until: date | None = None
    file: str = ""
    line: int = 0

    def covers(self, finding: Finding) -> bool:
        """Whether the entry is about this finding, expired or not."""
        return (
            self.code in (finding.code, finding.name)
            and (not self.function or self.function == finding.function)
            and path_matches(self.path, finding.path)
        )

    def expired(self, today: date) -> bool:
        """Whether `until` (the last day it holds) has passed."""
        return self.until is not None and today > self.until


def read(path: str) -> list[Suppression]:
    """The entries of a suppression file. Raises `SettingsError` naming file and line."""
    try:
        file = tomlfile.read(path, "suppressions")
    except tomlfile.TomlError as error:
        raise SettingsError(str(error)) from None
    unknown = next((key for key in file.data if key != "suppression"), None)
    entries = file.data.get("suppression", [])
    if unknown is not None or not isinstance(entries, list):
        found = unknown or "suppression"
        raise SettingsError(f"{file.at(found)}: expected [[suppression]] tables, found `{found}`")
    return [_entry(entry, file, number) for number, entry in enumerate(entries)]


def _entry(entry: Any, file: Toml, number: int) -> Suppression:
    where = file.at("suppression", number)
    if not isinstance(entry, dict):
        raise SettingsError(f"{where}: a suppression is a table with {', '.join(_KEYS)}")
    for key, value in entry.items():
        if key not in _KEYS:
            raise SettingsError(f"{where}: unknown key `{key}`{nearest(key, _KEYS)}")
        if key == "until":
            if type(value) is not date:
                raise SettingsError(f"{where}: `until` must be a day such as 2027-06-30, not {value!r}")
        elif not isinstance(value, str):
            raise SettingsError(f"{where}: `{key}` must be a string, not {value!r}")
    for key in ("code", "path", "reason"):
        if not str(entry.get(key, "")).strip():
            raise SettingsError(f"{where}: `{key}` is missing; every suppression says what, where and why")
    return Suppression(**entry, file=file.path, line=file.line("suppression", number))


def entry_for(finding: Finding, reason: str) -> str:
    """The TOML text that suppresses a finding in its function and file."""
    rows = [("code", finding.code), ("path", finding.path), ("function", finding.function), ("reason", reason)]
    return "[[suppression]]\n" + "".join(f"{key} = {_quote(value)}\n" for key, value in rows if value)


def _quote(text: str) -> str:
    import json

    return json.dumps(text)


def append(path: str, findings: list[Finding], reason: str) -> int:
    """Append an entry for each finding not covered yet; returns how many. Creates the file if need be."""
    known = read(path) if Path(path).exists() else []
    blocks = dict.fromkeys(
        entry_for(finding, reason) for finding in findings if not any(entry.covers(finding) for entry in known)
    )
    if blocks:
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(("\n" if stream.tell() else "") + "\n".join(blocks))
    return len(blocks)
