"""The constructs of kernel C that tree-sitter-c cannot digest, each replaced by C of the same length."""

from __future__ import annotations

import re

from mmlint.source.balance import PARENS
from mmlint.source.mask import blank
from mmlint.source.words import without_annotations

_KEYWORDS = rb"(?:if|while|for|switch|return|sizeof|else|do|case|goto|typeof|struct|union|enum|default)\b"

_STATEMENT_MACRO = re.compile(
    rb"^([ \t]++(?:\}?+[ \t]*+else[ \t]++)?)(?!"
    + _KEYWORDS
    + rb")([A-Za-z_]\w*+)([ \t]*+)("
    + PARENS
    + rb")(?=(\s*+)([A-Za-z_{}*]|\+\+|--))",
    re.M,
)
_ITERATOR_NAME = re.compile(rb"each|loop|while|iter|walk|^list_for|^FOR|_for_|^for_")
_CONDITIONAL = re.compile(rb"scoped_|^with_|if_|_if\b|^IF|^if|^unless", re.I)
_TYPE_ARGUMENT = re.compile(
    rb"[(,](?:(?<=,)|(?<=\w\()(?<!\Wsizeof\()(?<!\Wtypeof\())\s*+"
    rb"((?:const\s+|volatile\s+)?(?:(?:struct|union|enum)\s+\w++"
    rb"|(?:unsigned|signed|long|short)(?:\s+(?:long|int|char|short|unsigned))+"
    rb"|[a-z_]\w*+(?=\s*+\*|\s+const\b)|(?<=const )\w++)(?:\s+const\b)?(?>(?:\s*+\*(?:\s*+const\b)?)*))(?=\s*+[,)])"
)
_TYPEOF = re.compile(rb"\b(?:__)?typeof(?:__|_unqual)?[ \t]*+(" + PARENS + rb")")
_ASM = re.compile(
    rb"\b(?:__asm__|__asm|asm)(?:_inline)?\b((?>(?:\s*+\b(?:__volatile__|volatile|goto|inline|__volatile|__inline|__inline__)\b)*))"
    rb"\s*+(" + PARENS + rb")"
)
_CASE_RANGE = re.compile(rb"(\bcase\b[^:;{}]*?)\.\.\.")
_LAST_WORD = re.compile(rb"\w++(?=[\s*]*\Z)")
_NOT_WORD = re.compile(rb"[^\w\n]")
_JUMP_ARGUMENT = re.compile(rb"([(,]\s*+)(return|break|continue|goto)\b(?=(\s*+[,);])?)")
_STATIC_MACRO = re.compile(rb"^([ \t]*+)static(?=\s+[A-Z_][A-Z0-9_]*+\()", re.M)
_DECLARED_ARRAY = re.compile(
    rb"^([ \t]*+)(DECLARE_BITMAP\(|DECLARE_\w+\((?=[^;\n]*\)\s*=))([ ]*\w+),([^()\n]*+(?>(?:"
    + PARENS
    + rb"[^()\n]*+)*))\)"
    rb"(?=\s*[=;])",
    re.M,
)
_SIZED_ARGUMENT = re.compile(rb"^([ \t]++\w++\(\w++\([^;()\n]*\*)[ ](?=sizeof\b)", re.M)
_OPERATOR_NAME = re.compile(rb"\b(?:__alignof__|__alignof|_Alignof|alignof|offsetof)(?=\s*\()")


def _solid(text: bytes) -> bytes:
    return _NOT_WORD.sub(b"_", text)


