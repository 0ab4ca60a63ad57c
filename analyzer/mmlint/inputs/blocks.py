"""Follow braces through a piece of a function: what it closes that it did not open, what it leaves open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field

from mmlint.frozen import dataclass
from mmlint.inputs.clex import TOKEN, function_name, indent

HIDDEN = b"mmlint_hidden"
"""Stands for a condition, operand or name that a hunk does not show."""
CUT = b"unreachable();"
"""Ends a path where the hunk ends: what follows is not known, so nothing may be concluded from reaching the end."""
GAP = b"mmlint_not_shown();"
"""Stands for the lines between two hunks of one function."""
ABOVE = b"mmlint_above();"
"""Stands for the lines of a function above its first hunk."""

_MAX_DEPTH = 128
"""Open brackets at which a piece is no longer followed: no code is nested that deep."""
_MAX_WORDS = 1000
"""Words of one statement that are looked at."""
_LOOPS = frozenset((b"for", b"while"))
_DATA = frozenset(("struct", "init", "item"))


@dataclass(frozen=True, slots=True)
class Block:
    """An open bracket: kind func, block, if, loop, switch, do, struct, init, item (a nested init) or paren.

    `indent` is the column of the statement it belongs to; `carried`: it was opened before the piece.
    """

    kind: str
    indent: int
    carried: bool = False

    @property
    def plain_closer(self) -> bytes:
        """The text that closes it between two hunks."""
        if self.kind == "do":
            return b"} while (" + HIDDEN + b");"
        return b"};" if self.kind in ("struct", "init") else b"}"

    @property
    def closer(self) -> bytes:
        """The text that closes it where the hunk ends."""
        if self.kind == "paren":
            return b")"
        return self.plain_closer if self.kind in _DATA else CUT + b" " + self.plain_closer


@dataclass(slots=True)
class Walk:
    """What a walk found. `openers` go before the piece, outermost first; `dropped` blocks were closed in the gap;
    `entered` is the kind of the block that the piece begins in; `stack` is open at the end, and so is the
    function `name` ('' for none or unknown).
    """

    openers: list[bytes] = field(default_factory=list)
    parens: list[bytes] = field(default_factory=list)
    dropped: list[Block] = field(default_factory=list)
    stack: list[Block] = field(default_factory=list)
    entered: str = ""
    name: str = ""
    tail: bytes = b""


def walk(code: Sequence[bytes], stack: Sequence[Block], name: str) -> Walk:
    """Go through masked lines with `stack` open before them, inside function `name`."""
    return _Walker(code, stack, name).run()


class _Walker:
    def __init__(self, code: Sequence[bytes], stack: Sequence[Block], name: str) -> None:
        self.tokens = [(match[0], at) for at, line in enumerate(code) for match in TOKEN.finditer(line)]
        self.code = code
        self.out = Walk(stack=[Block(block.kind, block.indent, True) for block in stack], name=name)
        self.statement: list[bytes] = []
        self.begin = 0
        self.seen_ifs: set[int] = set()

    def run(self) -> Walk:
        """The walk over all tokens."""
        self._settle()
        self.out.entered = self.out.stack[-1].kind if self.out.stack else ""
        for index, (token, line) in enumerate(self.tokens):
            if len(self.out.stack) > _MAX_DEPTH:
                break
            if token == b"(" or token == b"[":
                self.out.stack.append(Block("paren", indent(self.code[line])))
            elif token in b")]":
                self._close_paren(index)
            elif token == b"{":
                self._open(line)
            elif token == b"}":
                self._close(index)
            elif token in (b"case", b"default"):
                self._label(index, line)
            elif token == b"else":
                self._else(index, line)
            elif token == b"if":
                self.seen_ifs.add(indent(self.code[line]))
            if token in (b";", b"{", b"}") and not self._in_paren():
                self.statement = []
            else:
                if not self.statement:
                    self.begin = line
                elif len(self.statement) >= _MAX_WORDS:
                    self.statement.pop()
                self.statement.append(token)
        self.out.tail = _finish(self.statement, self.out.stack)
        return self.out

    def _in_paren(self) -> bool:
        return bool(self.out.stack) and self.out.stack[-1].kind == "paren"

    def _settle(self) -> None:
        """Blocks that the first line stands outside of were closed in the gap."""
        if not self.tokens:
            return
        token, line = self.tokens[0]
        depth, stack = indent(self.code[line]), self.out.stack
        if (
            stack
            and stack[-1].carried
            and stack[-1].kind in _DATA
            and stack[0].kind == "func"
            and not self._ends_data(stack[-1].indent)
        ):
            self.out.dropped.append(stack.pop())
        while stack and stack[-1].carried and stack[-1].kind not in ("func", "paren") and stack[-1].indent >= depth:
            same = stack[-1].indent == depth
            if same and (token == b"}" or (token in (b"case", b"default") and stack[-1].kind == "switch")):
                break
            if not self.code[line][:1].isspace() and token != b"}":
                break
            self.out.dropped.append(stack.pop())

    def _ends_data(self, depth: int) -> bool:
        """Whether the first brace that closes is that of an initialiser or struct in this column."""
        for index, (token, line) in enumerate(self.tokens):
            if token == b"}":
                following = self.tokens[index + 1][0] if index + 1 < len(self.tokens) else b""
                return indent(self.code[line]) == depth and following in (b";", b",")
            if token == b";":
                return False
        return True

    def _open(self, line: int) -> None:
        stack, words = self.out.stack, self.statement
        previous = words[-1] if words else b""
        if not any(block.kind == "func" for block in stack) and not (stack and stack[-1].kind in _DATA):
            header = b" ".join(words).decode("latin-1")
            found = "" if previous == b"=" else self.out.name or function_name(header)
            kind = "func" if found else "init" if previous == b"=" else "struct"
            if found:
                self.out.name = found
        elif previous == b"do":
            kind = "do"
        elif words and words[0] in (b"struct", b"union", b"enum") and b"(" not in words and b"=" not in words:
            kind = "struct"
        elif previous in (b"=", b",", b"return") or (stack and stack[-1].kind in _DATA) or _is_literal(words):
            kind = "item" if stack[-1].kind in ("init", "item", "paren") else "init"
        elif words and words[0] == b"switch":
            kind = "switch"
        elif words and (words[0] in _LOOPS or (words[0] not in (b"if", b"else") and previous == b")")):
            kind = "loop"
        else:
            kind = "if" if words and words[0] in (b"if", b"else") else "block"
        begin = indent(self.code[self.begin if words else line])
        stack.append(Block(kind, 0 if kind == "func" else begin))

    def _close_paren(self, index: int) -> None:
        stack = self.out.stack
        if stack and stack[-1].kind == "paren":
            stack.pop()
        elif not any(block.kind == "paren" for block in stack):
            following = self.tokens[index + 1][0] if index + 1 < len(self.tokens) else b";"
            self.out.parens.insert(0, _paren_opener(self.tokens[index][0], following))

    def _close(self, index: int) -> None:
        line = self.tokens[index][1]
        stack, depth = self.out.stack, indent(self.code[line])
        following, where = self.tokens[index + 1] if index + 1 < len(self.tokens) else (b"", -1)
        ends_do = following == b"while" and where == line
        while stack and stack[-1].kind == "paren":
            stack.pop()
        while stack and stack[-1].carried and stack[-1].kind != "func":
            if stack[-1].indent < depth or (stack[-1].indent == depth and _fits(stack[-1], following, ends_do)):
                break
            self.out.dropped.append(stack.pop())
        if stack and (not stack[-1].carried or stack[-1].indent == depth):
            if stack.pop().kind == "func":
                self.out.name = ""
            return
        if ends_do:
            opener = b"do {"
        elif following in (b";", b","):
            opener = b"struct " + HIDDEN + b" " + HIDDEN + b" = {"
        elif not any(block.kind == "func" for block in stack):
            opener = b"void " + HIDDEN + b"(void) {"
        else:
            opener = b"if (" + HIDDEN + b") {"
        self.out.openers.insert(0, opener)

    def _label(self, index: int, line: int) -> None:
        """A case whose switch is not shown gets one."""
        stack = self.out.stack
        innermost = stack[-1] if stack else None
        following = self.tokens[index + 1][0] if index + 1 < len(self.tokens) else b""
        if self.tokens[index][0] == b"default" and following != b":":
            return
        if innermost is None or innermost.kind == "switch" or any(block.kind == "switch" for block in stack):
            return
        if not innermost.carried:
            return
        self.out.openers.insert(0, b"switch (" + HIDDEN + b") { case " + HIDDEN + b":")
        stack.append(Block("switch", indent(self.code[line]), True))

    def _else(self, index: int, line: int) -> None:
        """An else without braces whose if is not shown gets one, before the first statement."""
        depth = indent(self.code[line])
        if (index and self.tokens[index - 1][0] == b"}") or depth in self.seen_ifs:
            return
        if any(indent(self.code[at]) <= depth for _, at in self.tokens[:index]):
            return
        self.out.openers.append(b"if (" + HIDDEN + b")" + (b"" if index else b" ;"))


def _paren_opener(closing: bytes, following: bytes) -> bytes:
    """What a `)` or `]` that nothing opened belongs to, told by what follows it."""
    if closing == b"]":
        return HIDDEN + b"["
    if following == b":":
        return HIDDEN + b" ? " + HIDDEN + b"("
    condition = following in (b"{", b"*", b"(") or following[:1].isalpha() or following[:1] == b"_"
    return b"if (" if condition else HIDDEN + b"("


def _fits(block: Block, following: bytes, ends_do: bool) -> bool:
    """Whether what follows a closing brace can follow this block."""
    if ends_do or block.kind == "do":
        return ends_do and block.kind == "do"
    if following == b";":
        return block.kind in _DATA
    return following != b"else" or block.kind in ("if", "block")


def _is_literal(words: Sequence[bytes]) -> bool:
    """Whether the brace after `words` begins a compound literal: `x = (struct range) {`, `return (swp_entry_t) {`."""
    if not words or words[-1] != b")":
        return False
    before = words[: words.index(b"(")] if b"(" in words else ()
    return words[0] == b"return" or b"=" in before


_OPERATORS = re.compile(rb"[-+*/%&|^<>?!~=,.:]")


def _finish(statement: Sequence[bytes], stack: list[Block]) -> bytes:
    """What completes the statement that the piece breaks off in; its parentheses leave the stack."""
    out = b""
    last = statement[-1] if statement else b""
    in_function = any(block.kind == "func" for block in stack)
    operand = HIDDEN if in_function else b"int " + HIDDEN
    if last in (b",", b"=", b"else") or (_OPERATORS.fullmatch(last) and not _ends_whole(statement)):
        data = bool(stack) and stack[-1].kind in _DATA and last == b","
        out += b"" if data or last == b"else" else b" " + operand
    choices = _open_choices(statement)
    while stack and stack[-1].kind == "paren":
        stack.pop()
        out += b"".join(b" : " + HIDDEN for _ in range(choices.pop() if choices else 0)) + b")"
    out += b"".join(b" : " + HIDDEN for _ in range(sum(choices)))
    if statement and not (stack and stack[-1].kind in _DATA) and (out or not _ends_whole(statement)):
        out += b";"
    return out


def _open_choices(statement: Sequence[bytes]) -> list[int]:
    """How many `?` without their `:` stand at each depth of open parentheses, outermost first."""
    open_at = [0]
    for token in statement:
        if token in (b"(", b"["):
            open_at.append(0)
        elif token in (b")", b"]") and len(open_at) > 1:
            open_at.pop()
        elif token == b"?":
            open_at[-1] += 1
        elif token == b":" and open_at[-1]:
            open_at[-1] -= 1
    return open_at


def _ends_whole(statement: Sequence[bytes]) -> bool:
    """Labels and `++`, `--` end a statement (or an operand) though their last sign is an operator's."""
    if statement[-1] == b":":
        return True
    return statement[-1] in (b"+", b"-") and statement[-2:-1] == [statement[-1]]
