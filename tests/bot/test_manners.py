"""Who is answered, when, and who is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from tests.bot.letters import AUTHOR, LIST, NOON, Lab, body_of, letter, patch, settings

HOUR = 3600.0


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(settings(), tmp_path)


def test_a_bug_is_answered_once(lab: Lab) -> None:
    lab.get(patch("bug-ptl101", "a@x.example"))
    lab.get(patch("bug-ptl101", "a@x.example"))
    lab.work()
    assert lab.answered == ["a@x.example"]
    text = lab.texts[0]
    assert "PTL101" in text
    assert "Replay: mmlint sim" in text
    assert "Tested: the patch on mini." in text
    assert "mmlint: stop" in text


@pytest.mark.parametrize(
    ("headers", "subject", "sender"),
    [
        ({"Auto_Submitted": "auto-generated"}, "[PATCH] a", AUTHOR),
        ({"Precedence": "junk"}, "[PATCH] b", AUTHOR),
        ({"Return_Path": "<>"}, "[PATCH] c", AUTHOR),
        ({"X_Mailer": "mmlint-bot 0.1"}, "[PATCH] d", AUTHOR),
        ({}, "[PATCH] e", "kernel test robot <lkp@intel.com>"),
        ({}, "[PATCH] f", "me <bot@mmlint.example>"),
        ({}, "[PATCH] g", "syzbot <syzbot+123@syzkaller.appspotmail.com>"),
        ({}, "Re: [PATCH] h", AUTHOR),
        ({}, "a diff for the record", AUTHOR),
        ({}, "[PATCH AUTOSEL 6.1 1/9] i", AUTHOR),
        ({}, "[GIT PULL] j", AUTHOR),
    ],
)
def test_mails_that_are_never_answered(lab: Lab, headers: dict[str, str], subject: str, sender: str) -> None:
    lab.get(patch("bug-ptl101", "a@x.example", subject, sender=sender, **headers))
    lab.get(patch("bug-cow101", "mmlint.0123@elsewhere.example", "[PATCH] an own Message-ID"))
    assert lab.answered == []


def test_a_branch_called_stable_is_no_stable_release(lab: Lab) -> None:
    lab.get(
        patch("bug-ptl101", "a@x.example", "[PATCH mm-stable v2] a"),
        patch("bug-cow101", "b@x.example", "[PATCH stable] b"),
    )
    assert lab.answered == ["a@x.example"]


def test_a_list_with_precedence_and_loop_headers_is_no_robot(lab: Lab) -> None:
    lab.get(patch("bug-ptl101", "a@x.example", Precedence="bulk", X_Loop="owner-majordomo@kvack.org"))
    assert lab.answered == ["a@x.example"]


def test_nothing_goes_out_without_the_allow_lists(tmp_path: Path) -> None:
    for place, config in enumerate(
        (settings(lists=()), settings(recipients=()), settings(recipients=("*@other.example",)))
    ):
        (tmp_path / str(place)).mkdir()
        lab = Lab(config, tmp_path / str(place))
        lab.get(patch("bug-ptl101", "a@x.example"))
        assert lab.answered == []
        assert lab.said("is not on" if place else "are not on")


def test_only_allowed_people_and_lists_get_a_copy(tmp_path: Path) -> None:
    lab = Lab(settings(recipients=("author@mini.example", "*@kernel.example")), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example", cc="One <one@kernel.example>, two@private.example, other@lists.example"))
    draft = lab.mail.got[0][1]["draft"]
    assert draft["rcpt"] == ["author@mini.example", LIST, "one@kernel.example"]


def test_humans_come_first(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=12 * HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"), patch("bug-cow101", "b@x.example"))
    lab.work(11 * HOUR)
    assert lab.answered == []
    quoted = "> +\trecord = kmalloc(sizeof(*record), GFP_KERNEL);\nThis sleeps under the lock.\n"
    lab.get(letter(quoted, "r@x.example", "Re: [PATCH]", sender="Human <h@x.example>", reply_to=["a@x.example"]))
    lab.work(2 * HOUR)
    assert lab.answered == ["b@x.example"]
    assert lab.outcomes()["a@x.example"] == ("dropped", "humans spoke about it already")


def test_a_quote_without_a_comment_is_no_review(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"))
    quoted = "> +\trecord = kmalloc(sizeof(*record), GFP_KERNEL);\n> +\tnext\n> +\tnext\n> +\tnext\nAcked-by: me\n"
    lab.get(letter(quoted, "r@x.example", "Re: [PATCH]", sender="Human <h@x.example>", reply_to=["a@x.example"]))
    lab.work(2 * HOUR)
    assert lab.answered == ["a@x.example"]


@pytest.mark.parametrize(
    ("sender", "word", "silent"),
    [
        ("Boss <boss@kernel.example>", "mmlint: stop", {"a@x.example"}),
        ("Boss <boss@kernel.example>", "  MMlint:  STOP all", {"a@x.example", "b@x.example"}),
        (AUTHOR, "mmlint: stop", {"a@x.example"}),
        ("Stranger <s@x.example>", "mmlint: stop", set()),
        (AUTHOR, "mmlint: stop all", set()),
        ("Boss <boss@kernel.example>", "> mmlint: stop", set()),
    ],
)
def test_the_stop_word(tmp_path: Path, sender: str, word: str, silent: set[str]) -> None:
    lab = Lab(settings(embargo=HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"), patch("bug-cow101", "b@x.example"))
    lab.get(letter(f"Please.\n{word}\n", "s@x.example", "Re: [PATCH]", sender=sender, reply_to=["a@x.example"]))
    lab.work(2 * HOUR)
    assert {"a@x.example", "b@x.example"} - set(lab.answered) == silent


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example", "[PATCH] mm: one"))
    lab.get(patch("bug-ptl101", "b@x.example", "[PATCH v2] mm: one"))
    lab.work(2 * HOUR)
    assert lab.outcomes()["a@x.example"] == ("dropped", "superseded by a newer version")
    assert lab.answered == ["b@x.example"], "the old one was never told, so the new one is"


def test_what_was_said_is_not_said_again(lab: Lab) -> None:
    lab.get(patch("bug-ptl101", "a@x.example", "[PATCH] mm: one"))
    lab.get(patch("bug-ptl101", "b@x.example", "[PATCH v2] mm: one"))
    lab.get(patch("bug-ptl101", "c@x.example", "[PATCH RESEND] mm: one"))
    assert lab.answered == ["a@x.example"]
    lab.get(patch("bug-ptl101", "d@x.example", "[PATCH] mm: mine", sender="Other <other@x.example>"))
    assert lab.answered == ["a@x.example", "d@x.example"]


def test_thresholds(tmp_path: Path) -> None:
    from mmlint.finding import Severity

    config = settings()
    lab = Lab(replace(config, policy=replace(config.policy, min_severity=Severity.ERROR)), tmp_path)
    lab.get(patch("bug-gup101", "warning@x.example"), patch("bug-ptl101", "error@x.example"))
    assert lab.answered == ["error@x.example"]
    assert set(lab.verdicts().values()) == {"findings"}


def test_rate_limits(tmp_path: Path) -> None:
    lab = Lab(settings(per_hour=2, per_author=2), tmp_path)
    names = ("bug-ptl101", "bug-cow101", "bug-ref101", "bug-gup101")
    lab.get(*(patch(name, f"{name}@x.example", sender=f"{name}@x.example") for name in names))
    assert len(lab.answered) == 2
    lab.work(0.5 * HOUR)
    assert len(lab.answered) == 2
    lab.work(HOUR)
    assert len(lab.answered) == 4


def test_one_author_is_not_flooded(tmp_path: Path) -> None:
    lab = Lab(settings(per_author=1), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"), patch("bug-cow101", "b@x.example"))
    assert len(lab.answered) == 1
    lab.work(25 * HOUR)
    assert len(lab.answered) == 2


def test_a_reply_that_waited_too_long_is_dropped(tmp_path: Path) -> None:
    lab = Lab(settings(embargo=HOUR, expire=HOUR), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"))
    lab.work(100 * HOUR)
    assert lab.outcomes()["a@x.example"] == ("dropped", "too late")


def test_old_mails_and_other_paths_are_left_alone(tmp_path: Path) -> None:
    config = settings()
    config = replace(
        config, filter=replace(config.filter, paths=("mm/**",), lists=(LIST,), ignore_authors=("*@spam.example",))
    )
    lab = Lab(config, tmp_path)
    lab.get(
        patch("bug-ptl101", "old@x.example", "[PATCH] old", date=NOON - 30 * 24 * HOUR),
        patch("bug-gup101", "path@x.example", "[PATCH] path"),
        patch("bug-cow101", "list@x.example", "[PATCH] list", to="elsewhere@lists.example"),
        patch("bug-ref101", "spam@x.example", "[PATCH] spam", sender="a@spam.example"),
    )
    assert lab.verdicts() == dict.fromkeys(("old", "path", "list", "spam"), "filtered")


def test_what_applies_nowhere_is_for_the_log(lab: Lab) -> None:
    lab.get(patch("fix-cow101", "a@x.example", "[PATCH] gone"))
    assert lab.verdicts() == {"gone": "nowhere"}
    assert lab.answered == []
    assert lab.said("does not fit anywhere")


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    from mmlint.bot.sinks import Nowhere, open_sinks

    config = settings(dry_run=True, maildir=str(tmp_path / "out"), comments=str(tmp_path / "comments"))
    assert all(isinstance(sink, Nowhere) for sink in open_sinks(config).values())
    lab = Lab(config, tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"))
    assert lab.outcomes()["a@x.example"][0] == "dry"


def test_a_relay_is_not_answered_but_the_author_is(lab: Lab) -> None:
    lab.get(
        patch(
            "bug-ptl101", "a@x.example", sender="B4 Relay <devnull+author@kernel.example>", Reply_To="me@mini.example"
        ),
        patch("bug-cow101", "b@x.example", Reply_To=LIST),
    )
    assert {payload["draft"]["rcpt"][0] for _, payload in lab.mail.got} == {"me@mini.example", "author@mini.example"}


def test_a_series_gets_one_mail_at_its_cover(lab: Lab) -> None:
    first, second = body_of("bug-ptl101"), body_of("bug-cow101")
    cover = letter("All of it.", "0@x.example", "[PATCH 0/2] mm: two bugs")
    one = letter(first, "1@x.example", "[PATCH 1/2] mm: record", reply_to=["0@x.example"])
    two = letter(second, "2@x.example", "[PATCH 2/2] mm: share", reply_to=["0@x.example"])
    lab.get(two, cover)
    assert lab.verdicts() == {"mm: two bugs": "collecting"}
    lab.get(one)
    assert lab.answered == ["0@x.example"]
    text = lab.texts[0]
    assert (
        text.index("In [PATCH 1/2] mm: record:")
        < text.index("PTL101")
        < text.index("In [PATCH 2/2]")
        < text.index("COW101")
    )
    assert "wrote:" not in text
    assert "all 2 patches on mini" in text


def test_the_most_serious_findings_come_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    config = settings()
    lab = Lab(replace(config, policy=replace(config.policy, max_findings=1)), tmp_path)
    lab.get(
        letter(body_of("bug-gup101"), "1@x.example", "[PATCH 1/2] misc"),
        letter(body_of("bug-ptl101"), "2@x.example", "[PATCH 2/2] mm", reply_to=["1@x.example"]),
    )
    assert lab.answered == ["2@x.example"]
    assert "1 more place of less weight left out" in lab.texts[0]


def test_robots_get_no_copy(lab: Lab) -> None:
    lab.get(patch("bug-ptl101", "a@x.example", cc="kernel test robot <lkp@intel.com>, human@x.example"))
    assert lab.mail.got[0][1]["draft"]["rcpt"] == ["author@mini.example", LIST, "human@x.example"]


@pytest.mark.parametrize("wanted", [False, True])
def test_the_interleaving_is_in_the_mail_if_wanted(tmp_path: Path, wanted: bool) -> None:
    lab = Lab(settings(interleaving=wanted), tmp_path)
    lab.get(patch("bug-cow101", "a@x.example"))
    assert ("gup_fast: read the entry" in lab.texts[0]) == wanted
    assert "Replay: mmlint sim pinned-page-fork --schedule parent" in lab.texts[0]
