"""The patches of the fork and COW thread (2020), read by their hunks alone: what each brings in, and what is mended.

Nothing of the thread is kept here: the tests read it where it is at hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.api import check_patches
from mmlint.finding import Finding
from mmlint.settings import Settings

from tests.inputs.mails import shared

THREAD = "seeds/000_5e583eaf19bbf35a.txt"
PATCHES = {
    "P1": (75, 183),
    "PA": (1934, 2194),
    "PB": (2786, 3079),
    "PC": (3814, 3877),
    "PD": (4050, 4110),
    "PE": (4536, 4622),
    "PF": (5454, 5740),
}
"""Where each stands in the thread, under the names of the digest: reuse by count, enforced COW for pins in two
versions, a pin-aware reuse in two, the early copy of pinned pages in fork as a sketch and as a draft."""
Found = set[tuple[str, str, str]]

BRINGS: dict[str, Found] = {
    "P1": {("PTL108", "do_wp_page", "error")},  # A9
    "PA": {("PAT103", "", "warning"), ("GUP117", "", "warning")},  # E3, C6
    "PB": set(),
    "PC": set(),
    "PD": set(),
    "PE": {
        ("PTL101", "duplicate_page", "error"),  # D1
        ("PTL106", "copy_one_pte", "error"),  # D5
        ("COW103", "", "warning"),  # B4
        ("COW109", "copy_one_pte", "error"),  # A8
        ("COW111", "copy_one_pte", "info"),  # B3
        ("COW112", "duplicate_page", "warning"),  # D4
    },
    "PF": {
        ("PTL101", "duplicate_page", "error"),  # D1
        ("COW102", "copy_one_pte", "error"),  # B2, and D6 as its steps
        ("COW103", "", "warning"),  # B4
        ("COW109", "copy_one_pte", "error"),  # A8
        ("COW112", "duplicate_page", "warning"),  # D4
    },
}
"""All that is new in each patch: code, function, severity.

What the digest lists beside these, and why hunks do not carry it or nothing is to be said:

* P1, A6 (a trylock decides): the thread accepts it, reuse is best effort and a copy is right, too.
* PA and PB, C7 (enforced COW asks for no COW mapping): all that stands in the hunks is a fault flag which the patch
  itself invents; that it breaks COW shows in functions which are not in it.
* PB, C6 (fast GUP's huge levels are left): a level of the lockless walk asks, the others are not shown.
* PC, A10 (unlocked twice): a page lock is so often dropped for a caller that its balance is not judged by hunks.
* PD, A5 (decision by mapcount): pages may be pinned there, and reuse_swap_page stands in a helper without the sink.
* PE, B5 (the parent's VMA): as the rule is put it wants a second VMA among the parameters, which the sketch has not;
  policy and protection of the parent's are those of the child.
* PE, B6 (write-protection moved down): the merged fix has the same order; under both locks no interleaving tells them
  apart, so there is no scenario that fails.
* PF, E5 (a flag wider than an int): a matter of taste in a struct, not of a function.
"""


def reported(name: str, tmp_path: Path) -> list[Finding]:
    """What is new in the diff of a patch of the thread."""
    first, last = PATCHES[name]
    text = shared(THREAD).read_text(encoding="utf-8").splitlines(keepends=True)[first - 1 : last]
    start = next(i for i, line in enumerate(text) if line.startswith("diff "))
    end = next((i for i, line in enumerate(text) if "^ permalink" in line), len(text))
    path = tmp_path / "thread.diff"
    path.write_text("".join(text[start:end]), encoding="utf-8")
    report = check_patches([str(path)], Settings(preview=True))
    assert not report.errors
    return [f for f in report.findings if f.origin == "new"]


@pytest.mark.parametrize("name", PATCHES)
def test_each_patch_brings_what_the_digest_says_and_nothing_else(name: str, tmp_path: Path) -> None:
    assert {(f.code, f.function, f.severity.value) for f in reported(name, tmp_path)} == BRINGS[name]


def test_the_draft_falls_through_with_failures_that_its_helper_merged_into_false(tmp_path: Path) -> None:
    (fallen,) = (f for f in reported("PF", tmp_path) if f.code == "COW102")
    merged = [step.line for step in fallen.steps if "no more than false" in step.message]
    assert merged == [704, 708]
