"""Blank what is not code (comments, the contents of literals) without moving a byte."""

from __future__ import annotations

import re

_LITERAL_OR_COMMENT = (
    rb"(?<=/)(?:\*(?:[^*]*+\*++(?:[^/*][^*]*+\*++)*+/|.*+)|/[^\n]*+)"
    rb'|(?<=")[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?'
    rb"|(?<=')[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'?"
)
_NOT_CODE = re.compile(rb"[/\"'](?:" + _LITERAL_OR_COMMENT + rb")", re.S)
"""One character ahead of the alternatives: that is what a search can look for quickly."""
_MESSAGE = re.compile(rb"\#[ \t]*+(?:error|warning)\b")
_NOT_CODE_OR_MESSAGE = re.compile(
    rb"[/\"'](?:" + _LITERAL_OR_COMMENT + rb")|^[ \t]*+\#[ \t]*+(?:error|warning)\b[^\n]*+", re.S | re.M
)
_BLANKED = bytes(c if c == 0x0A else 0x20 for c in range(256))
_PLAIN_CHAR = re.compile(rb"'[\w ]'")


def blank(text: bytes) -> bytes:
    """The same number of bytes, blanks only, newlines where they were."""
    return text.translate(_BLANKED)


def _masked(match: re.Match[bytes]) -> bytes:
    found = match[0]
    first = found[0]
    if first == 0x22:
        return b'"' + found[1:-1].translate(_BLANKED) + b'"' if len(found) > 1 and found[-1] == 0x22 else blank(found)
    if first != 0x27:
        return found.translate(_BLANKED)
    if _PLAIN_CHAR.fullmatch(found):
        return found
    if len(found) > 2 and found[-1] == 0x27 and b"\n" not in found:
        return b"'" + b"_" * (len(found) - 2) + b"'"
    return blank(found)


def mask(text: bytes) -> bytes:
    """`text` with comments, string contents, odd character constants and `#error` lines blanked; same length and lines.

    An apostrophe or quote without a partner hides the rest of its line only.
    """
    pattern = _NOT_CODE_OR_MESSAGE if _MESSAGE.search(text) else _NOT_CODE
    return pattern.sub(_masked, text)
