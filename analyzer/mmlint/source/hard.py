"""A second, harder normalisation for functions that the ordinary one leaves unreadable: rarer idioms, same length."""

from __future__ import annotations

import re

from mmlint.source.balance import PARENS
from mmlint.source.mask import blank

_TRAILING_COMMA = re.compile(rb",(?=\s*+\))")
_EMPTY_ARGUMENT = re.compile(rb"([(,])[ \t](?=[ \t]*+,)")
_DIGIT_NAME = re.compile(
    rb"([(,]\s*+)\d(?!(?:[xX][0-9a-fA-F]+|[0-9.]*+(?:[eE][-+]?\d++)?)[uUlLfF]*+\b)(?=\w*+\s*+[,)])"
)
_TWO_PREFIXES = re.compile(rb"\b([A-Za-z_]\w*+)([ \t]++)(?=[A-Za-z_]\w*+\s*+[\"])")
_CALL_IN_STRING = re.compile(rb"(\"\s*+)([A-Za-z_]\w*+" + PARENS + rb")")
_CALL_BEFORE_STRING = re.compile(rb"([(,]\s*+)([A-Za-z_]\w*+" + PARENS + rb")(?=\s*+\")")
_CALL_WITH_STATEMENTS = re.compile(rb"\b(?!for\b|while\b|if\b|switch\b)([A-Za-z_]\w*+)[ \t]*+(" + PARENS + rb")")
_OPERATOR_ARGUMENT = re.compile(rb"([(,]\s*+)(==|!=|<=|>=|<|>|&&|\|\||[-+|&^/%=]|<<|>>)(?=\s*+[,)])")
_UNKNOWN_ANNOTATION = re.compile(rb"(?<=[\w*])(\s++)(__\w++)(?=\s*+(?:[;=,)]|\[))")
_BRACED_GROUP = re.compile(rb"(?<=[(,])(\s*+)\{(?=[^{};]*\})")


def harder(text: bytes) -> bytes:
    """`text` after the ordinary normalisation, with rarer constructs made digestible too."""
    text = _TRAILING_COMMA.sub(b" ", text)
    text = _DIGIT_NAME.sub(rb"\1_", text)
    text = _TWO_PREFIXES.sub(_joined, text)
    text = _CALL_IN_STRING.sub(_string, text)
    text = _CALL_BEFORE_STRING.sub(_string, text)
    text = _OPERATOR_ARGUMENT.sub(lambda match: match[1] + b"_" * len(match[2]), text)
    text = _UNKNOWN_ANNOTATION.sub(lambda match: match[1] + blank(match[2]), text)
    return _CALL_WITH_STATEMENTS.sub(_statements, text)


def _joined(match: re.Match[bytes]) -> bytes:
    if match[1] in (b"return", b"case", b"else", b"sizeof", b"goto"):
        return match[0]
    return match[1] + b"_" * len(match[2])


def _string(match: re.Match[bytes]) -> bytes:
    return match[1] + b'"' + blank(match[2][1:-1]) + b'"'


def _statements(match: re.Match[bytes]) -> bytes:
    """Arguments that are statements, as one compound statement where there is room for its braces, else as expressions."""
    found = match[0]
    arguments = match[2]
    if b";" not in arguments or b"{" in arguments.partition(b";")[0]:
        return found
    head = found[: len(found) - len(arguments)]
    inside = arguments[1:-1]
    comma = _depth_one_comma(inside)
    tail = len(inside.rstrip())
    if inside[comma + 1 : comma + 2].isspace() and tail < len(inside):
        room = comma + 1 if inside[comma + 1 : comma + 2] != b"\n" else comma + 2
        return head + b"(" + inside[:room] + b"{" + inside[room + 1 : -1] + b"})" if inside[-1:] != b"\n" else found
    return head + b"(" + inside.replace(b";", b",") + b")"


def _depth_one_comma(inside: bytes) -> int:
    depth = 0
    last = -1
    for at, char in enumerate(inside.partition(b";")[0]):
        depth += (char in b"([{") - (char in b")]}")
        if char == 0x2C and depth == 0:
            last = at
    return last
