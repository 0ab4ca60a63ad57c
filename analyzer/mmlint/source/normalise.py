"""Make kernel C digestible for tree-sitter-c without moving a byte.

Every replacement has the length of what it replaces and keeps its newlines, so each offset and line of the parse tree
is one of the original text. What was replaced is always found there.
"""

from __future__ import annotations

import re

from mmlint.source import preproc
from mmlint.source.balance import PARENS
from mmlint.source.mask import blank, mask
from mmlint.source.words import PLAIN, WORD

_KEYWORDS = rb"(?:if|while|for|switch|return|sizeof|else|do|case|goto|typeof|struct|union|enum|default)\b"

_STATEMENT_MACRO = re.compile(
    rb"^([ \t]++(?:else[ \t]++)?)(?!"
    + _KEYWORDS
    + rb")([A-Za-z_]\w*+)([ \t]*+)("
    + PARENS
    + rb")(?=(\s*+)([A-Za-z_{}*]|\+\+|--))",
    re.M,
)
_ITERATOR_NAME = re.compile(rb"each|loop|while|iter|walk|^list_for|^FOR|_for_|^for_")
_CONDITIONAL = re.compile(rb"scoped_|if_|_if\b|^IF|^if|^unless", re.I)
_TYPE_ARGUMENT = re.compile(
    rb"(?:(?<=[\w])\(|,)(?<!sizeof\()(?<!typeof\()(?<!ignof\()(?<!of__\()\s*+"
    rb"((?:const[ ]|volatile[ ])?(?:(?:struct|union|enum)\s+\w++|(?:unsigned|signed|long|short)(?:\s+(?:long|int|char|short|unsigned))+"
    rb"|(?:const[ ])?(?:unsigned|signed|long|short|int|char|void|[a-z]\w*+)(?=\s*+\*)|const\s+\w++)(?:\s*+\*(?:\s*+const\b)?)*+)(?=\s*+[,)])"
)
_TYPEOF = re.compile(rb"\b(?:__)?typeof(?:__|_unqual)?[ \t]*+(" + PARENS + rb")")
_ASM = re.compile(
    rb"\b(?:__asm__|__asm|asm)\b((?:\s*+\b(?:__volatile__|volatile|goto|inline|__volatile|__inline)\b)*+)\s*+("
    + PARENS
    + rb")"
)
_CASE_RANGE = re.compile(rb"(\bcase\b[^:;{}]*?)\.\.\.")
_NOT_WORD = re.compile(rb"[^\w\n]")
_JUMP_ARGUMENT = re.compile(rb"(?<=[(,])(\s*+)(return|break|continue|goto)\b")


def _annotation(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found in PLAIN or match["called"]:
        return blank(found)
    return found


def _solid(text: bytes) -> bytes:
    return _NOT_WORD.sub(b"_", text)


def _typeof(match: re.Match[bytes]) -> bytes:
    found = match[0]
    return found if b"\n" in found else _solid(found)


def _asm(match: re.Match[bytes]) -> bytes:
    found = match[0]
    inside = match[2]
    head = len(found) - len(inside)
    return (
        b"asm_" + blank(found[4:head]) + b"(" + blank(inside[1:-1]) + b")"
        if head >= 4
        else b"asm" + b"(" + blank(inside[1:-1]) + b")"
    )


def _type_argument(match: re.Match[bytes]) -> bytes:
    found = match[0]
    kept = match[1]
    if b"\n" in kept:
        return found
    return found[: len(found) - len(kept)] + _solid(kept)


def _jump_argument(match: re.Match[bytes]) -> bytes:
    word = match[2]
    return match[1] + (word.capitalize() if word in (b"break", b"continue") else blank(word))


def _at_statement_start(text: bytes, at: int) -> bool:
    before = text[max(0, at - 300) : at].rstrip()
    return not before or before[-1] in b";{}:)" or before.endswith((b"else", b"do"))


def _statement_macro(match: re.Match[bytes]) -> bytes:
    found = match[0]
    lead, name, gap, arguments, space, follow = match.groups()
    if not _at_statement_start(match.string, match.start()):
        return found
    newline = space.rfind(b"\n")
    if follow == b"{" or (follow != b"}" and (newline < 0 or _ITERATOR_NAME.search(name) or _CONDITIONAL.search(name))):
        keyword = b"if" if _CONDITIONAL.search(name) or len(name) < 5 else b"while"
        if not arguments[1:-1].strip():
            whole = len(name) + len(gap) + len(arguments)
            if b"\n" in gap + arguments or whole < len(keyword) + 3:
                return found
            return lead + (keyword + b"(1)").ljust(whole)
        return lead + keyword.ljust(len(name)) + gap + arguments
    return found


def normalise(text: bytes) -> bytes:
    """Kernel C as plain C of the same length, line by line; takes any bytes and never fails."""
    return normalise_masked(preproc.resolve(mask(text)).text)


def normalise_masked(text: bytes) -> bytes:
    """The steps of `normalise` after masking and choosing preprocessor arms."""
    text = WORD.sub(_annotation, text)
    if b"asm" in text:
        text = _ASM.sub(_asm, text)
    if b"typeof" in text:
        text = _TYPEOF.sub(_typeof, text)
    text = _TYPE_ARGUMENT.sub(_type_argument, text)
    text = _STATEMENT_MACRO.sub(_statement_macro, text)
    if b"..." in text:
        text = _CASE_RANGE.sub(rb"\1<= ", text)
    return _JUMP_ARGUMENT.sub(_jump_argument, text)
