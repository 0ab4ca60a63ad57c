"""Mutated and hostile mails: refused by name or read, never a traceback, never a hang."""

from __future__ import annotations

import gzip
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmlint.inputs.apply import place
from mmlint.inputs.fragments import fragments
from mmlint.inputs.read import read_patches
from mmlint.inputs.tree import EmptyTree, OverlayTree

from tests.inputs.mails import NEWER, OLD, make_diff, make_mail, make_mbox, reencode
from tests.inputs.test_inputs_mail import flowed, multipart

DIFF = make_diff(OLD, NEWER)
SEEDS = [
    make_mail(diff=DIFF),
    make_mbox(make_mail("[PATCH 0/2] x", diff="", message_id="c@x"), make_mail("[PATCH 2/2] x", DIFF, reply_to="c@x")),
    reencode(make_mail(diff=DIFF), "base64"),
    reencode(make_mail(diff=DIFF), "quoted-printable"),
    flowed(make_mail(diff=DIFF)),
    multipart("Re: x", "look", DIFF, "x.patch"),
    gzip.compress(make_mail(diff=DIFF)),
    DIFF.encode(),
    b"From: A @ 2020-01-01 00:00 UTC (permalink / raw)\n  To: b\n\nHi\n\n"
    + DIFF.encode()
    + b"\n^ permalink raw reply\n",
]
SPLICES = [
    *(
        b"@@ -1,99999 +1,99999 @@\n",
        b"@@ -0,0 +0,0 @@\n",
        b"--- /dev/null\n+++ /dev/null\n",
        b"diff --git a/../../x b/../../x\n",
    ),
    *(
        b"From x Thu Jan  1 00:00:00 1970\n",
        b"Content-Type: multipart/mixed; boundary=\n",
        b"=?utf-8?b?////?=",
        b"#if X\n",
    ),
    *(
        b"GIT binary patch\n",
        b"-- \n",
        b"\0\0\0",
        b"\r",
        b"\n\n",
        b"\xff\xfe",
        b"/* ",
        b"{{{{((((",
        b"}}}}))))",
        b"\\\n",
    ),
    *(b"+", b"-", b" "),
]


def consume(data: bytes) -> None:
    """Everything that the tool does with an input before the rules."""
    started = time.process_time()
    found = read_patches(data, "in")
    tree = OverlayTree(EmptyTree(), {"mm/demo.c": OLD.encode()})
    for patch in found.patches:
        place(patch, tree)
        for change in patch.changes:
            assert ".." not in change.path.split("/")
            assert not change.path.startswith("/")
            fragments(change)
    for error in found.errors:
        assert "\n" not in error.message
    assert time.process_time() - started < 5


def mutate(data: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            del out[at : at + chance.randint(1, 200)]
        elif kind == 1 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            out[at:at] = chance.choice(SPLICES)
        elif kind == 3:
            out[at:at] = out[at : at + chance.randint(1, 300)]
        else:
            line = out.find(b"\n", at) + 1
            out[line:line] = chance.choice(SPLICES)
    return bytes(out)


@pytest.mark.parametrize("round_", range(10))
def test_mutated_inputs_never_raise(round_: int) -> None:
    chance = random.Random(round_)
    for _ in range(200):
        consume(mutate(chance.choice(SEEDS), chance))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([row + b"\n" for row in DIFF.encode().split(b"\n")] + SPLICES), max_size=60))
def test_lines_in_any_order_never_raise(rows: list[bytes]) -> None:
    consume(b"".join(rows))


def nested(depth: int) -> bytes:
    head = b"From: a\nSubject: [PATCH] x\n"
    for level in range(depth):
        head += b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level)
    return head + b"\n" + DIFF.encode()


def many_parts() -> bytes:
    return b"From: a\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 200_000


HOSTILE = {
    "nested 50 deep": nested(50),
    "200,000 parts": many_parts(),
    "a 50 MB line": b"From: a\nSubject: [PATCH] x\n\n" + b"x" * (50 << 20),
    "50 MB of headers": b"From: a\n" + b"X-Header: y\n" * (50 << 20 >> 4) + b"\n" + DIFF.encode(),
    "a long folded header": b"From: a\nSubject: " + b"x\n " * 300_000 + b"\n\n" + DIFF.encode(),
    "absurd numbers": DIFF.replace("@@ -19,7", "@@ -" + "9" * 5000 + ",7").encode(),
    "a far line": DIFF.replace("@@ -19,7 +19,8", "@@ -999990,7 +999990,8").encode(),
    "gzip bomb": gzip.compress(b"\0" * (1 << 25)),
    "cut gzip": gzip.compress(b"From: a\nSubject: b\n\n" + DIFF.encode())[:-40],
    "many files": b"".join(b"--- a/f%d\n+++ b/f%d\n@@ -1 +1 @@\n-a\n+b\n" % (n, n) for n in range(8_000)),
    "many broken hunks": b"--- a/f\n+++ b/f\n" + b"@@ -1,5 +1,5 @@\n x\n!\n" * 20_000,
    "deep brackets": b"--- a/f.c\n+++ b/f.c\n@@ -9,1 +9,2 @@ int f(void)\n \t"
    + b"(" * 50_000
    + b"\n+"
    + b"{" * 50_000
    + b"\n",
    "encoded words": b"From: a\nSubject: " + b"=?utf-8?q?" * 50_000 + b"\n\n" + DIFF.encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_inputs_end_soon(name: str) -> None:
    consume(HOSTILE[name])


@pytest.mark.parametrize(
    "name", ["nested 50 deep", "200,000 parts", "a 50 MB line", "50 MB of headers", "absurd numbers"]
)
def test_beyond_the_limits_is_refused_by_name(name: str) -> None:
    (error, *_) = read_patches(HOSTILE[name], "in").errors
    assert "refused" in error.message or "damaged" in error.message
