"""Suppressions outside the tree: a TOML file of `[[suppression]]` tables, each with code, reason and where it holds."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

from mmlint.finding import Finding
from mmlint.frozen import dataclass
from mmlint.settings import SettingsError, nearest, path_matches

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
    import tomllib

    try:
        text = Path(path).read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingsError(f"{path}: cannot read the suppressions: {reason}") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from None
    unknown = next((key for key in data if key != "suppression"), None)
    entries = data.get("suppression", [])
    if unknown is not None or not isinstance(entries, list):
        raise SettingsError(f"{path}: expected [[suppression]] tables, found `{unknown or 'suppression'}`")
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*suppression\s*\]\]", line)]
    lines = starts if len(starts) == len(entries) else [0] * len(entries)
    return [_entry(entry, path, line) for entry, line in zip(entries, lines, strict=True)]


def _entry(entry: Any, file: str, line: int) -> Suppression:
    where = f"{file}:{line}" if line else file
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
    return Suppression(**entry, file=file, line=line)


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
