"""Reads one TOML file of kernel tables into rows; every mistake in it is one line that names the file and the row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar

from mmlint import tomlfile
from mmlint.kept import kept
from mmlint.kernel import entries as e
from mmlint.kernel import rows as r
from mmlint.kernel.row import Row
from mmlint.nearest import nearest
from mmlint.tomlfile import Toml

Section = Literal[
    "kind",
    "take",
    "drop",
    "scope_guard",
    "scope_free",
    "lock_pointer",
    "sleep",
    "nosleep",
    "gfp",
    "foll",
    "gup",
    "resource",
    "guard",
    "ref_helper",
    "wrprotect",
    "set_entry",
    "flush",
    "notifier",
    "mark",
    "carry",
    "sense",
    "optional",
    "direction",
    "callback",
    "entered",
    "inside",
    "outside",
    "noreturn",
    "context_test",
    "lasting",
    "borrow",
    "teardown",
    "entry_page",
    "kernel_iter",
    "spent_walk",
    "offer",
    "walk_end",
    "lookup",
    "entry_result",
    "two_arms",
    "gup_walk",
    "flag_call",
    "implied",
    "step",
    "stronger",
    "same",
    "states",
    "probe",
    "order",
]

SECTIONS: dict[Section, type[Row]] = {
    "kind": r.Kind,
    "take": r.Take,
    "drop": r.Drop,
    "scope_guard": r.ScopeGuard,
    "scope_free": r.ScopeFree,
    "lock_pointer": r.LockPointer,
    "sleep": r.Sleep,
    "nosleep": e.Plain,
    "gfp": r.GfpMask,
    "foll": r.FollFlag,
    "gup": r.GupEntry,
    "resource": r.Resource,
    "guard": r.Guard,
    "ref_helper": r.RefHelper,
    "wrprotect": e.WrProtect,
    "set_entry": e.SetEntry,
    "flush": e.Flush,
    "notifier": e.Notifier,
    "mark": e.Mark,
    "carry": e.BitCarry,
    "sense": e.Sense,
    "optional": e.Optional,
    "direction": e.Direction,
    "callback": e.Callback,
    "entered": e.Entered,
    "inside": e.Inside,
    "outside": e.Outside,
    "noreturn": e.Plain,
    "context_test": e.Plain,
    "lasting": e.Plain,
    "borrow": e.Borrow,
    "teardown": e.Teardown,
    "entry_page": e.EntryPage,
    "kernel_iter": e.Plain,
    "spent_walk": e.Plain,
    "offer": e.Offer,
    "walk_end": e.WalkEnd,
    "lookup": e.Plain,
    "entry_result": e.Plain,
    "two_arms": e.TwoArms,
    "gup_walk": e.GupWalk,
    "flag_call": e.FlagCall,
    "implied": e.Implied,
    "step": e.Step,
    "stronger": e.Stronger,
    "same": e.Same,
    "states": e.States,
    "probe": e.Probe,
    "order": r.Order,
}

_CALLS: dict[str, type[r.Moving]] = {
    "takes": r.Taking,
    "gives": r.Giving,
    "transfers": r.Transfer,
}


R = TypeVar("R", bound=Row)
_NAME = re.compile(r"([A-Za-z_][\w-]*)(?:>=(\d[\d.]*))?(?:<(\d[\d.]*))?")


class TableError(ValueError):
    """A kernel table that cannot be read; the text is one line with the file, the row and what to change."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _position(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("must be a number, counted from 0")
    return value


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError("must be words in one text or a list of texts")


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "bool": _truth,
    "bool | None": _truth,
    "int": _position,
    "int | None": _position,
    "tuple[str, ...]": _words,
}


# the keys a group of each row may have, and how each is read; a trailing underscore is not written in TOML
_FIELDS: dict[type[Row], dict[str, Callable[[Any], Any]]] = {
    row: {each.name.rstrip("_"): _CHECKS[str(each.type)] for each in fields(row) if str(each.type) in _CHECKS}
    for row in (*SECTIONS.values(), *_CALLS.values())
}


def _values(row: type[Row], group: dict[str, Any], where: str) -> dict[str, Any]:
    known = _FIELDS[row]
    values: dict[str, Any] = {}
    for key, value in group.items():
        if (check := known.get(key)) is None:
            raise TableError(f"{where}: unknown key {key!r}; known are {', '.join(sorted(known))}")
        try:
            values["class_" if key == "class" else key] = check(value)
        except ValueError as problem:
            raise TableError(f"{where}: {key} {problem}") from None
    return values


