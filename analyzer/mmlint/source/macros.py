"""Function-like `#define`s of a file: many kernel helpers (`pte_alloc_map_lock`) are macros."""

from __future__ import annotations

import re

from mmlint.frozen import dataclass
from mmlint.source.outline import Lines

_DEFINE = re.compile(
    rb"^[ \t]*+\#[ \t]*+define[ \t]++([A-Za-z_]\w*+)\(([^()\n]*+(?>(?:\\\n[^()\n]*+)*))\)((?>(?:[^\\\n]++|\\\n|\\)*))",
    re.M,
)


@dataclass(frozen=True, slots=True)
class MacroSource:
    """A function-like macro: parameter names, replacement text without comments, and its line (from 1)."""

    name: str
    params: tuple[str, ...]
    body_text: bytes
    line: int


def function_macros(masked: bytes, lines: Lines) -> dict[str, MacroSource]:
    """The function-like macros of masked text by name; of several definitions of one name the first counts."""
    found: dict[str, MacroSource] = {}
    for match in _DEFINE.finditer(masked):
        name = match[1].decode()
        if name not in found:
            params = tuple(
                part.strip() for part in match[2].replace(b"\\\n", b" ").decode("latin-1").split(",") if part.strip()
            )
            body = match[3].replace(b"\\\n", b"\n").strip()
            found[name] = MacroSource(name, params, body, lines.of(match.start(1)))
    return found
