"""Regular expressions for balanced parentheses, as deep as kernel code nests them."""

from __future__ import annotations

_DEPTH = 12


def _nested(depth: int) -> bytes:
    pattern = rb"\([^()]*+\)"
    for _ in range(depth):
        pattern = rb"\((?>(?:[^()]++|" + pattern + rb")*)\)"
    return pattern


PARENS = _nested(_DEPTH)
"""A parenthesised group of masked code, up to 12 levels deep; atomic, so that a group left open fails at once
(possessive groups, unlike atomic ones, are matched wrongly before Python 3.11.5)."""


def split_arguments(inside: bytes) -> list[tuple[int, int]]:
    """Spans (start, end) of the comma-separated pieces of `inside`, a masked argument list without its parentheses."""
    spans: list[tuple[int, int]] = []
    depth = start = 0
    for at, char in enumerate(inside):
        if char in b"([{":
            depth += 1
        elif char in b")]}":
            depth -= 1
        elif char == 0x2C and depth == 0:
            spans.append((start, at))
            start = at + 1
    spans.append((start, len(inside)))
    return spans
