"""Which mails belong together: many authors, two senders in one thread, versions with only some members resent."""

from __future__ import annotations

import itertools

import pytest
from mmlint.inputs.read import read_patches

from tests.inputs.mails import NEW, NEWER, OLD, make_diff, make_mail, make_mbox

DIFFS = [make_diff(a, b) for a, b in itertools.pairwise([OLD, NEW, NEWER, NEWER.replace("return 1", "return 2")])]


def mails(version: int = 1, thread: str = "cover@x", name: str = "a") -> list[bytes]:
    shown = f" v{version}" if version > 1 else ""
    return [
        make_mail(f"[PATCH{shown} {n}/3] step {n}", diff, f"{name}{version}-{n}@x", reply_to=thread)
        for n, diff in enumerate(DIFFS, 1)
    ]


def by(mail: bytes, sender: str) -> bytes:
    return mail.replace(b"From: A Coder <a@example.org>", b"From: " + sender.encode(), 1)


def members(*found: bytes) -> list[list[tuple[int, str]]]:
    series = read_patches(make_mbox(*found), "in").series
    return [[(patch.index, patch.message_id) for patch in one.patches] for one in series]


def test_members_by_several_authors_in_one_thread_are_one_series() -> None:
    first, second, third = mails()
    assert members(third, by(first, "B <b@x>"), by(second, "C <c@x>")) == [
        [(1, "a1-1@x"), (2, "a1-2@x"), (3, "a1-3@x")]
    ]


def test_two_senders_with_the_same_members_in_one_thread_stay_apart() -> None:
    ours, theirs = mails(), [by(mail, "B <b@x>") for mail in mails(name="b")]
    found = members(ours[0], theirs[1], theirs[0], ours[2], ours[1], theirs[2])
    assert [[index for index, _ in one] for one in found] == [[1, 2, 3], [1, 2, 3]]
    assert [{name[0] for _, name in one} for one in found] == [{"a"}, {"b"}]


@pytest.mark.parametrize("ids", [True, False])
def test_format_patch_files_of_several_authors_are_one_series(ids: bool) -> None:
    lone = [by(make_mail(f"[PATCH {n}/3] s{n}", DIFFS[n - 1], f"u{n}@x"), f"P <p{n}@x>") for n in (3, 1, 2)]
    if not ids:
        lone = [mail.replace(b"Message-ID: <u%d@x>\n" % n, b"") for n, mail in zip((3, 1, 2), lone, strict=True)]
    assert [[index for index, _ in one] for one in members(*lone)] == [[1, 2, 3]]


def test_lone_members_by_several_authors_that_make_no_whole_stay_apart() -> None:
    lone = [by(make_mail(f"[PATCH {n}/3] s{n}", DIFFS[0], f"u{n}@x"), f"P <p{n}@x>") for n in (1, 2)]
    assert len(members(*lone)) == 2


def test_a_member_resent_alone_in_reply_takes_the_others_from_before() -> None:
    older = mails(2)
    resent = make_mail("[PATCH v3 2/3] step 2", DIFFS[1], "new@x", reply_to="a2-2@x")
    old, new = read_patches(make_mbox(*older, resent), "in").series
    assert [patch.message_id for patch in old.patches] == ["a2-1@x", "a2-2@x", "a2-3@x"]
    assert [patch.message_id for patch in new.patches] == ["a2-1@x", "new@x", "a2-3@x"]
    assert (new.version, new.missing, new.earlier) == (3, (), (1, 3))
    assert [patch.message_id for patch in new.sent] == ["new@x"]
    assert new.notes == ("members 1, 3 are those of v2: only the others were resent",)


def test_a_member_resent_twice_takes_the_first_resend_along() -> None:
    second = make_mail("[PATCH v2 2/3] step 2", DIFFS[1], "b@x", reply_to="a1-2@x")
    third = make_mail("[PATCH v3 3/3] step 3", DIFFS[2], "c@x", reply_to="a1-3@x")
    again = make_mail("[PATCH v3 2/3] step 2", DIFFS[1], "d@x", reply_to="b@x")
    found = members(*mails(1), second, again)
    assert found[-1] == [(1, "a1-1@x"), (2, "d@x"), (3, "a1-3@x")]
    assert members(*mails(1), third)[-1] == [(1, "a1-1@x"), (2, "a1-2@x"), (3, "c@x")]


@pytest.mark.parametrize("reply_to", ["a2-1@x", "cover@x", ""])
def test_a_version_that_lacks_members_is_no_reroll_unless_it_answers_the_same_member(reply_to: str) -> None:
    resent = make_mail("[PATCH v3 2/3] step 2", DIFFS[1], "new@x", reply_to=reply_to)
    found = read_patches(make_mbox(*mails(2), resent), "in")
    assert [patch.message_id for patch in found.series[-1].patches] == ["new@x"]
    assert "patch 1/3 v3 is missing (series of 'step 2')" in found.missing


def test_a_version_that_only_the_cover_letter_names_is_that_of_its_patches() -> None:
    cover = make_mail("[PATCHSET 0/3 v4] steps", diff="", message_id="cover@x")
    other = make_mail("[PATCH 1/2] else", DIFFS[0], "else@x", reply_to="cover@x")
    found = read_patches(make_mbox(*mails(), cover, other), "in").series
    assert [(one.version, one.total, len(one.patches)) for one in found] == [(4, 3, 3), (1, 2, 1)]
