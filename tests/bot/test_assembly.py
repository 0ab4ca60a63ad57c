"""Series put together from mails as they come, and the tree they are put on."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

import sqlalchemy as sa
from mmlint.bot.config import TreeConfig
from mmlint.bot.state import series

from tests.bot.field import git_store
from tests.bot.letters import AUTHOR, NOON, Lab, body_of, letter, patch, settings

HOUR = 3600.0
ONE, TWO = body_of("bug-ptl101"), body_of("bug-cow101")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(settings(), tmp_path)


def member(number: int, total: int, text: str, message_id: str, above: str = "0@x.example", version: str = "") -> bytes:
    return letter(
        text, message_id, f"[PATCH{version} {number}/{total}] mm: {number}", reply_to=[above] if above else ()
    )


def test_members_come_in_any_order_through_several_sources(lab: Lab) -> None:
    lab.get(member(2, 2, TWO, "2@x.example"))
    lab.get(member(2, 2, TWO, "2@x.example"))
    assert lab.verdicts() == {"mm: 2": "collecting"}
    lab.get(member(1, 2, ONE, "1@x.example"))
    lab.get(letter("All.\n", "0@x.example", "[PATCH 0/2] mm: all"))
    assert lab.verdicts() == {"mm: all": "findings"}
    assert len(lab.answered) == 1


def test_a_series_without_threading_is_put_together(lab: Lab) -> None:
    lab.get(member(1, 2, ONE, "1@x.example", ""), member(2, 2, TWO, "2@x.example", ""))
    assert list(lab.verdicts().values()) == ["findings"]
    assert "all 2 patches" in lab.texts[0]


def test_what_is_missing_is_waited_for_and_then_done_without(lab: Lab) -> None:
    lab.get(member(2, 3, TWO, "2@x.example"))
    lab.work(800)
    assert lab.answered == []
    lab.work(200)
    assert lab.answered == ["2@x.example"]
    assert "1 of 3 patches" in lab.texts[0]


def test_a_late_member_has_the_series_analysed_again_but_answered_once(lab: Lab) -> None:
    lab.get(member(2, 2, TWO, "2@x.example"))
    lab.work(1000)
    assert lab.answered == ["2@x.example"]
    lab.get(member(1, 2, ONE, "1@x.example"))
    assert lab.verdicts() == {"mm: 1": "findings"}
    assert lab.answered == ["2@x.example"]
    assert lab.said("this version was answered already")


def test_a_late_member_changes_a_reply_that_waits(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=12 * HOUR), tmp_path)
    lab.get(member(2, 2, TWO, "2@x.example"), letter("All.\n", "0@x.example", "[PATCH 0/2] mm: all"))
    lab.work(1000)
    lab.get(member(1, 2, ONE, "1@x.example"))
    lab.work(13 * HOUR)
    assert lab.answered == ["0@x.example"]
    assert "PTL101" in lab.texts[0]
    assert "COW101" in lab.texts[0]


def test_a_version_in_the_thread_of_the_one_before_is_a_series_of_its_own(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=HOUR), tmp_path)
    lab.get(member(1, 2, ONE, "1@x.example"), member(2, 2, TWO, "2@x.example"))
    newer = [letter(text, f"v{number}@x.example", f"[PATCH v2 {number}/2] mm: {number}", reply_to=["0@x.example"])
             for number, text in ((1, ONE), (2, TWO))]  # fmt: skip
    lab.get(*newer)
    lab.work(2 * HOUR)
    assert lab.answered == ["v1@x.example"]


def test_the_same_number_twice_is_another_series(lab: Lab) -> None:
    lab.get(member(1, 2, ONE, "1@x.example"), member(1, 2, TWO, "1b@x.example"))
    with lab.state.view() as tx:
        assert len(tx.execute(sa.select(series)).all()) == 2
    lab.get(member(2, 2, TWO, "2@x.example"))
    assert len(lab.answered) == 1


def test_series_that_are_too_long_are_left_alone(tmp_path: Path) -> None:
    config = settings()
    lab = Lab(replace(config, policy=replace(config.policy, max_patches=2)), tmp_path)
    lab.get(member(1, 3, ONE, "1@x.example"))
    lab.work(1000)
    assert lab.verdicts() == {"mm: 1": "skipped"}


# ------------------------------------------------------------------ fixups


def test_a_fixup_that_mends_it_makes_the_reply_needless(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"))
    fixup = f"Indeed, I will squash this in:\n\n{body_of('fix-ptl101')}"
    lab.get(letter(fixup, "f@x.example", "Re: [PATCH] bug-ptl101", reply_to=["a@x.example"]))
    lab.work(2 * HOUR)
    assert lab.outcomes()["a@x.example"] == ("dropped", "mended by a fixup in the thread")


def test_a_fixup_is_never_answered(lab: Lab) -> None:
    lab.get(patch("bug-ref101", "a@x.example"))
    fixup = f"What about this on top?\n\n{body_of('bug-cow101')}"
    lab.get(letter(fixup, "f@x.example", "Re: [PATCH] bug-ref101", sender="B <b@x.example>", reply_to=["a@x.example"]))
    assert lab.verdicts() == {"bug-ref101": "findings"}
    assert lab.answered == ["a@x.example"]


# ------------------------------------------------------------------- trees


def on_git(place: Path, *branches: str) -> tuple[Lab, str]:
    """A bot on a repository, and the commit that has the tree."""
    git_store(place / "tree")
    words = ["git", "-C", str(place / "tree"), "rev-parse", "main"]
    commit = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
    trees = (TreeConfig(str(place / "tree"), "mini", branches),)
    return Lab(replace(settings(), trees=trees), place), commit


def test_the_first_branch_that_takes_the_series(tmp_path: Path) -> None:
    lab, commit = on_git(tmp_path, "nowhere", "next", "main")
    lab.get(patch("bug-ptl101", "a@x.example"))
    assert f"mini, branch main ({commit[:12]})" in " ".join(lab.texts[0].split())


def test_the_base_that_the_mail_names_comes_first(tmp_path: Path) -> None:
    lab, commit = on_git(tmp_path, "next")
    lab.get(patch("bug-cow101", "nowhere@x.example"))
    assert lab.answered == []
    text = f"{ONE}\nbase-commit: {commit}\n"
    lab.get(letter(text, "a@x.example", "[PATCH] mm: based", sender="Other <o@x.example>"))
    assert f"mini at {commit[:12]}, the base that the mail names" in " ".join(lab.texts[0].split())


def test_the_part_of_a_series_that_applies_is_tested(lab: Lab) -> None:
    lab.get(member(1, 2, ONE, "1@x.example"), member(2, 2, body_of("fix-cow101"), "2@x.example"))
    assert lab.answered == ["1@x.example"]
    assert "1 of 2 patches" in lab.texts[0]


def test_the_author_and_the_date_are_those_of_the_mail(lab: Lab) -> None:
    lab.get(patch("bug-ptl101", "a@x.example", date=NOON))
    assert f"On Mon, 02 Mar 2026 12:00:00 +0000, {AUTHOR}" in " ".join(lab.texts[0].split())
