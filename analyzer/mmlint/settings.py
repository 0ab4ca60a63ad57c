"""What a user can set: one frozen value, made from configuration files, the environment and the command line.

Every configurable field carries its kind and its documentation; the parser, `mmlint config`, the JSON schema and the
documentation all read them from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, field, fields
from functools import lru_cache
from typing import Any, Protocol

from mmlint.finding import Confidence, Severity
from mmlint.frozen import dataclass
from mmlint.nearest import nearest

PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    "strict": {"fail_on": Severity.WARNING},
    "audit": {"preview": True, "show_preexisting": True, "exit_zero": True},
}


class Selectable(Protocol):
    """What selection needs to know of a rule."""

    @property
    def code(self) -> str:
        """REF101."""

    @property
    def name(self) -> str:
        """raw-page-refcount."""

    @property
    def status(self) -> str:
        """Stable or preview."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message is one line that names the place and the remedy."""


@dataclass(frozen=True, slots=True)
class Level:
    """A severity given by policy to the rules a selector names; `path` is a glob, empty for every file."""

    selector: str
    severity: Severity
    path: str = ""


def _key(default: Any, kind: str, doc: str, **extra: Any) -> Any:
    return field(default=default, metadata={"kind": kind, "doc": doc, **extra})


@dataclass(frozen=True, slots=True)
class Settings:
    """What runs, what is shown, what fails. Field `min_confidence` is spelled `min-confidence` in files and flags."""

    preset: str = _key("default", "choice", "a starting point for the other settings", choices=tuple(PRESETS))
    select: tuple[str, ...] = _key(("ALL",), "selectors", "rules to run: codes, names, code prefixes, or ALL")
    extend_select: tuple[str, ...] = _key((), "selectors", "rules to run in addition to `select`")
    ignore: tuple[str, ...] = _key((), "selectors", "rules not to run; the more specific selector wins, then `ignore`")
    per_file_ignores: tuple[tuple[str, tuple[str, ...]], ...] = _key(
        (), "ignores", "rules whose findings are dropped in the files a glob matches"
    )
    severity: tuple[Level, ...] = _key(
        (), "levels", "severity by selector, or by selector in a table named by a path glob"
    )
    min_confidence: Confidence = _key(
        Confidence.LOW, "choice", "leave out findings below this confidence", choices=tuple(Confidence)
    )
    fail_on: Severity = _key(
        Severity.ERROR, "choice", "the lowest severity that makes the exit status 1", choices=tuple(Severity)
    )
    exit_zero: bool = _key(False, "bool", "exit 0 whatever is found; input that cannot be read still exits 2")
    preview: bool = _key(False, "bool", "run preview rules too (one named by its code or name in `select` always runs)")
    baseline: str = _key("", "path", "file of known findings, written by `mmlint baseline write`; they do not count")
    suppressions: str = _key("", "path", "TOML file of suppressions outside the tree")
    inline_ignores: bool = _key(True, "bool", "honour `mmlint: ignore[CODE] reason` in sources and mails")
    tables: tuple[str, ...] = _key((), "paths", "more kernel API tables: TOML files naming a project's own wrappers")
    show_preexisting: bool = _key(False, "bool", "show what was there before the patch; it never counts")
    show_ignored: bool = _key(False, "bool", "show suppressed and baselined findings with their reasons")
    docs_url: str = _key("", "url", "where the rules' pages are, with `{name}` or `{code}` in it, for links in reports")
    jobs: int = _key(0, "int", "worker processes; 0 is one per CPU", minimum=0)
    isolated: bool = False
    sources: tuple[str, ...] = ()
    """The configuration files read, for `--show-settings`."""

    def selects(self, rule: Selectable) -> bool:
        """Whether the rule runs."""
        wanted = max((_specificity(word, rule) for word in (*self.select, *self.extend_select)), default=0)
        if wanted == 0 or (rule.status == "preview" and not self.preview and wanted < _EXACT):
            return False
        return wanted > max((_specificity(word, rule) for word in self.ignore), default=0)

    def level(self, code: str, name: str, path: str, default: Severity) -> Severity:
        """The severity of a finding after the policy; a path beats no path, then the more specific, then the later."""
        best = (-1, 0)
        result = default
        for level in self.severity:
            if level.path and not path_matches(level.path, path):
                continue
            rank = (1 if level.path else 0, selector_rank(level.selector, code, name))
            if rank[1] and rank >= best:
                best, result = rank, level.severity
        return result

    def ignored_in(self, code: str, name: str, path: str) -> bool:
        """Whether `per-file-ignores` drops findings of this rule in this file."""
        return any(
            path_matches(glob, path) and any(selector_rank(word, code, name) for word in words)
            for glob, words in self.per_file_ignores
        )

    def selectors(self) -> Iterable[str]:
        """Every selector in use, wherever it was set."""
        yield from (*self.select, *self.extend_select, *self.ignore, *(level.selector for level in self.severity))
        for _, words in self.per_file_ignores:
            yield from words


