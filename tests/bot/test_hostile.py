"""Traffic with hostile mails in it: the right answers go out, and nothing that was smuggled in."""

from __future__ import annotations

from email.utils import getaddresses
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.replies import render
from mmlint.bot.sinks.files import draft_of

from tests.bot.letters import Lab, parsed, settings
from tests.bot.traffic import VICTIM, traffic

HEADERS = {
    "from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "auto-submitted", "x-mailer",
    "mime-version", "content-type", "content-transfer-encoding",
}  # fmt: skip


def test_traffic_is_answered_as_it_should_be(tmp_path: Path) -> None:
    lab = Lab(settings(), tmp_path)
    sent = traffic(80)
    lab.get(*sent.mails)
    assert set(lab.answered) == sent.answered
    assert len(lab.answered) == len(sent.answered)
    for _, payload in lab.mail.got:
        raw = render(draft_of(payload), lab.now)
        mail = parsed(raw)
        assert {name.lower() for name in mail} <= HEADERS
        assert len(mail.keys()) == len(set(mail.keys()))
        addresses = {pair[1] for pair in getaddresses([str(mail["to"]), str(mail.get("cc", ""))])}
        assert VICTIM not in addresses
        assert set(payload["draft"]["rcpt"]) == addresses
        assert VICTIM not in payload["draft"]["rcpt"]
        assert all(len(line) < 998 for line in raw.split(b"\n"))
        assert b"\r" not in raw
