"""What stands outside functions, for a parse of the whole file: headers and macros that declare or define."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmlint.source.balance import PARENS
from mmlint.source.header import clean_header, normal_header, read_header
from mmlint.source.mask import blank
from mmlint.source.outline import OutlineEntry

_PER_CPU = re.compile(
    rb"^((?:(?:static|extern)[ \t]++)?(?:DEFINE|DECLARE)_PER_CPU\w*+\()([^,()]*+(?:" + PARENS + rb")?),([^,()]*+)\)",
    re.M,
)
_BARE = re.compile(rb"^[A-Za-z_]\w*+[ \t]*+" + PARENS + rb"(?=\s*+(?:[^\s{;=,)\[]|\Z))", re.M)


def normal_declarations(text: bytes, entries: Iterable[OutlineEntry]) -> bytes:
    """Masked text with the headers of `entries` declaring functions, and top-level macros as declarations or blank."""
    out = bytearray(text)
    for entry in entries:
        written = text[entry.start_byte : entry.body_byte]
        head = clean_header(written)
        header = read_header(head, written)
        if header is not None:
            out[entry.start_byte : entry.body_byte] = normal_header(head, header)
    return _BARE.sub(_bare, _PER_CPU.sub(_per_cpu, bytes(out)))


def _per_cpu(match: re.Match[bytes]) -> bytes:
    return blank(match[1]) + match[2] + b" " + match[3] + b" "


def _bare(match: re.Match[bytes]) -> bytes:
    """`subsys_initcall(x)` without `;`."""
    before = match.string[max(0, match.start() - 300) : match.start()].rstrip()
    ended = not before or before[-1] in b";}" or before.rpartition(b"\n")[2].lstrip().startswith(b"#")
    return blank(match[0]) if ended else match[0]
