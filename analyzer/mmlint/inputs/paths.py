"""Names of files in diffs: unquoting, stripping prefixes, and refusing those that leave the tree."""

from __future__ import annotations

import re

_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_ESCAPE = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_PREFIXES = frozenset("abciow12")
DEV_NULL = "/dev/null"


class UnsafePathError(ValueError):
    """A name that is absolute, climbs with `..`, or reaches into `.git`."""


def unquote(name: str) -> str:
    r"""A name as git quotes it (`"a/\303\244.c"`), or any other unchanged. The result is UTF-8 decoded."""
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = _ESCAPE.sub(lambda m: chr(_ESCAPES.get(m[1]) or int(m[1], 8) & 0xFF), name[1:-1])
    return name.encode("latin-1", "replace").decode("utf-8", "surrogateescape")


def check(path: str) -> str:
    """The path itself when it stays inside a tree; raises `UnsafePathError` otherwise."""
    parts = path.split("/")
    if not path or path.startswith("/") or "\\" in path or any(ord(char) < 32 for char in path):
        raise UnsafePathError(f"file name {path!r} is refused: it must be a plain relative path")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise UnsafePathError(f"file name {path!r} is refused: it leaves the tree")
    return path


def strip(old: str, new: str) -> tuple[str | None, str | None]:
    """The two names of a file header without their prefixes; None for /dev/null.

    `a/` and `b/` (and git's mnemonic ones) go; so does a differing first folder (`linux.orig/mm/x.c`); with neither
    the names are taken as they are (`diff --no-prefix`). `mm/x.c~mm-fix` (quilt) and `mm/x.c.orig` lose their tail.
    """
    sides = [None if name == DEV_NULL else name for name in (old, new)]
    known = [name for name in sides if name is not None]
    if all(len(name) > 2 and name[1] == "/" and name[0] in _PREFIXES for name in known):
        sides = [name and name[2:] for name in sides]
    elif len(known) == 2 and old != new and old.partition("/")[2] == new.partition("/")[2] != "":
        sides = [name and name.partition("/")[2] for name in sides]
    before, after = sides
    if before and after and before != after and before.startswith((after + "~", after + ".orig")):
        before = after
    return before, after
