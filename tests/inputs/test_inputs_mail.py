from __future__ import annotations

import gzip
import itertools

import pytest
from mmlint.inputs.mime import decode_header
from mmlint.inputs.model import Patch
from mmlint.inputs.read import read_patches

from tests.inputs.mails import CHANGELOG, DIFF, NEW, NEWER, OLD, make_diff, make_mail, make_mbox, reencode


def one(data: bytes) -> Patch:
    found = read_patches(data, "in")
    assert found.errors == []
    (patch,) = found.patches
    return patch


def test_a_format_patch_mail_gives_its_headers_changelog_and_hunks() -> None:
    mail = make_mail("[RFC PATCH v3 2/5] mm/demo: take references", reply_to="zero@example.org")
    patch = one(
        mail + b"base-commit: 0123456789abcdef0123456789abcdef01234567\n"
        b"prerequisite-patch-id: 89abcdef0123456789abcdef0123456789abcdef\n"
    )
    assert (patch.index, patch.total, patch.version) == (2, 5, 3)
    assert patch.subject == "mm/demo: take references"
    assert (patch.message_id, patch.in_reply_to) == ("one@example.org", "zero@example.org")
    assert patch.body == CHANGELOG.strip()
    assert patch.base_commit == "0123456789abcdef0123456789abcdef01234567"
    assert patch.prerequisite_patch_ids == ("89abcdef0123456789abcdef0123456789abcdef",)
    (change,) = patch.changes
    assert (change.path, change.kind, change.old_blob) == ("mm/demo.c", "modified", "1111111")
    assert change.added_lines() == {22, 23}
    assert change.removed_lines() == {22}
    assert change.hunks[0].heading.startswith("static int demo_walk(")


@pytest.mark.parametrize("encoding", ["quoted-printable", "base64"])
def test_transfer_encodings_change_nothing(encoding: str) -> None:
    plain, coded = one(make_mail()), one(reencode(make_mail(), encoding))
    assert [h.lines for h in coded.changes[0].hunks] == [h.lines for h in plain.changes[0].hunks]
    assert coded.body == plain.body


def test_latin1_text_is_read_as_utf8() -> None:
    diff = DIFF.replace("get_page(pages[nr++]);", "get_page(pages[nr++]); /* Jérôme */")
    mail = make_mail(diff=diff, extra="Content-Type: text/plain; charset=iso-8859-1\n")
    patch = one(mail.decode().encode("latin-1"))
    assert any("Jérôme".encode() in text for _, text in patch.changes[0].hunks[0].lines)
    subject = one(make_mail("=?iso-8859-1?q?=5BPATCH_2/3=5D_mm:_J=E9r=F4me?="))
    assert (subject.subject, subject.index) == ("mm: Jérôme", 2)


def flowed(mail: bytes) -> bytes:
    """Trailing blanks off and what begins with a blank stuffed, as mail programs do by RFC 3676."""
    head, _, body = mail.partition(b"\n\n")
    stuffed = b"\n".join(b" " + row if row[:1] in (b" ", b">") else row for row in map(bytes.rstrip, body.split(b"\n")))
    return head + b"\nContent-Type: text/plain; format=flowed\n\n" + stuffed


def test_format_flowed_is_undone_and_forgiven_where_only_declared() -> None:
    plain = one(make_mail()).changes
    assert one(flowed(make_mail())).changes[0].hunks[0].lines == plain[0].hunks[0].lines
    declared = make_mail(extra="Content-Type: text/plain; format=flowed\n")
    assert one(declared).changes[0].hunks[0].lines == plain[0].hunks[0].lines


def multipart(subject: str, text: str, attachment: str, name: str, headers: str = "") -> bytes:
    return (
        f"From: A <a@example.org>\nSubject: {subject}\nMessage-ID: <m@x>\n{headers}MIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="=-b"\n\npreamble\n'
        f"--=-b\nContent-Type: text/plain\n\n{text}\n"
        f'--=-b\nContent-Type: text/plain\nContent-Disposition: attachment; filename="{name}"\n\n{attachment}\n'
        "--=-b--\n"
    ).encode()


def test_a_patch_attached_to_a_reply_is_found_and_named() -> None:
    inner = (
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        + make_mail("[PATCH] fix it").decode()
    )
    data = multipart("Re: [PATCH 1/2] mm: other", "Does this help?", inner, "0001-fix.patch", "In-Reply-To: <q@x>\n")
    patch = one(data)
    assert (patch.where, patch.subject, patch.index, patch.total) == ("attachment", "fix it", 1, 1)
    assert patch.notes == ("patch found in an attachment 0001-fix.patch",)
    assert patch.body == CHANGELOG.strip()


def test_a_patch_under_scissors_in_a_reply_is_found_and_named() -> None:
    text = "> why?\n\nBecause. How about\n\n-- >8 --\nSubject: [PATCH] mm/demo: better\n\nSays why.\n---\n" + DIFF
    patch = one(make_mail("Re: [PATCH 3/7] mm/demo", diff="", body=text, reply_to="q@x"))
    assert (patch.where, patch.subject, patch.body, patch.total) == ("scissors", "mm/demo: better", "Says why.", 1)


