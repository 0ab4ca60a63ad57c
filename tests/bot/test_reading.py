"""What a mail is taken for, and that nothing in it gets into the headers of a reply."""

from __future__ import annotations

import re
from email.utils import getaddresses

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from hypothesis import given
from hypothesis import strategies as st
from mmlint.bot.analyse import Remark, Result
from mmlint.bot.reading import Letter, ReadRules, letters, mark, marks, read_batch, read_letter
from mmlint.bot.replies import Draft, draft, message_id, recipients, render

from tests.bot.letters import LIST, body_of, letter, parsed, patch, settings

RULES = ReadRules(("mm/**",), "mmlint: stop", ("AUTOSEL",), "bot@mmlint.example")


def kind(raw: bytes) -> str:
    return read_letter(raw, RULES).kind


@pytest.mark.parametrize(
    ("subject", "text", "expected"),
    [
        ("[PATCH] a", body_of("bug-ptl101"), "patch"),
        ("[PATCH v3 2/9] a", body_of("bug-ptl101"), "patch"),
        ("[RFC] a", body_of("bug-ptl101"), "patch"),
        ("[PATCH v3 0/9] a", "Words.\n", "cover"),
        ("[PATCH v3 0/9] a", body_of("bug-ptl101"), "cover"),
        ("Re: [PATCH] a", "Words.\n", "reply"),
        ("Re: [PATCH] a", body_of("bug-ptl101"), "fixup"),
        ("Re: [PATCH] a", "--- a/x.c\n+++ b/x.c\n@@ -1,9 +1,9 @@\n cut\n", "reply"),
        ("[PATCH] a", "--- a/x.c\n+++ b/x.c\n@@ -1,9 +1,9 @@\n cut\n", "refused"),
        ("words", "Words.\n", "other"),
        ("words", body_of("bug-ptl101"), "other"),
        ("[PATCH 9/3] a", body_of("bug-ptl101"), "other"),
    ],
)
def test_kinds(subject: str, text: str, expected: str) -> None:
    assert kind(letter(text, "a@x.example", subject)) == expected


def test_a_mail_beyond_the_limit_is_refused_by_name() -> None:
    found = read_letter(letter("x" * 5000, "a@x.example"), ReadRules(max_mail=4000))
    assert (found.kind, found.reason) == ("refused", "larger than 4000 bytes")
    assert found.message_id.endswith("@mail.invalid")


def test_paths_decide_what_is_looked_at() -> None:
    assert read_letter(patch("bug-ptl101", "a@x.example"), RULES).touches
    assert not read_letter(patch("bug-gup101", "a@x.example"), RULES).touches


def test_lists_are_found_in_all_their_places() -> None:
    raw = letter(
        "x", "a@x.example", to="One <One@Lists.example>", cc="two@lists.example", List_Id="<three.lists.example>"
    )
    found = read_letter(raw, ReadRules(list="four@lists.example")).lists
    assert found == [f"{name}@lists.example" for name in ("one", "two", "three", "four")]


def test_a_comment_is_about_the_lines_right_above_it() -> None:
    text = [
        "> one line",
        "> > two line",
        "> three line",
        "> four line",
        "A comment.",
        "> five line",
        "On Monday X wrote:",
        "> six",
    ]
    assert set(marks(text)) == {mark("two line"), mark("three line"), mark("four line")}
    assert mark("+\tfoo(bar);") == mark("foo( bar );")


def test_the_answer_to_a_mail_always_has_the_same_id() -> None:
    assert message_id("a@x.example", "bot <bot@m.example>") == message_id("a@x.example", "Other Name <bot@m.example>")
    assert message_id("a@x.example", "bot@m.example") != message_id("b@x.example", "bot@m.example")


# -------------------------------------------------------------------- hostile


ODD = st.text(st.characters(codec="utf-8", categories=None), max_size=60) | st.sampled_from(
    [
        "a\r\nBcc: v@evil.example",
        "=?utf-8?q?a=0D=0ABcc=3A_v=40evil.example?=",
        '"a, v@evil.example" <b@x.example>',
        "<<a@b.c>",
    ]
)
HEADERS = {
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "X-Mailer",
}
HEADERS |= {"MIME-Version", "Content-Type", "Content-Transfer-Encoding"}
RESULT = Result("findings", "mini", subjects=["[PATCH] a"])


@given(
    st.dictionaries(st.sampled_from(["From", "To", "Cc", "Subject", "Reply-To", "References", "In-Reply-To"]), ODD), ODD
)
def test_no_header_of_a_mail_breaks_a_reply(headers: dict[str, str], text: str) -> None:
    rows = {"From": "a <a@x.example>", "To": LIST, "Subject": "[PATCH] a", "Message-ID": "<m@x.example>", **headers}
    raw = "".join(f"{name}: {value}\n" for name, value in rows.items()).encode("utf-8", "surrogatepass") + b"\n"
    found = letters(read_batch((RULES, [raw])))[0]
    config = settings().replies
    reply = draft(found, [Remark("m@x.example", "s", text, [], [])], RESULT, config, "key")
    if reply is None:
        return
    sent = render(reply, 0.0)
    head, _, _ = sent.partition(b"\n\n")
    names = re.findall(rb"^([^\s:]+):", head, re.MULTILINE)
    assert {name.decode() for name in names} <= HEADERS
    assert len(names) == len(set(names))
    assert head.isascii()
    mail = parsed(sent)
    addresses = [pair[1] for pair in getaddresses([str(mail[name]) for name in ("to", "cc") if mail[name]])]
    assert addresses == list(reply.rcpt)


@given(ODD, ODD, ODD)
def test_an_encoded_name_is_never_an_address(name: str, to: str, cc: str) -> None:
    from email.header import Header

    hidden = Header(f"{name}, v@evil.example", "utf-8").encode()
    found = Letter("m@x.example", "patch", author=f"{hidden} <a@x.example>", to=f"{hidden} <b@x.example>", lists=[LIST])
    to_value, cc_value = recipients(found, settings().replies)
    everyone = [pair[1] for pair in getaddresses([*to_value, *cc_value])]
    assert "v@evil.example" not in everyone
    assert everyone in (["a@x.example", "b@x.example"], [])


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "a\nBcc: v@evil.example"},
        {"to": "a@x.example\r\nBcc: v"},
        {"in_reply_to": "a b@x"},
        {"cc": "a\n\nbody"},
    ],
)
def test_a_header_that_got_through_all_the_same_is_not_sent(change: dict[str, str]) -> None:
    values = {"message_id": "m@x.example", "sender": "bot@m.example", "to": "a@x.example", "cc": "", "reply_to": ""}
    values |= {"subject": "Re: a", "in_reply_to": "b@x.example", "body": "text\n", **change}
    with pytest.raises(ValueError, match=r"unsafe|not a Message-ID"):
        render(Draft(**values, rcpt=("a@x.example",), references=("b@x.example",)), 0.0)
