"""The little C that hunks need: comments and directives out of the way, indentation, the name in a header."""

from __future__ import annotations

import re

from mmlint.frozen import dataclass
from mmlint.source.mask import mask

TOKEN = re.compile(
    rb"[{}()\[\];]|\b(?:do|else|case|default|switch|while|for|if|struct|union|enum)\b|=(?!=)|[A-Za-z_]\w*|\S"
)
_COMMENTS = re.compile(rb'/\*.*?(?:\*/|\Z)|//[^\n]*|"(?:[^"\\\n]|\\.)*"?|\'(?:[^\'\\\n]|\\.)*\'?', re.DOTALL)
_STARRED = re.compile(rb"[ \t]*\*(?:[ \t]|$|/)")
_DIRECTIVE = re.compile(rb"[ \t]*#[ \t]*(\w*)")
_NAME = re.compile(r"([A-Za-z_]\w*)\s*\(\s*(\w*)")
_NO_FUNCTIONS = frozenset(("if", "while", "for", "switch", "return", "sizeof", "__attribute__", "defined", "else"))


@dataclass(slots=True)
class Masked:
    """Lines of a piece of code. `code` has comments, literals and directives blanked; `text` is what may be shown:
    directives without partner blanked too. `in_comment`, `open_comment`: it starts and ends inside one; `in_macro`: it
    starts inside a macro body.
    """

    text: list[bytes]
    code: list[bytes]
    in_comment: bool
    open_comment: bool
    in_macro: bool


def masked(lines: list[bytes]) -> Masked:
    """Prepare the lines of one hunk side (without newlines)."""
    in_comment = _starts_in_comment(lines)
    joined = (b"/*" if in_comment else b"") + b"\n".join(lines)
    text = mask(joined)[2 if in_comment else 0 :]
    code = text.split(b"\n")
    last = None
    for last in _COMMENTS.finditer(joined):  # noqa: B007
        pass
    open_comment = last is not None and last[0].startswith(b"/*") and (len(last[0]) < 4 or not last[0].endswith(b"*/"))
    shown, in_macro = _directives(lines, code)
    return Masked(shown, code, in_comment, open_comment, in_macro)


def _starts_in_comment(lines: list[bytes]) -> bool:
    for line in lines:
        close, begin = line.find(b"*/"), line.find(b"/*")
        if close >= 0 and (begin < 0 or close < begin):
            return True
        if begin >= 0:
            return False
    first = next((line for line in lines if line.strip()), b"")
    return bool(_STARRED.match(first))


def _directives(lines: list[bytes], code: list[bytes]) -> tuple[list[bytes], bool]:
    """Blank directives (and macro bodies) in `code`; returns the lines with unpaired conditionals blanked."""
    shown = list(lines)
    in_macro = _starts_in_macro(lines, code)
    continued = in_macro
    open_ifs: list[list[int]] = []
    for index, line in enumerate(code):
        match = None if continued else _DIRECTIVE.match(line)
        if match:
            word = match[1]
            if word in (b"if", b"ifdef", b"ifndef"):
                open_ifs.append([index])
            elif word in (b"else", b"elif"):
                if open_ifs:
                    open_ifs[-1].append(index)
                else:
                    shown[index] = b""
            elif word == b"endif":
                if open_ifs:
                    open_ifs.pop()
                else:
                    shown[index] = b""
        if match or continued:
            continued = lines[index].rstrip().endswith(b"\\")
            code[index] = b""
    for group in open_ifs:
        for index in group:
            shown[index] = b""
    return shown, in_macro


def _starts_in_macro(lines: list[bytes], code: list[bytes]) -> bool:
    return bool(lines) and lines[0].rstrip().endswith(b"\\") and not _DIRECTIVE.match(code[0])


def indent(line: bytes) -> int:
    """The column in which a line's text begins, tabs of 8."""
    body = line.lstrip(b" \t")
    return len(line[: len(line) - len(body)].expandtabs(8))


def function_name(header: str) -> str:
    """The name in a function header or hunk heading, '' when it is none; macros that define one keep their argument."""
    match = _NAME.search(header)
    if not match or match[1] in _NO_FUNCTIONS or header.startswith("#"):
        return ""
    before = header[: match.start()]
    if "=" in before or header.rstrip().endswith(";"):
        return ""
    return f"{match[1]}({match[2]}" if match[1].isupper() or "DEFINE" in match[1] else match[1]