def test_replies_quotes_and_cover_letters_are_noted_not_read() -> None:
    quoted = "".join("> " + row + "\n" for row in DIFF.split("\n"))
    mails = [
        make_mail("[PATCH 0/1] mm: cover", diff="", message_id="c@x"),
        make_mail("Re: [PATCH 1/1] mm", diff="", body=quoted + "Looks good.\n", message_id="r@x", reply_to="c@x"),
        make_mail("Re: [PATCH 1/1] mm", diff="", body="Thanks!\n", message_id="t@x", reply_to="c@x"),
        make_mail("meeting notes", diff="", body="Tuesday.\n", message_id="n@x"),
    ]
    found = read_patches(make_mbox(*mails), "in")
    assert (found.patches, found.errors, found.mails) == ([], [], 4)
    assert found.notes == [
        "cover letter skipped: [PATCH 0/1] mm: cover",
        "reply with a quoted diff skipped: Re: [PATCH 1/1] mm",
        "reply skipped: Re: [PATCH 1/1] mm",
        "mail without a diff skipped: meeting notes",
    ]


def series_mails() -> list[bytes]:
    texts = [OLD, NEW, NEWER, NEWER.replace("return 1", "return 2")]
    diffs = [make_diff(a, b) for a, b in itertools.pairwise(texts)]
    return [
        make_mail(f"[PATCH v2 {n}/3] step {n}", diff, f"p{n}@x", reply_to="cover@x") for n, diff in enumerate(diffs, 1)
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_shuffled_series_is_put_in_order(order: tuple[int, ...]) -> None:
    mails = series_mails()
    found = read_patches(gzip.compress(make_mbox(*(mails[n] for n in order))), "in.gz")
    assert [patch.subject for patch in found.patches] == ["step 1", "step 2", "step 3"]
    assert found.missing == []


def test_a_missing_member_is_named_and_versions_stay_apart() -> None:
    mails = series_mails()
    first = make_mail("[PATCH 1/3] step 1", message_id="old@x", reply_to="cover@x")
    found = read_patches(make_mbox(first, mails[0], mails[2]), "in")
    assert [(s.version, len(s.patches)) for s in found.series] == [(1, 1), (2, 2)]
    assert "patch 2/3 v2 is missing (series of 'step 1')" in found.missing


def test_a_series_sent_without_threading_is_one_series() -> None:
    mails = [make_mail(f"[PATCH {n}/3] s{n}", message_id=f"u{n}@x") for n in (3, 1, 2)]
    (series,) = read_patches(make_mbox(*mails), "in").series
    assert [patch.index for patch in series.patches] == [1, 2, 3]


def test_from_lines_are_unquoted_in_mboxrd_but_not_in_format_patch_files() -> None:
    body = "From here on it is odd.\n\n>From there too.\n"
    assert one(make_mbox(make_mail(body=body))).body == body.strip()
    git = b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
    assert one(git + make_mail(body="> quoted\n\n>From there.\n")).body == "> quoted\n\n>From there."


def test_a_diff_in_the_changelog_is_not_part_of_the_patch() -> None:
    patch = one(make_mail(body="This used to say\n\n" + make_diff("a\n", "b\n", "mm/old.c") + "\nand is wrong.\n"))
    assert [change.path for change in patch.changes] == ["mm/demo.c"]
    assert patch.notes[0].startswith("diff in the changelog at line 9 ")


def test_a_crlf_mail_is_the_same_patch() -> None:
    assert one(make_mail().replace(b"\n", b"\r\n")).changes == one(make_mail()).changes


def test_git_show_output_is_one_patch_a_commit() -> None:
    log = "".join(
        f"commit {n * 40}\nAuthor: A <a@x>\nDate:   now\n\n    title {n}\n\n    Body.\n\n{make_diff(OLD, NEW)}\n"
        for n in "ab"
    )
    patches = read_patches(log.encode(), "-").patches
    assert [(p.subject, p.body, p.commit) for p in patches] == [(f"title {n}", "Body.", n * 40) for n in "ab"]


@pytest.mark.parametrize("data", [b"", b"\n \n", gzip.compress(b"")])
def test_what_is_empty_is_a_note(data: bytes) -> None:
    found = read_patches(data, "in")
    assert (found.errors, found.notes) == ([], ["in: is empty; nothing to check"])


@pytest.mark.parametrize("data", [gzip.compress(b"From: a\n")[:10], b"int main(void)\n{\n}\n"])
def test_what_is_no_patch_is_refused_in_one_line(data: bytes) -> None:
    (error,) = read_patches(data, "in").errors
    assert "\n" not in error.message
    assert error.path == "in"


def test_half_a_surrogate_pair_in_a_header_can_still_be_written() -> None:
    assert decode_header(b"=?utf-7?q?mm=3A_+2AA-?=") == "mm: ?"
    decode_header(b"=?utf-7?q?mm=3A_+2AA-?=").encode()
