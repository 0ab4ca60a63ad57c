"""A baseline: the findings a project knows of and has not mended yet, by fingerprint, never by line number."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path
from typing import Any

from mmlint.finding import Finding
from mmlint.frozen import dataclass
from mmlint.settings import SettingsError

DEFAULT = "mmlint-baseline.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One known finding. `path` and `message` are for people; only the fingerprint is matched."""

    path: str
    code: str
    function: str
    message: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What two runs have only in the second, only in the first, and in both."""

    new: tuple[Entry, ...]
    gone: tuple[Entry, ...]
    kept: tuple[Entry, ...]


def _sorted(rows: Iterable[Entry]) -> list[Entry]:
    return sorted(rows, key=attrgetter(*Entry.__slots__))


def entries(findings: Iterable[Finding]) -> list[Entry]:
    """The baseline entries of findings, sorted."""
    return _sorted(Entry(f.path, f.code, f.function, f.message, f.fingerprint) for f in findings)


def read(path: str) -> list[Entry]:
    """The entries of a baseline, or of a run saved with `--output json`. Raises `SettingsError`."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = data["findings"]
        return _sorted(Entry(**{name: _text(row, name) for name in Entry.__slots__}) for row in rows)
    except OSError as error:
        remedy = f"; `mmlint baseline write --file {path}` makes one" if isinstance(error, FileNotFoundError) else ""
        raise SettingsError(f"{path}: cannot read the baseline: {error.strerror}{remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{path}: neither a baseline nor a run saved with --output json; write one with `mmlint baseline write`"
        ) from None


def _text(row: Any, name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def write(path: str, rows: Iterable[Entry]) -> None:
    """Write a baseline, one finding a line, so that it merges and reviews well."""
    lines = [json.dumps({name: getattr(row, name) for name in Entry.__slots__}) for row in _sorted(rows)]
    body = ",\n".join("    " + line for line in lines)
    text = f'{{\n  "schema_version": 1,\n  "findings": [\n{body}\n  ]\n}}\n' if lines else _EMPTY
    Path(path).write_text(text, encoding="utf-8")


_EMPTY = '{\n  "schema_version": 1,\n  "findings": []\n}\n'


def compare(before: Iterable[Entry], after: Iterable[Entry]) -> Difference:
    """Match two runs by fingerprint; the same fingerprint n times matches n times."""
    left = Counter(row.fingerprint for row in before)
    new, kept = [], []
    for row in after:
        if left[row.fingerprint] > 0:
            left[row.fingerprint] -= 1
            kept.append(row)
        else:
            new.append(row)
    gone = []
    for row in reversed(list(before)):
        if left[row.fingerprint] > 0:
            left[row.fingerprint] -= 1
            gone.append(row)
    return Difference(tuple(new), tuple(reversed(gone)), tuple(kept))
