"""What the real threads and lists hold, where they are at hand."""

from __future__ import annotations

import resource

import pytest
from mmlint.inputs.fragments import fragments
from mmlint.inputs.model import PatchSet
from mmlint.inputs.read import read_patches, stream
from mmlint.source.file import SourceFile

from tests.inputs.mails import shared
from tests.inputs.test_inputs_fragments import check_lines

SEEDS = {
    "000_5e583eaf19bbf35a": [105, 206, 309, 464, 1980, 2830, 3814, 4050, 4536, 5469, 5899],
    "001_b69720a4da6d956a": [707],
    "002_3e4569ee35d1d6f5": [],
    "003_05dd481b412bb0e8": [],
    "004_8fba58e87e42f2ed": [478, 1689, 1990, 2261, 3057, 3295, 4605],
}
"""The lines on which the patches of each thread begin."""


def seed(name: str) -> PatchSet:
    return read_patches(shared(f"seeds/{name}.txt").read_bytes(), name)


@pytest.mark.parametrize("name", SEEDS)
def test_every_patch_of_a_thread_page_is_found_in_order(name: str) -> None:
    assert [patch.changes[0].line for patch in seed(name).patches] == SEEDS[name]


def test_what_mailers_wrapped_is_reported_with_its_lines() -> None:
    found = seed("004_8fba58e87e42f2ed")
    assert {100, 111} <= {error.line for error in found.errors}
    assert any(note.startswith("quoted diff at lines 3538-") and "damaged: line 3610" in note for note in found.notes)
    first, second = (n for n in seed("001_b69720a4da6d956a").notes if n.startswith("quoted diff"))
    assert "lines 237-343" in first
    assert "damaged: line 343" in first
    assert "lines 384-" in second
    assert "damaged: line" in second


def test_sizes_of_the_patches_are_those_counted_by_hand() -> None:
    sizes = [
        tuple(sum(tag == sign for c in patch.changes for h in c.hunks for tag, _ in h.lines) for sign in "+-")
        for patch in seed("004_8fba58e87e42f2ed").patches
    ]
    assert sizes == [(519, 128), (49, 40), (9, 26), (31, 30), (31, 30), (31, 30), (31, 30)]


@pytest.mark.slow
def test_every_mail_of_a_list_is_read_in_flat_memory_and_its_hunks_are_readable() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mails = patches = functions = damaged = 0
    with shared("lists/nvdimm.mbox.gz").open("rb") as file:
        for found in stream(file, "nvdimm"):
            mails += 1
            patches += len(found.patches)
            assert found.patches or found.errors or found.notes
            for change in (c for p in found.patches for c in p.changes) if mails % 40 == 0 else ():
                if change.path.endswith(".c"):
                    check_lines(change)
                    units = SourceFile(change.path, fragments(change)[1]).functions
                    functions += len(units)
                    damaged += sum(unit.damaged for unit in units)
    assert mails == 4171
    assert patches > 1500
    assert functions > 150
    assert damaged / functions < 0.02
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
