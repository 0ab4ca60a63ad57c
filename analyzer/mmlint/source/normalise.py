"""Make kernel C digestible for tree-sitter-c without moving a byte.

Every replacement has the length of what it replaces and keeps its newlines, so each offset and line of the parse tree
is one of the original text. What was replaced is always found there.
"""

from __future__ import annotations

from mmlint.source import preproc
from mmlint.source.constructs import normal_constructs
from mmlint.source.header import clean_header, normal_header, read_header
from mmlint.source.mask import mask
from mmlint.source.outline import Lines, outline_masked
from mmlint.source.toplevel import normal_declarations
from mmlint.source.words import without_annotations


def normalise(text: bytes) -> bytes:
    """Kernel C as plain C of the same length, line by line; takes any bytes and never fails."""
    return normal_file(preproc.resolve(mask(text)).text)


def normal_file(masked: bytes) -> bytes:
    """A whole masked file, its preprocessor arms chosen, as plain C."""
    return normal_constructs(normal_declarations(without_annotations(masked), outline_masked(masked, Lines(masked))))


def normal_function(masked: bytes, body_at: int) -> bytes:
    """One function's masked slice, its preprocessor arms chosen, as plain C; `body_at` is the offset of its `{`."""
    head = clean_header(masked[:body_at])
    header = read_header(head, masked[:body_at])
    return normal_constructs(normal_header(head, header) if header else head) + normal_constructs(masked[body_at:])
