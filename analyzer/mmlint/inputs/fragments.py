"""Hunks without a tree -> C text before and after, every shown line at its true number, that a parser can read.

What the hunks do not show is not invented: a hidden opening becomes `if (mmlint_hidden) {`, the function around a hunk
comes from its heading, two hunks of one function are joined by `mmlint_not_shown();`, and where a hunk breaks off the
path ends in `unreachable();`. All of that stands on lines that are not shown, or behind the last line of a hunk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from itertools import pairwise

from mmlint.frozen import dataclass
from mmlint.inputs.blocks import ABOVE, GAP, HIDDEN, Block, Walk, walk
from mmlint.inputs.clex import Masked, function_name, masked
from mmlint.inputs.model import FileChange, Hunk

Ranges = tuple[tuple[int, int], ...]
_LABEL = re.compile(rb"[A-Za-z_]\w*[ \t]*:(?!:)")
_DATA_END = re.compile(rb"\}[ \t]*(?:[A-Za-z_][\w \t\[\]()]*)?[;,=]")
_STATEMENT = re.compile(rb"\)[ \t]*;|\b(?:return|goto|if|for|while|break|continue)\b|->")
_DESIGNATED = re.compile(rb"^[ \t]*(?:\.\w|\[|\{)|,[ \t]*$")
_CUT_OPERATOR = re.compile(rb"[ \t]*(?:[?:|=<>/%^,.]|&&|->|\|\||[-+][ \t])")
_HEADING_MAX = 79
_HEADING_OPEN = re.compile(r"\([^()]*$")
_PARAMETER = re.compile(rb"\s*(?:\w+[\s*]+)+\w+(?:\[\w*\])?\s*|\s*\.\.\.\s*")
_NO_TYPE = re.compile(r"[a-z_]\w*\s*\(")


def fragments(change: FileChange) -> tuple[bytes, bytes]:
    """The file before and after as far as the hunks show it; b'' for a side that has no lines."""
    sides = [_regions(change.hunks, old) for old in (True, False)]
    joined = _joined(*sides)
    before, after = (_Writer(regions, joined).write() for regions in sides)
    return before, after


def shown(change: FileChange) -> tuple[Ranges, Ranges]:
    """First and last line of each stretch that the hunks show, before and after."""
    before, after = (
        tuple((region.start, region.start + len(region.lines) - 1) for region in _regions(change.hunks, old))
        for old in (True, False)
    )
    return before, after


@dataclass(slots=True)
class _Region:
    """Consecutive shown lines of one side. `context` says where they begin: top, body, args, struct or init."""

    start: int
    lines: list[bytes]
    heading: str
    hunk: int
    context: str = "top"
    code: Masked = field(default_factory=lambda: masked([]))
    end_name: str = ""


def _regions(hunks: Sequence[Hunk], old: bool) -> list[_Region]:
    regions: list[_Region] = []
    for number, hunk in enumerate(hunks):
        skip = "+" if old else "-"
        lines = [text for tag, text in hunk.lines if tag != skip]
        start = hunk.source_start if old else hunk.target_start
        if not lines:
            continue
        end = regions[-1].start + len(regions[-1].lines) if regions else 1
        if regions and start <= end:
            regions[-1].lines += lines[end - start :]
            continue
        regions.append(_Region(max(start, 1), lines, hunk.heading, number))
    for region in regions:
        region.code = masked(region.lines)
        if _is_macro_tail(region):
            region.code.in_macro, region.code.code[0] = True, b""
        region.context = _context(region)
        region.end_name = walk(region.code.code, _initial(region), _name(region)).name
    return regions


def _name(region: _Region) -> str:
    if region.context not in ("body", "args", "brace"):
        return ""
    return function_name(region.heading) or f"{HIDDEN.decode()}_{region.hunk + 1}"


def _initial(region: _Region) -> list[Block]:
    kinds = {"body": "func", "args": "paren", "struct": "struct", "init": "init"}
    return [Block(kinds[region.context], 0, True)] if region.context in kinds else []


def _joined(before: list[_Region], after: list[_Region]) -> frozenset[int]:
    """Indexes of the hunks that go on in the function the hunk before them ends in, by the name on either side."""
    found = set()
    for regions in (before, after):
        for first, second in pairwise(regions):
            name = function_name(second.heading)
            if name and second.context == "body" and first.end_name == name:
                found.add(second.hunk)
    return frozenset(found)


def _are_parameters(code: bytes) -> bool:
    """Whether the text goes on in a parameter list: declarations up to a parenthesis that it did not open."""
    head, closed, _ = code.partition(b")")
    return bool(closed) and all(_PARAMETER.fullmatch(piece) for piece in head.split(b","))


def _is_macro_tail(region: _Region) -> bool:
    """Whether the first line closes a parenthesis of a macro whose other lines are not shown."""
    code = region.code.code
    if len(code) < 2 or code[0].count(b")") <= code[0].count(b"(") or not code[0][:1].isspace():
        return False
    following = next((line for line in code[1:] if line.strip()), b"{")
    return following[:1].isalpha() and not _LABEL.match(following) and not code[0].rstrip().endswith((b";", b","))


def _context(region: _Region) -> str:
    """Where the region begins, told by its first line in column 0, else by its heading and its looks."""
    code = region.code.code
    if _HEADING_OPEN.search(region.heading) and _are_parameters(b" ".join(code)):
        return "args"
    depth = lowest = 0
    for line in code:
        if not line.strip():
            continue
        if not line[:1].isspace() and not _LABEL.match(line):
            if line[:1] == b"}":
                return _data(region) if _DATA_END.match(line) else "body"
            return "args" if lowest < 0 else "brace" if line[:1] == b"{" else "top"
        for char in line:
            depth += (char == 0x28) - (char == 0x29)
            lowest = min(lowest, depth)
    if region.start == 1 or region.code.in_macro or not any(line.strip() for line in code):
        return "top"
    if function_name(region.heading):
        return "body"
    if re.match(r"(?:static |const |typedef )*(?:struct|union|enum)\b[^;()]*\{?$", region.heading):
        return _data(region)
    if re.search(r"=\s*\{?$", region.heading):
        return "init"
    return "body" if any(_STATEMENT.search(line) or _LABEL.match(line) for line in code) else _data(region)


def _data(region: _Region) -> str:
    """Members of a struct, or values of an initialiser or enum."""
    lines = [line for line in region.code.code if line[:1].isspace() and line.strip()]
    values = sum(bool(_DESIGNATED.search(line)) for line in lines)
    return "init" if values * 2 > len(lines) or re.search(r"=\s*\{?$", region.heading) else "struct"


class _Writer:
    """Puts the regions of one side on their lines."""

    def __init__(self, regions: list[_Region], joined: frozenset[int]) -> None:
        self.regions, self.joined = regions, joined
        self.out: list[bytes] = []
        self.spilled = b""

    def write(self) -> bytes:
        """The whole text, with a newline at its end; b'' without regions."""
        stack: list[Block] = []
        name = tail = ""
        last: _Region | None = None
        for region in self.regions:
            joins = region.hunk in self.joined and any(block.kind == "func" for block in stack)
            if last is not None:
                self._append(last, tail.encode() if joins else _closed(tail, stack))
            if not joins:
                stack, name = _initial(region), _name(region)
            walked = walk(region.code.code, stack, name)
            self._lead(region, b" ".join(_head(region, walked, joins)))
            self.out += region.code.text[1:] if len(self.out) >= region.start else region.code.text
            stack, name, tail, last = walked.stack, walked.name, walked.tail.decode(), region
        if last is not None:
            self._append(last, _closed(tail, stack))
        return b"\n".join([*self.out, self.spilled, b""] if self.spilled else [*self.out, b""]) if self.out else b""

    def _lead(self, region: _Region, head: bytes) -> None:
        """Blank lines up to the region, the last of them with what has to stand before it."""
        head = b" ".join(filter(None, (self.spilled, head)))
        self.spilled = b""
        above, _, macro = head.rpartition(b"\n") if region.code.in_macro else (head, b"", b"")
        ending = [above, macro] if region.code.in_macro else [head]
        blanks = region.start - 1 - len(self.out) - len(ending)
        if blanks >= 0:
            self.out += [b""] * blanks + ending
        elif region.start - 1 > len(self.out):
            self.out.append(ending[-1])
        elif head:
            self.out.append(head + b" " + region.code.text[0])

    def _append(self, region: _Region, text: bytes) -> None:
        """Behind the last line shown where that is safe, else on the next line that is not."""
        line, code = self.out[-1], region.code.code[-1]
        text = b" ".join(filter(None, (b"*/" if region.code.open_comment else b"", text)))
        if line.rstrip().endswith(b"\\"):
            self.out[-1] = line = line.rstrip()[:-1]
        plain = bool(code.strip()) or not line.strip() or line.rstrip().endswith(b"*/") or region.code.open_comment
        if not text:
            return
        if plain and b"//" not in line:
            self.out[-1] = (line + b" " + text).lstrip(b" ") if not line.strip() else line + b" " + text
        else:
            self.spilled = text


def _closed(tail: str, stack: Sequence[Block]) -> bytes:
    return b" ".join(filter(None, (tail.encode(), *(block.closer for block in reversed(stack)))))


def _head(region: _Region, walked: Walk, joins: bool) -> Iterator[bytes]:
    """What stands before a region: blocks the gap closed, the function's header, openings that are not shown."""
    if joins:
        yield from (block.plain_closer for block in walked.dropped)
        if walked.entered not in ("struct", "init", "item"):
            yield GAP
    else:
        yield from _opening(region)
    yield from walked.openers
    first = next((line for line in region.code.code if line.strip()), b"")
    if region.context == "body":
        yield from walked.parens
        data = walked.entered in ("struct", "init", "item") or (walked.openers and walked.openers[-1].endswith(b"= {"))
        if not walked.parens and not data and _CUT_OPERATOR.match(first):
            yield HIDDEN + (b" ? " + HIDDEN if first.lstrip().startswith(b":") else b"")
    if region.code.in_macro:
        yield b"\n#define " + HIDDEN + b"_macro \\"
    elif region.code.in_comment:
        yield b"/*"


