"""A second, harder normalisation for functions that the ordinary one leaves unreadable: rarer idioms, same length."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from mmlint.source.balance import PARENS, split_arguments
from mmlint.source.constructs import as_word, at_statement_start
from mmlint.source.mask import blank

_WORD_TYPE = rb"(\b(?:int|long|char|bool|u8|u16|u32|u64|\w+_t)\s++)"
_CALL = rb"\b(?!(?:if|for|while|switch|return|sizeof|do|else)\b)([A-Za-z_]\w*+)([ \t]*+)(" + PARENS + rb")"
_KEYWORD_FIRST = re.compile(rb"[\s;]*+(?:if|for|while|switch|return|sizeof|do|else)\b")


def harder(text: bytes) -> bytes:
    """`text` after the ordinary normalisation, with rarer constructs made digestible too."""
    for pattern, replacement in _STEPS:
        text = pattern.sub(replacement, text)
    return text


def _digit_name(match: re.Match[bytes]) -> bytes:
    """`5705_PLUS`, pasted to a prefix by its macro."""
    return match[1] + b"_"


def _prefixes(match: re.Match[bytes]) -> bytes:
    """`KERN_INFO PFX "..."`: both prefixes as one."""
    if match[1] in (b"return", b"case", b"else", b"sizeof", b"goto"):
        return match[0]
    return match[1] + b"_" * len(match[2])


def _string(match: re.Match[bytes]) -> bytes:
    """`__stringify(x)` between strings."""
    return match[1] + b'"' + blank(match[2][1:-1]) + b'"'


def _formatted(match: re.Match[bytes]) -> bytes:
    """`KERN_DEBUG pr_fmt("...")`."""
    return blank(match[1]) + match[2] + b" "


def _operator(match: re.Match[bytes]) -> bytes:
    return match[1] + b"_" * len(match[2])


def _blank_second(match: re.Match[bytes]) -> bytes:
    return match[1] + blank(match[2])


def _semicolon(match: re.Match[bytes]) -> bytes:
    """An invocation that needs no `;`, with one in the blanks behind it."""
    if _KEYWORD_FIRST.match(match[1]) or not at_statement_start(match.string, match.start()):
        return match[0]
    return match[1] + match[2] + b";"


def _defined_variable(match: re.Match[bytes]) -> bytes:
    """`DEFINE_X(struct x, name) = {`: the type and the name."""
    return blank(match[1]) + match[2] + b" " + match[3] + b" "


def _last_statement(match: re.Match[bytes]) -> bytes:
    """`POSTAMBLE` or `POSTAMBLE(x)` before the last brace, where only its last byte can be the `;`."""
    lead, found = match.groups()
    if _KEYWORD_FIRST.match(found) or b"\n" in found or not at_statement_start(match.string, match.start()):
        return match[0]
    return lead + as_word(found[:-1]) + b";"


def _do_while(match: re.Match[bytes]) -> bytes:
    return match[1] + b"while".ljust(len(match[2])) + match[3]


def _bare_condition(match: re.Match[bytes]) -> bytes:
    """`if time_after(a, b)`: the macro brings no parentheses of its own here."""
    return match[1] + blank(match[2]) + match[3]


def _designated(match: re.Match[bytes]) -> bytes:
    if b"{" in match[3]:
        return match[0]
    return match[1] + match[2] + _DESIGNATOR.sub(rb"\1 ", match[3])


def _braced(match: re.Match[bytes]) -> bytes:
    """A braced list as a macro argument."""
    return match[1] + b"(" + match[2] + b")"


def _spread_type(match: re.Match[bytes]) -> bytes:
    return match[1] + as_word(match[2])


def _wrapped(match: re.Match[bytes]) -> bytes:
    """`DEB(int i);` and `DEB(if (x) y());`: what stands in the parentheses, without the macro."""
    lead, name, arguments = match.groups()
    if not _WRAPPED_CODE.match(arguments):
        return match[0]
    return lead + blank(name) + b" " + arguments[1:-1] + b" "


def _statements(match: re.Match[bytes]) -> bytes:
    """Arguments that are statements: one compound statement where there is room for its braces, else expressions."""
    name, gap, arguments = match.groups()
    inside = arguments[1:-1]
    if b";" not in inside or b"({" in inside:
        return match[0]
    return name + gap + b"(" + b",".join(_compound(inside[start:end]) for start, end in split_arguments(inside)) + b")"


def _compound(argument: bytes) -> bytes:
    """An argument that is a run of statements, in braces if blanks around it leave room, else as comma expression."""
    if b";" not in argument:
        return argument
    at = len(argument) - len(argument.lstrip(b"\n"))
    if argument[at : at + 1] in (b" ", b"\t") and argument[-1:] in (b" ", b"\t"):
        return argument[:at] + b"{" + argument[at + 1 : -1] + b"}"
    end = len(argument.rstrip(b"; \t\n"))
    return argument[:end].replace(b";", b",") + argument[end:].replace(b";", b" ")


_NUMBER = rb"(?:[xX][0-9a-fA-F]+|[0-9.]*+(?:[eE][-+]?\d++)?)[uUlLfF]*+\b"
_DESIGNATOR = re.compile(rb"([(,]\s*+)\.(?=\w+\s*+=)")
_WRAPPED_CODE = re.compile(
    rb"\(\s*(?:(?:if|for|while)\s*\(|(?:(?:struct|const|unsigned)\s+)?\w++(?:\s++|\s*+\*\s*+)\w++\s*+[)=,;])"
)

_Step: TypeAlias = tuple[re.Pattern[bytes], bytes | Callable[[re.Match[bytes]], bytes]]
_MISSING_SEMICOLONS: tuple[_Step, ...] = (
    (re.compile(rb"^([ \t;]*+[A-Za-z_]\w*+[ \t]*+" + PARENS + rb")(\n*+)[ \t](?=\s*+[A-Za-z_}])", re.M), _semicolon),
    (re.compile(rb"^([ \t;]*+[A-Z_][A-Z0-9_]++)(\n*+)[ \t](?=\s*+[A-Za-z_}])", re.M), _semicolon),
)
_STEPS: tuple[_Step, ...] = (
    (re.compile(rb",(?=\s*+\))"), b" "),
    (re.compile(rb"([(,]\s*+)\d(?!" + _NUMBER + rb")(?=\w*+\s*+[,)])"), _digit_name),
    (re.compile(rb"\b([A-Za-z_]\w*+)([ \t]++)(?=[A-Za-z_]\w*+\s*+[\"])"), _prefixes),
    (re.compile(rb"^([ \t]++\w++[ \t]): (?=\d++[ \t]*+;)", re.M), rb"\1_:"),
    (re.compile(rb"\b(pr_fmt\()([^()]*+)\)"), _formatted),
    (re.compile(rb"([(,]\s*+[A-Z_][A-Z0-9_]*+)([ \t]++)(?=[A-Z_][A-Z0-9_]*+\s*+[,)])"), _prefixes),
    (re.compile(rb"(,)[ \t](?=\s*+[,)])"), rb"\1_"),
    (re.compile(rb"(\(),(?=[ \t])"), rb"\1 "),
    (re.compile(rb"(\"\s*+)([A-Za-z_]\w*+" + PARENS + rb")"), _string),
    (re.compile(rb"([(,]\s*+)([A-Za-z_]\w*+" + PARENS + rb")(?=\s*+\")"), _string),
    (re.compile(rb"([(,]\s*+)(<<=|>>=|[-+*/%&|^=!<>]=|<<|>>|&&|\|\||[-+|&^/%=<>])(?=\s*+[,)])"), _operator),
    (re.compile(rb"(?<=[\w*\]])(\s++)(__\w++)(?=\s*+(?:[;=,)]|\[))"), _blank_second),
    (re.compile(_WORD_TYPE + rb"(__\w++)(?=\s++\**+\w+\s*+[;=,\[])"), _blank_second),
    (re.compile(rb"(\()(__\w++)(?=\s*+\*\s*+\w+\s*+\)\s*+\()"), _blank_second),
    (re.compile(rb"(\w\s++\(\s*+)((?:struct|union|enum)\s++\w++(?>(?:\s*+\*)*))(?=\s*+,)"), _spread_type),
    (re.compile(rb"^([ \t]*+\}\s*+)(\w*each\w*+)([ \t]*+" + PARENS + rb"\s*+;)", re.M), _do_while),
    (re.compile(rb"\b((?:if|while)[ \t]++)([A-Za-z_]\w*+)([ \t]*+" + PARENS + rb")(?=\s*+[\w{])"), _bare_condition),
    (re.compile(_CALL), _designated),
    (re.compile(rb"([(,]\s*+)\{([^{};]*+)\}(?=\s*+[,)])"), _braced),
    (re.compile(rb"^([ \t]++)([A-Z]\w*+)(" + PARENS + rb")(?=\s*+;)", re.M), _wrapped),
    (re.compile(_CALL), _statements),
    (re.compile(rb"^([ \t]*+[A-Z]\w*+\()([\w ]++),([ ]*+\w++)\)(?=\s*+=\s*+\{)", re.M), _defined_variable),
    (re.compile(rb"^([ \t]++)([A-Za-z_]\w*+(?>(?:" + PARENS + rb")?))(?=\n\})", re.M), _last_statement),
    *_MISSING_SEMICOLONS,
    *_MISSING_SEMICOLONS,  # every second of a run is left by the first pass
)  # fmt: skip
