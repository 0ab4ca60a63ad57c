"""Named constants as values: `$A|B` is one of the constants A and B, which are told apart by their names.

Two names count as two values only where they begin with the same word, as the enumerators of one enum do: a macro may
be another's alias.
"""

from __future__ import annotations

import re
from functools import lru_cache

_NAME = re.compile(r"[A-Z][A-Z0-9]*_\w*[A-Z0-9]$")
_ENUM = rb"enum(?<!\wenum)\s+%s\s*\{([^{}]*)\}"
_ENUMERATOR = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:=[^,]*)?(?:,|$)")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_MARK = "$"
_MOST = 8


def symbol(name: str) -> str | None:
    """The value of a named constant, or None if the name is not written like one."""
    return _MARK + name if _NAME.match(name) and name.isupper() else None


@lru_cache(maxsize=4096)
def names_in(value: str) -> frozenset[str]:
    """The constants that a value may be; empty for another kind of value."""
    return frozenset(value[1:].split("|")) if value.startswith(_MARK) else frozenset()


def one_of(names: frozenset[str]) -> str | None:
    """The value that is one of these constants; None if there are too many, or if they are not told apart."""
    if not names or len(names) > _MOST or len({name.partition("_")[0] for name in names}) > 1:
        return None
    return _MARK + "|".join(sorted(names))


def same(left: str, right: str) -> bool | None:
    """Whether two values are the same constant; None when unknown."""
    a, b = names_in(left), names_in(right)
    if not a or not b or one_of(a | b) is None:
        return None
    return True if a == b and len(a) == 1 else False if a.isdisjoint(b) else None


def either(left: str, right: str) -> str | None:
    """The value that holds for both."""
    a, b = names_in(left), names_in(right)
    return one_of(a | b) if a and b else None


def but(value: str, other: str) -> str | None:
    """`value` where it is not the one constant `other`."""
    a, b = names_in(value), names_in(other)
    return one_of(a - b) if len(b) == 1 and b < a else None


@lru_cache(maxsize=64)
def any_of_enum(text: bytes, enum: str) -> str | None:
    """A value of an enum that `text` defines."""
    found = re.search(_ENUM % re.escape(enum).encode(), text)
    names = _ENUMERATOR.findall(_COMMENT.sub(" ", found[1].decode("utf-8", "replace"))) if found else []
    return one_of(frozenset(names)) if names and all(symbol(name) for name in names) else None