def _opening(region: _Region) -> Iterator[bytes]:
    heading = region.heading.strip()
    if region.context == "init":
        yield b"struct " + HIDDEN + b" " + HIDDEN + b" = {"
    elif region.context == "struct":
        named = re.match(r"(?:static |const |typedef )*((?:struct|union|enum)(?: \w+)?)", heading)
        yield (named[1].encode() if named else b"struct " + HIDDEN) + b" {"
    elif region.context == "body":
        yield (_header(heading) or f"void {_name(region)}(void)").encode() + b" { " + ABOVE
    elif region.context == "brace":
        yield (_header(heading) or f"void {_name(region)}(void)").encode()
    elif region.context == "args":
        yield (_header_start(heading) or f"void {_name(region)}(").encode()
    elif _untyped(region):
        yield b"int"


def _untyped(region: _Region) -> bool:
    """Whether the region begins with a function's name and its return type stands on the line before."""
    head = re.match(rb"\s*([^;{}=]*)\{", b" ".join(region.code.code))
    return head is not None and _NO_TYPE.match(head[1].decode("latin-1")) is not None


def _typed(header: str) -> str:
    """The header with a return type; where the line with the name has none, it is on the line before, not shown."""
    return f"int {header}" if _NO_TYPE.match(header) and not header[:1].isupper() else header


def _header_start(heading: str) -> str:
    """A function header left open after its last whole parameter; '' when the heading is none."""
    if not function_name(heading) or heading.count("(") <= heading.count(")"):
        return ""
    if len(heading) < _HEADING_MAX or heading.endswith((",", "(")):
        return _typed(heading)
    cut = max(heading.rfind(","), heading.find("("))
    return _typed(heading[: cut + 1])


def _header(heading: str) -> str:
    """A whole function header from a heading that git cuts at 80 bytes; '' when the heading is none."""
    if not function_name(heading):
        return ""
    missing = heading.count("(") - heading.count(")")
    if missing <= 0:
        return _typed(heading[: heading.rfind(")") + 1])
    last = max(heading.rfind(","), heading.find("(")) + 1
    piece = heading[last:].strip()
    if not re.fullmatch(r"(?:\w+[ *]+)+\w+(?:\[\w*\])?|void|\.\.\.", piece) or piece in ("const", "struct"):
        heading = heading[:last].rstrip(", ")
    return _typed(heading) + ")" * (heading.count("(") - heading.count(")"))
