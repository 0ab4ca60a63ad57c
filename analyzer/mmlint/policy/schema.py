"""The settings described: the JSON schema for editors, the text of `mmlint config`, and `--show-settings`."""

from __future__ import annotations

import json
from dataclasses import Field
from typing import Any

from mmlint.settings import Level, Settings, keys

_WORDS = {"type": "array", "items": {"type": "string"}}


def schema() -> dict[str, Any]:
    """The JSON schema of `mmlint.toml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mmlint.toml",
        "description": "Settings of mmlint, in mmlint.toml, .mmlint.toml or the table [tool.mmlint] of pyproject.toml",
        "type": "object",
        "properties": {name: _property(item) for name, item in keys().items()},
        "additionalProperties": False,
    }


def schema_text() -> str:
    """The schema as it is shipped."""
    return json.dumps(schema(), indent=2) + "\n"


def _property(item: Field[Any]) -> dict[str, Any]:
    about = {"description": item.metadata["doc"]}
    levels = {"enum": ["error", "warning", "info"]}
    match item.metadata["kind"]:
        case "bool":
            return {**about, "type": "boolean", "default": item.default}
        case "int":
            return {**about, "type": "integer", "minimum": item.metadata["minimum"], "default": item.default}
        case "choice":
            names = [str(choice) for choice in item.metadata["choices"]]
            return {**about, "enum": names, "default": str(item.default)}
        case "path":
            return {**about, "type": "string"}
        case "url":
            return {**about, "type": "string", "pattern": r"^$|^https?://.*\{(name|code)\}", "default": item.default}
        case "selectors" | "paths":
            return {**about, **_WORDS, "default": [*getattr(Settings(), item.name)]}
        case "ignores":
            return {**about, "type": "object", "additionalProperties": _WORDS}
        case _:
            table = {"type": "object", "additionalProperties": levels}
            return {**about, "type": "object", "additionalProperties": {"anyOf": [levels, table]}}


def describe(settings: Settings) -> str:
    """The settings in force as TOML, below the files they came from."""
    rows = [f"# from {source}" for source in settings.sources] or ["# no configuration file"]
    rows += [f"{name} = {_toml(getattr(settings, item.name))}" for name, item in keys().items()]
    return "\n".join(rows) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, tuple):
        return json.dumps(str(value))
    if value and isinstance(value[0], Level):
        return _levels(value)
    if value and isinstance(value[0], tuple):
        return "{ " + ", ".join(f"{json.dumps(glob)} = {_toml(words)}" for glob, words in value) + " }"
    return "[" + ", ".join(json.dumps(word) for word in value) + "]"


def _levels(levels: tuple[Level, ...]) -> str:
    tables: dict[str, list[str]] = {}
    for level in levels:
        tables.setdefault(level.path, []).append(f"{json.dumps(level.selector)} = {json.dumps(str(level.severity))}")
    rows = tables.pop("", [])
    rows += [f"{json.dumps(path)} = {{ {', '.join(inner)} }}" for path, inner in tables.items()]
    return "{ " + ", ".join(rows) + " }"


def markdown() -> str:
    """The settings as the table of docs/configuration.md."""
    rows = ["| key | default | what it does |", "| --- | --- | --- |"]
    for name, item in keys().items():
        about = item.metadata["doc"]
        if item.metadata["kind"] == "choice":
            about += ": " + ", ".join(f"`{choice}`" for choice in item.metadata["choices"])
        rows.append(f"| `{name}` | `{_toml(item.default)}` | {about} |")
    return "\n".join(rows) + "\n"


def explain(word: str | None) -> str:
    """The page of one key, or a line for each. Raises `KeyError` when there is no such key."""
    known = keys()
    if word is None:
        width = max(map(len, known))
        return "".join(f"{name.ljust(width)}  {item.metadata['doc']}\n" for name, item in known.items())
    item = known[word]
    rows = [word, f"  {item.metadata['doc']}", f"  default: {_toml(item.default)}"]
    if item.metadata["kind"] == "choice":
        rows.append(f"  one of: {', '.join(map(str, item.metadata['choices']))}")
    return "\n".join([*rows, f"  for example: {_EXAMPLES[item.metadata['kind']].format(name=word)}"]) + "\n"


_EXAMPLES = {
    "bool": "{name} = true",
    "int": "{name} = 2",
    "choice": '{name} = "..."',
    "url": '{name} = "https://example.org/rules/{{name}}.html"',
    "path": '{name} = "tools/mmlint-{name}.toml"',
    "paths": '{name} = ["tools/mm-wrappers.toml"]',
    "selectors": '{name} = ["PTL", "COW101", "missing-longterm"]',
    "ignores": '[{name}]\n               "mm/gup_test.c" = ["GUP"]',
    "levels": '[{name}]\n               COW110 = "warning"\n               "mm/hugetlb*" = {{ COW110 = "error" }}',
}
