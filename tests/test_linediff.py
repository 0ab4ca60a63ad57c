"""Differences by lines: difflib's own where that is quick, sound and soon there where it is not."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mmlint.linediff import Opcode, opcodes

LINES = st.lists(st.sampled_from([b"a", b"b", b"}", b"", b"\treturn;", b"x = 1;"]), max_size=40)


def sound(a: Sequence[bytes], b: Sequence[bytes], found: Sequence[Opcode]) -> None:
    """The parts cover both texts in order, "equal" ones are equal, and no two in a row are of one sort."""
    i = j = 0
    sorts = [tag == "equal" for tag, *_ in found]
    assert all(one is not other for one, other in pairwise(sorts))
    for tag, i1, i2, j1, j2 in found:
        assert (i1, j1) == (i, j)
        assert (a[i1:i2] == b[j1:j2]) is (tag == "equal")
        i, j = i2, j2
    assert (i, j) == (len(a), len(b))


@given(LINES, LINES)
def test_the_parts_make_the_one_text_of_the_other(a: list[bytes], b: list[bytes]) -> None:
    sound(a, b, opcodes(a, b))


def test_a_small_change_is_told_as_difflib_tells_it() -> None:
    a = [b"one", b"}", b"two", b"}", b"three", b"}"]
    b = [b"one", b"}", b"2", b"}", b"}", b"four"]
    assert opcodes(a, b) == SequenceMatcher(None, a, b, autojunk=False).get_opcodes()


def test_many_equal_lines_cost_no_square() -> None:
    def text(word: str, number: int) -> list[bytes]:
        body = [f"\tkeep{i}();\n\t{word}{i}();\n}}" if i % 3 else f"\t{word}{i}();\n}}" for i in range(number)]
        return "\n".join(body).encode().split(b"\n")

    a, b = text("old", 6000), text("new", 6000)
    began = time.process_time()
    found = opcodes(a, b)
    assert time.process_time() - began < 3
    sound(a, b, found)
    kept = {a[i] for tag, i1, i2, _, _ in found for i in range(i1, i2) if tag == "equal"}
    assert {line for line in a if b"keep" in line} <= kept


def test_equal_lines_without_an_anchor_are_exchanged_as_a_whole() -> None:
    a = [b"}", b""] * 3000
    b = [b"", b"", b"}", b"x"] * 2000
    random.Random(1).shuffle(b)
    began = time.process_time()
    found = opcodes([b"head", *a, b"tail"], [b"head", *b, b"tail"])
    assert time.process_time() - began < 3
    assert "replace" in {tag for tag, *_ in found}
    sound([b"head", *a, b"tail"], [b"head", *b, b"tail"], found)
