"""What a structure is made of, by its definition in the file that uses it or in a header that this names."""

from __future__ import annotations

import re

from mmlint.facts.function import Function, keep
from mmlint.source.mask import mask

_INCLUDE = re.compile(rb'^\s*#\s*include\s*([<"])([\w./-]+)[>"]', re.M)
_PART = re.compile(r"[^;{}]+;")
_NAME = re.compile(r"(\w+)\s*(?::\s*\w+\s*)?$")
_OBJECT = re.compile(r"^\s*(const\s+)?(struct|union)\s+\w+\s+\w")
_POINTER_TO_FUNCTION = re.compile(r"\(\s*\*\s*(\w+)\s*\)\s*\(")
_SELF_MADE = re.compile(r"lock|mutex|atomic|refcount|kref|_head|list|bitmap|DECLARE|pad|reserved")
"""Members that somebody makes ready by a call, whatever they held, or that nobody reads."""


def plain_members(function: Function, tag: str) -> frozenset[str]:
    """The members of `struct tag` that are single numbers or pointers; none where its definition is not found."""
    return keep(function, ("members", tag), lambda: _members(function, tag))


def _members(function: Function, tag: str) -> frozenset[str]:
    body = _body(function, tag)
    parts = (part.group(0)[:-1].strip() for part in _PART.finditer(body))
    return frozenset(name for part in parts if not _SELF_MADE.search(part) for name in _declared(part))


def _declared(part: str) -> list[str]:
    called = _POINTER_TO_FUNCTION.search(part)
    if called is not None:
        return [called[1]]
    if (_OBJECT.match(part) and "*" not in part) or "(" in part or "#" in part:
        return []
    return [found[1] for name in part.split(",") if (found := _NAME.search(name.strip())) and " " in part]


def _body(function: Function, tag: str) -> str:
    """What stands between the braces of the definition, comments left out."""
    opens = re.compile(rb"\bstruct\s+" + tag.encode() + rb"\s*\{")
    own = function.program.file(function.path)
    for text in (own.text if own is not None else b"", *_headers(function)):
        found = opens.search(text)
        if found is not None:
            return _closed(mask(text[found.start() :][:20_000])).decode(errors="replace")
    return ""


def _closed(text: bytes) -> bytes:
    start = text.index(b"{")
    depth = 0
    for at in range(start, len(text)):
        depth += {123: 1, 125: -1}.get(text[at], 0)
        if not depth:
            return text[start + 1 : at]
    return b""


def _headers(function: Function) -> list[bytes]:
    """The texts of the headers that the function's file names itself."""
    own = function.program.file(function.path)
    folder = function.path.rpartition("/")[0]
    found = []
    for kind, name in _INCLUDE.findall(own.text) if own is not None else ():
        path = f"include/{name.decode()}" if kind == b"<" else f"{folder}/{name.decode()}"
        header = function.program.file(path)
        found += [header.text] if header is not None else []
    return found
