"""Read a function header (everything before its `{`): name, first token, and a form that a parser of C accepts."""

from __future__ import annotations

import re

from mmlint.frozen import dataclass
from mmlint.source.balance import PARENS, split_arguments
from mmlint.source.mask import blank
from mmlint.source.words import UNPREFIXED, without_annotations

_GROUP = re.compile(rb"([A-Za-z_]\w*+)\s*+(?>(?:(" + PARENS + rb")\s*+(?=\())?)(" + PARENS + rb")")
_NOT_FUNCTIONS = frozenset(
    (b"struct", b"union", b"enum", b"if", b"while", b"for", b"switch", b"do", b"else", b"return")
)
_TAIL = re.compile(rb"(?>(?:\s++|(?!struct\b|union\b|enum\b)\w++(?>(?:\s*+" + PARENS + rb")?))*)")
_RETURNS_FUNCTION = re.compile(rb"\(\s*\*+\s*([A-Za-z_]\w*+)\s*(" + PARENS + rb")\s*\)\s*+" + PARENS)
_DEFINING = re.compile(rb"_DEFINE(?:\d|x)?\d*$|^DEFINE_|^BPF_CALL_\d|^[A-Z][A-Z0-9_]*$")
_SYSCALL = re.compile(rb"(COMPAT_)?SYSCALL(?:32)?_DEFINE(\d)")
_PAIRED = re.compile(rb"(?:SYSCALL\w*_DEFINE|BPF_CALL_|DEFINE_)\w*?(\d)$")
_VISIBLE = re.compile(rb"\S")
_IDENTIFIER = re.compile(rb"[A-Za-z_]\w*+")
_BASE_WORDS = frozenset(
    b"void char short int long float double signed unsigned bool _Bool static inline extern const volatile register "
    b"struct union enum".split()
)

_TAGS = (b"struct", b"union", b"enum")
_STORAGE = frozenset((b"static", b"inline", b"extern"))
_TYPE_WORDS = _BASE_WORDS - _STORAGE - frozenset((b"const", b"volatile", b"register"))
_NOT_WORD = re.compile(rb"[^\w\n]")
_SPECIFIER = re.compile(rb"[A-Za-z_]\w*+(?:\s*+" + PARENS + rb")?")


@dataclass(frozen=True, slots=True)
class Header:
    """Where a header's parts are, as offsets into the text it was read from."""

    name: str
    start: int
    name_at: int
    name_end: int
    parameters: tuple[int, int]
    end: int
    macro: str = ""


def clean_header(text: bytes) -> bytes:
    """A masked header without annotations, same length."""
    return UNPREFIXED.sub(lambda match: blank(match[0]), without_annotations(text))


def read_header(text: bytes, written: bytes) -> Header | None:
    """The header of a function definition, or None if `text` (up to a `{`) is something else.

    `text` is what `clean_header` made of `written`; annotations before the type belong to the definition.
    """
    found = _RETURNS_FUNCTION.search(text)
    if found and _TAIL.fullmatch(text, found.end()):
        start = _first_token(written, 0)
        return Header(found[1].decode(), start, found.start(1), found.end(1), found.span(2), found.end())
    last: re.Match[bytes] | None = None
    start = 0
    for match in _GROUP.finditer(text):
        if last is not None:
            between = text[last.end() : match.start()]
            before = text[start : last.start()].split()
            if not between.strip() and not all(word.startswith(b"__") for word in before):
                break  # an annotation behind the parameters
            if b"\n" in between:
                start = last.end()
        last = match
    if last is None or last[1] in _NOT_FUNCTIONS or not _TAIL.fullmatch(text, last.end()):
        return None
    return _named(text, _first_token(written, start), last)


def _first_token(text: bytes, start: int) -> int:
    found = _VISIBLE.search(text, start)
    return found.start() if found else start


def _named(text: bytes, start: int, last: re.Match[bytes]) -> Header | None:
    name, named, parameters = last.groups()
    shown = name.decode()
    macro = ""
    if named:
        inside = named[1:-1].strip()
        shown = inside.decode() if _IDENTIFIER.fullmatch(inside) else shown
    elif _DEFINING.search(name) and not [word for word in text[start : last.start()].split() if word not in _STORAGE]:
        macro = shown
        shown = _defined_name(name, parameters) or shown
    name_end = last.end(2) if named else last.end(1)
    return Header(shown, start, last.start(1), name_end, last.span(3), last.end(), macro)


def _defined_name(macro: bytes, parameters: bytes) -> str:
    inside = parameters[1:-1]
    first = split_arguments(inside)[0]
    name = inside[first[0] : first[1]].strip()
    if not _IDENTIFIER.fullmatch(name):
        return ""
    syscall = _SYSCALL.fullmatch(macro)
    if syscall:
        return ("compat_sys_" if syscall[1] else "sys_") + name.decode()
    return name.decode()


def normal_header(text: bytes, header: Header) -> bytes:
    """The header (masked, annotations gone) as one that declares a function, of the same length."""
    begin, end = header.parameters
    tail = blank(text[header.end :])
    if not header.macro:
        name = _NOT_WORD.sub(b"_", text[header.name_at : header.name_end])
        before = _specifiers(text[: header.name_at], header.start)
        return before + name + text[header.name_end : header.end] + tail
    lead = blank(text[: header.name_at])
    if header.name_end - header.name_at < len(b"int f"):
        whole = blank(text[header.name_at : end])
        if len(whole) < len(b"int f()") or b"\n" in whole[: len(b"int f()")]:
            return text
        return lead + b"int f()" + whole[len(b"int f()") :] + tail
    name = b"int _" + text[header.name_at + len(b"int _") : header.name_end]
    return lead + name + text[header.name_end : begin] + _macro_parameters(header.macro, text[begin:end]) + tail


def _specifiers(text: bytes, start: int) -> bytes:
    """What stands before a function's name, with one type only: words that no type leaves room for are blanked."""
    words = list(_SPECIFIER.finditer(text, start))
    known = any(word[0] in _TYPE_WORDS for word in words)
    others = [
        word
        for index, word in enumerate(words)
        if word[0] not in _BASE_WORDS and (index == 0 or words[index - 1][0] not in _TAGS)
    ]
    out = bytearray(blank(text[:start]) + text[start:])
    for word in others if known else others[:-1]:
        out[word.start() : word.end()] = blank(word[0])
    if not known and not others and words:
        _implicit_int(out, words[-1])
    return bytes(out)


def _implicit_int(out: bytearray, word: re.Match[bytes]) -> None:
    if word.end() - word.start() >= len(b"int"):
        out[word.start() : word.end()] = b"int".ljust(word.end() - word.start())


def _macro_parameters(macro: str, parameters: bytes) -> bytes:
    """`(name, type, arg, type, arg)` as `(      type  arg, type  arg)`; blank where the macro has no such pairs."""
    inside = parameters[1:-1]
    spans = split_arguments(inside)
    out = bytearray(inside)
    out[: spans[0][1] + 1] = blank(inside[: spans[0][1] + 1])
    index = 1
    while index < len(spans):
        start, end = spans[index]
        if inside[start:end].rstrip().endswith(b")"):  # compat_arg_u64_dual(offset) stands for a type and a name
            index += 1
        elif index + 1 < len(spans):
            out[end] = 0x20
            index += 2
        else:
            return b"(" + blank(inside) + b")"
    return b"(" + bytes(out if _PAIRED.search(macro.encode()) else blank(inside)) + b")"
