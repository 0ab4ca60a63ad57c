"""The first threads of a real archive assembled as b4 does; skipped without b4 (`mmlint[lists]`) or the archive."""

from __future__ import annotations

from itertools import islice

import pytest
from mmlint.inputs import mbox
from mmlint.inputs.read import opened

from tests.inputs.mails import shared

pytest.importorskip("b4", reason="b4 is not installed")


def test_the_same_patches_in_the_same_order_and_version_as_b4() -> None:
    from benchmarks.against_b4 import compare

    with shared("lists/io-uring.mbox.gz").open("rb") as archive:
        counts, lines = compare(islice(mbox.split(opened(archive)), 500))
    assert counts["versions that agree"] > 10, lines
    assert not [line for line in lines if line.endswith("not explained")]