def _typeof(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if b"\n" not in found:
        return _solid(found)
    word = found[: found.index(b"(")]
    return word + blank(found[len(word) :])


def _asm(match: re.Match[bytes]) -> bytes:
    """A statement becomes a call of `Asm` without arguments; the register of a variable goes."""
    found = match[0]
    before = match.string[max(0, match.start() - 40) : match.start()].rstrip()
    if before[-1:].isalnum() and not before.endswith((b"else", b"do")):
        return blank(found)
    inside = match[2]
    return b"Asm" + blank(found[3 : len(found) - len(inside)]) + b"(" + blank(inside[1:-1]) + b")"


def as_word(kept: bytes) -> bytes:
    """A type name of several words as one identifier of the same length; if lines part it, its last word alone."""
    if b"\n" not in kept:
        return _solid(kept)
    last = _LAST_WORD.search(kept)
    return blank(kept[: last.start()]) + last[0] + blank(kept[last.end() :]) if last else kept


def _type_argument(match: re.Match[bytes]) -> bytes:
    kept = match[1]
    return match[0][: -len(kept)] + as_word(kept)


def _declared_array(match: re.Match[bytes]) -> bytes:
    return match[1] + b"int".ljust(len(match[2])) + match[3] + b"[" + match[4] + b"]"


def _jump_argument(match: re.Match[bytes]) -> bytes:
    """A jump alone becomes a name, one that takes a value or label leaves that."""
    lead, word, alone = match.groups()
    return lead + (word.capitalize() if alone is not None else blank(word))


def at_statement_start(text: bytes, at: int) -> bool:
    """Whether a statement may start at `at`, judged by the last token before it."""
    before = text[max(0, at - 300) : at].rstrip()
    if before.endswith(b"{"):
        return not before[:-1].rstrip().endswith((b"=", b"(", b","))
    if not before or before[-1] in b";}:)" or before.endswith((b"else", b"do")):
        return True
    return before.rpartition(b"\n")[2].lstrip().startswith(b"#")


def _statement_macro(match: re.Match[bytes]) -> bytes:
    """An iterator as `while` (or `for`, with three clauses), a scope as `if`; arguments stay where they are."""
    found = match[0]
    lead, name, gap, arguments, space, follow = match.groups()
    if follow == b"}" or not at_statement_start(match.string, match.start()):
        return found
    conditional = _CONDITIONAL.search(name) is not None
    if follow != b"{" and not conditional and not _ITERATOR_NAME.search(name) and not _goes_deeper(lead, space):
        return found
    keyword = b"if" if conditional or len(name) < 5 else b"for" if arguments.count(b";") == 2 else b"while"
    if arguments[1:-1].strip():
        return lead + keyword.ljust(len(name)) + gap + arguments if len(keyword) <= len(name) else found
    whole = len(name) + len(gap) + len(arguments)
    if b"\n" in gap + arguments or whole < len(keyword) + 3:
        return found
    return lead + (keyword + b"(1)").ljust(whole)


def _goes_deeper(lead: bytes, space: bytes) -> bool:
    _, newline, indent = space.rpartition(b"\n")
    return bool(newline) and len(indent.expandtabs(8)) > len(lead.expandtabs(8))


def normal_constructs(text: bytes) -> bytes:
    """Masked text, its preprocessor arms chosen, with annotations, iterators and type arguments made plain C."""
    text = without_annotations(text)
    if b"asm" in text:
        text = _ASM.sub(_asm, text)
    if b"typeof" in text:
        text = _TYPEOF.sub(_typeof, text)
    if b"static" in text:
        text = _STATIC_MACRO.sub(rb"\1      ", text)
    if b"DECLARE_" in text:
        text = _DECLARED_ARRAY.sub(_declared_array, text)
    if b"offsetof" in text or b"lignof" in text:
        text = _OPERATOR_NAME.sub(lambda match: match[0].replace(b"of", b"Of"), text)
    text = _TYPE_ARGUMENT.sub(_type_argument, text)
    if b"sizeof" in text:
        text = _SIZED_ARGUMENT.sub(rb"\1+", text)  # else `f(G(n * sizeof(x)));` may be read as a declaration
    text = _STATEMENT_MACRO.sub(_statement_macro, text)
    if b"..." in text:
        text = _CASE_RANGE.sub(rb"\1<= ", text)
    return _JUMP_ARGUMENT.sub(_jump_argument, text)