_EXACT = 100


def _specificity(selector: str, rule: Selectable) -> int:
    return selector_rank(selector, rule.code, rule.name)


def selector_rank(selector: str, code: str, name: str) -> int:
    """How exactly a selector names a rule: 0 not at all, 1 `ALL`, more for a longer prefix, most for code or name."""
    if selector in (code, name):
        return _EXACT
    if selector == "ALL":
        return 1
    return 1 + len(selector) if len(selector) >= 3 and code.startswith(selector) else 0


@lru_cache(maxsize=256)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = []
    for token in re.split(r"(\*\*/?|\*|\?)", pattern + "**" if pattern.endswith("/") else pattern):
        parts.append({"**/": r"(?:.*/)?", "**": r".*", "*": r"[^/]*", "?": r"[^/]"}.get(token) or re.escape(token))
    return re.compile(r"(?:.*/)?" + "".join(parts) + r"\Z")


def path_matches(pattern: str, path: str) -> bool:
    """Glob match of a path or any tail of it that starts at a `/`: `mm/` and `memory.c` match `linux/mm/memory.c`."""
    return _glob(pattern.removeprefix("/").removeprefix("./")).match(path) is not None


def keys() -> dict[str, Field[Any]]:
    """The settings a file or flag may set, by their spelling there."""
    return {item.name.replace("_", "-"): item for item in fields(Settings) if "kind" in item.metadata}


def parse(data: Mapping[str, Any], where: str, base: str = "") -> dict[str, Any]:
    """Field values from a TOML table. `base` is the folder that its relative paths start from.

    Raises `SettingsError` on an unknown key or a value of the wrong type.
    """
    known = keys()
    values = {}
    for name, value in data.items():
        item = known.get(name)
        if item is None:
            hint = nearest(name, known) or "; `mmlint config` lists the keys"
            raise SettingsError(f"{where}: unknown key `{name}`{hint}")
        values[item.name] = _convert(item, name, value, where, base)
    return values


def _convert(item: Field[Any], name: str, value: Any, where: str, base: str) -> Any:
    kind = item.metadata["kind"]
    try:
        match kind:
            case "bool":
                return _expect(value, bool)
            case "int":
                if _expect(value, int) < item.metadata["minimum"]:
                    raise SettingsError(f"must be at least {item.metadata['minimum']}")
                return value
            case "choice":
                return type(item.metadata["choices"][0])(_choice(value, item.metadata["choices"]))
            case "url":
                return _url(_expect(value, str))
            case "path":
                return _rebase(_expect(value, str), base)
            case "paths":
                return tuple(_rebase(path, base) for path in _strings(value))
            case "selectors":
                return _strings(value)
            case "ignores":
                return tuple((glob, _strings(words)) for glob, words in _expect(value, dict).items())
            case "levels":
                return tuple(_levels(_expect(value, dict), ""))
    except SettingsError as error:
        raise SettingsError(f"{where}: `{name}` {error}") from None
    raise AssertionError(kind)


def _expect(value: Any, kind: type) -> Any:
    words = {bool: "true or false", int: "a whole number", str: "a string", dict: "a table"}
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingsError(f"must be {words[kind]}, not {value!r}")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise SettingsError(f"must be a list of strings, not {value!r}")
    return tuple(value)


def _choice(value: Any, choices: Iterable[str]) -> str:
    names = [str(choice) for choice in choices]
    if value not in names:
        raise SettingsError(f"must be one of {', '.join(names)}, not {value!r}{nearest(str(value), names)}")
    return str(value)


def _url(value: str) -> str:
    if value and not (re.match(r"https?://", value) and ("{name}" in value or "{code}" in value)):
        raise SettingsError(f"must be an address such as https://example.org/rules/{{name}}.html, not {value!r}")
    return value


def _levels(table: Mapping[str, Any], path: str) -> Iterable[Level]:
    for selector, value in table.items():
        if isinstance(value, dict) and not path:
            yield from _levels(value, selector)
        else:
            yield Level(selector, Severity(_choice(value, Severity)), path)


def _rebase(path: str, base: str) -> str:
    import os

    return os.path.join(base, os.path.expanduser(path)) if base and path else path  # noqa: PTH111, PTH118
