"""The value of a gfp constant, worked out from the header that defines it."""

from __future__ import annotations

import re

from mmlint.kernel.headers import Sources

_CAST = re.compile(r"\(\s*__force\s+gfp_t\s*\)|\(\s*gfp_t\s*\)")
_TOKEN = re.compile(r"\s*(\w+|[|&~()])")
_RECLAIM = "___GFP_DIRECT_RECLAIM"


class GfpError(ValueError):
    """A mask that cannot be worked out: not defined, or not made of `|`, `&` and `~`."""


class GfpMasks:
    """The gfp constants of some headers as sets of their lowest-level flags."""

    def __init__(self, sources: Sources, paths: tuple[str, ...]) -> None:
        self._macros: dict[str, str] = {}
        for header in filter(None, map(sources.get, paths)):
            for name in header.macros:
                macros = [each for each in header.defined(name) if each.macro and not each.parameters]
                if macros:
                    self._macros.setdefault(name, macros[0].body.replace("\\\n", " "))

    def reclaims(self, name: str) -> bool:
        """Whether the mask has the direct-reclaim flag. Raises GfpError."""
        value, everything = self._value(name, 0)
        return (_RECLAIM in value) != everything

    def _value(self, name: str, depth: int) -> tuple[frozenset[str], bool]:
        """A set of flags; with True, all flags but those."""
        if name.startswith("___GFP"):
            return frozenset({name}), False
        if name not in self._macros or depth > 20:
            raise GfpError(f"{name} is not defined")
        tokens = _TOKEN.findall(_CAST.sub(" ", self._macros[name]))
        value = self._either(tokens, depth + 1)
        if tokens:
            raise GfpError(f"{name}: cannot read {self._macros[name].strip()!r}")
        return value

    def _either(self, tokens: list[str], depth: int) -> tuple[frozenset[str], bool]:
        value = self._both(tokens, depth)
        while tokens and tokens[0] == "|":
            tokens.pop(0)
            value = _not(_and(_not(value), _not(self._both(tokens, depth))))
        return value

    def _both(self, tokens: list[str], depth: int) -> tuple[frozenset[str], bool]:
        value = self._single(tokens, depth)
        while tokens and tokens[0] == "&":
            tokens.pop(0)
            value = _and(value, self._single(tokens, depth))
        return value

    def _single(self, tokens: list[str], depth: int) -> tuple[frozenset[str], bool]:
        if not tokens:
            raise GfpError("the mask ends early")
        word = tokens.pop(0)
        if word == "~":
            return _not(self._single(tokens, depth))
        if word == "(":
            value = self._either(tokens, depth)
            if not tokens or tokens.pop(0) != ")":
                raise GfpError("a bracket is not closed")
            return value
        return (frozenset(), False) if word == "0" else self._value(word, depth)


def _not(value: tuple[frozenset[str], bool]) -> tuple[frozenset[str], bool]:
    return value[0], not value[1]


def _and(one: tuple[frozenset[str], bool], two: tuple[frozenset[str], bool]) -> tuple[frozenset[str], bool]:
    if one[1] and two[1]:
        return one[0] | two[0], True
    if one[1]:
        return two[0] - one[0], False
    return (one[0] - two[0], False) if two[1] else (one[0] & two[0], False)