def _calls(row: type[r.Moving], resource: str, text: str, source: str, where: str) -> Iterator[Row]:
    """The calls of a resource, one a line: `name holder [when] [key=value ...]`."""
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) < 2:
            raise TableError(f"{where}: {line.strip()!r}: write `name holder [when] [key=value]`")
        values = {"name": words[0], "holder": words[1], "resource": resource, "source": source}
        for word in words[2:]:
            key, equals, value = word.partition("=")
            values[key if equals else "when"] = value if equals else word
        yield row(**_values(row, values, f"{where}: {words[0]}"))


def _resource(group: dict[str, Any], where: str) -> r.Resource:
    plain = {key: value for key, value in group.items() if key not in _CALLS}
    values = _values(r.Resource, plain, where)
    for key, row in _CALLS.items():
        lines = _text(group.get(key, ""))
        values[key] = tuple(_calls(row, values["name"], lines, values.get("source", ""), where))
    return r.Resource(**values)


def _rows(section: Section, group: dict[str, Any], where: str, kinds: dict[str, r.Kind]) -> Iterator[Row]:
    row = SECTIONS[section]
    names = _words(group.pop("names", group.get("name", "")))
    if not names:
        raise TableError(f"{where}: no `names`; list the functions the row is about")
    if row is r.Resource:
        yield _resource(group | {"name": group["name"]}, where)
        return
    group.pop("name", None)
    values = _values(row, group, where)
    if "kind" in values and section in ("take", "drop", "lock_pointer"):
        for kind in (values["kind"], *values.get("also", ())):
            if kind not in kinds:
                raise TableError(f"{where}: unknown kind {kind!r}; add a [[kind]] row or use one of {', '.join(kinds)}")
    if row is r.Take and "kind" in values:
        values["atomic"] = any(kinds[kind].atomic for kind in (values["kind"], *values.get("also", ())))
    for name in names:
        if name.isidentifier():
            yield _make(row, name, values, where)
        elif word := _NAME.fullmatch(name):
            spans = {key: limit for key, limit in (("since", word[2]), ("until", word[3])) if limit}
            yield _make(row, word[1], values | spans, where)
        else:
            raise TableError(f"{where}: {name!r} is not a name; write name, name>=6.3 or name<6.3")


def _make(row: type[Row], name: str, values: dict[str, Any], where: str) -> Row:
    try:
        return row(name=name, **values)
    except TypeError as problem:
        missing = str(problem).partition("argument")[2].lstrip("s: ")
        raise TableError(f"{where} ({name}): missing key {missing}") from None


def version(text: str) -> tuple[int, ...]:
    """`"6.12.3"` as numbers that compare; raises TableError for anything else."""
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise TableError(f"{text!r} is not a kernel release; write it as in 6.12") from None


def visible(rows: Iterable[R], release: str) -> list[R]:
    """The rows for a release; without one, those with no end, and those of names that are gone."""
    found = list(rows)
    if release:
        at = version(release)
        return [
            row
            for row in found
            if not (row.since and version(row.since) > at) and not (row.until and version(row.until) <= at)
        ]
    lasting = {row.name for row in found if not row.until}
    return [row for row in found if not row.until or row.name not in lasting]


def parsed(path: Path) -> Toml:
    """A TOML file. Raises TableError with one line."""
    try:
        return tomlfile.read(str(path), "table")
    except tomlfile.TomlError as problem:
        raise TableError(str(problem)) from None


def read_file(path: Path, into: dict[str, list[Row]]) -> None:
    """Adds the rows of a file to `into` by section. Raises TableError with one line."""
    file = parsed(path)
    read_content(file.data, file.at, into)


def read_shipped(*paths: Path) -> dict[str, list[Row]]:
    """The rows of this package's own files by section; what parsing makes of the files is kept between runs."""
    key = repr([(status.st_size, status.st_mtime_ns) for status in map(Path.stat, paths)])
    contents = kept("tables", str(paths[0]), key, lambda: [parsed(path).data for path in paths])
    found: dict[str, list[Row]] = {}
    for path, content in zip(paths, contents, strict=True):
        read_content(content, lambda *_, path=path: str(path), found)
    return found


def read_content(content: dict[str, Any], at: Callable[..., str], into: dict[str, list[Row]]) -> None:
    """Adds the rows of a file that was parsed; `at` tells the place of a key. Raises TableError with one line."""
    for section, groups in content.items():
        if section not in SECTIONS:
            hint = nearest(section, SECTIONS) or f"; {Path(__file__).parent}/*.toml show what there is"
            raise TableError(f"{at(section)}: unknown section {section!r}{hint}")
        if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
            raise TableError(f"{at(section)}: write [[{section}]], with two brackets")
        kinds = {row.name: row for row in into.get("kind", ()) if isinstance(row, r.Kind)}
        rows = into.setdefault(section, [])
        for number, group in enumerate(groups):
            rows.extend(_rows(section, dict(group), f"{at(section, number)}: [[{section}]] {number + 1}", kinds))
