"""Where settings come from, lowest first: preset, user or project file, `--config KEY=VALUE`, flags."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmlint import tomlfile
from mmlint.settings import PRESETS, Settings, SettingsError, parse
from mmlint.tomlfile import Toml, TomlError

NAMES = ("mmlint.toml", ".mmlint.toml", "pyproject.toml")
SUPPRESSIONS = "mmlint-suppressions.toml"


def load(
    flags: Mapping[str, Any], config: Sequence[str] = (), isolated: bool = False, cwd: Path | None = None
) -> Settings:
    """The settings of one run; `config` holds the `--config` arguments (FILE or KEY=VALUE).

    Raises `SettingsError` with one line that names file and key.
    """
    files, pairs = _split(config)
    layers: list[dict[str, Any]] = []
    if not isolated:
        files = files or _discover(cwd or Path.cwd())
    elif files:
        raise SettingsError(f"--isolated reads no file; leave out --config {files[0]}")
    layers += [read(path) for path in files]
    layers += [_pair(pair) for pair in pairs]
    layers.append(dict(flags))
    preset = next((layer["preset"] for layer in reversed(layers) if "preset" in layer), "default")
    merged = _merge((PRESETS[preset], *layers))
    settings = Settings(**merged, isolated=isolated, sources=tuple(str(path) for path in files))
    return settings if settings.suppressions or isolated else _beside(settings, files, cwd or Path.cwd())


_ADDING = ("extend_select", "ignore", "per_file_ignores", "severity", "tables")


def _merge(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Later layers win; lists of what to leave out or relevel add up, until a layer selects anew."""
    merged: dict[str, Any] = {}
    for layer in layers:
        if "select" in layer:
            merged = {name: value for name, value in merged.items() if name not in ("extend_select", "ignore")}
        for name, value in layer.items():
            merged[name] = (*merged.get(name, ()), *value) if name in _ADDING else value
    return merged


def read(path: Path) -> dict[str, Any]:
    """Field values of one configuration file. Raises `SettingsError` when it cannot be read or is not right."""
    try:
        file = tomlfile.read(str(path), "configuration")
    except TomlError as error:
        raise SettingsError(str(error)) from None
    data = file.data
    for name in _table(path):
        data = data.get(name, {})
    try:
        return parse(data, str(path), str(path.parent))
    except SettingsError as error:
        raise SettingsError(_with_line(str(error), file, path)) from None


def place_of(selector: str, sources: Iterable[str]) -> str:
    """`FILE:LINE: ` of the configuration file that has a selector; nothing for one of the command line."""
    for path in sources:
        file = tomlfile.read(path, "configuration")
        for key in ("select", "extend-select", "ignore", "per-file-ignores", "severity"):
            if place := file.word(selector, *_table(Path(path)), key):
                return f"{place}: "
    return ""


def _table(path: Path) -> tuple[str, ...]:
    """The table of a file that is about us, by its keys."""
    return ("tool", "mmlint") if path.name == "pyproject.toml" else ()


def _with_line(message: str, file: Toml, path: Path) -> str:
    """Add the line of the key that the message quotes first."""
    named = re.search(r"`([^`]+)`", message)
    place = file.at(*_table(path), named[1]) if named else file.path
    return message.replace(f"{path}:", f"{place}:", 1)


def _split(config: Sequence[str]) -> tuple[list[Path], list[str]]:
    files = [Path(item) for item in config if "=" not in item]
    pairs = [item for item in config if "=" in item]
    return files, pairs


def _pair(pair: str) -> dict[str, Any]:
    import tomllib

    name, value = (part.strip() for part in pair.split("=", 1))
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for text in (value, quoted):
        try:
            return parse(tomllib.loads(f"{name} = {text}"), "--config", os.getcwd())  # noqa: PTH109
        except tomllib.TOMLDecodeError:
            continue
    raise SettingsError(f"--config {pair}: not KEY=VALUE in TOML")


def _discover(cwd: Path) -> list[Path]:
    """`MMLINT_CONFIG`, else the nearest project file up to the git root, else the user's file."""
    named = os.environ.get("MMLINT_CONFIG")
    if named:
        return [Path(named)]
    for folder in (cwd, *cwd.parents):
        for name in NAMES:
            if (folder / name).is_file() and (name != "pyproject.toml" or _mentions_us(folder / name)):
                return [folder / name]
        if (folder / ".git").exists():
            break
    user = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "mmlint" / "mmlint.toml"
    return [user] if user.is_file() else []


def _mentions_us(path: Path) -> bool:
    try:
        return "[tool.mmlint" in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _beside(settings: Settings, files: Sequence[Path], cwd: Path) -> Settings:
    """Use `mmlint-suppressions.toml` beside the configuration file, or in the working folder."""
    for folder in (*(path.parent for path in files), cwd):
        if (folder / SUPPRESSIONS).is_file():
            return replace(settings, suppressions=str(folder / SUPPRESSIONS))
    return settings
