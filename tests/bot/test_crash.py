"""Killed at any moment, the bot says what it has to say once."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.sinks import SendError

from tests.bot.field import Field, MailServer, commit_mails, epoch_of
from tests.bot.letters import Lab, patch, settings
from tests.bot.servers import deliver
from tests.bot.traffic import traffic


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("certain", [False, True])
def test_a_crash_around_sending(tmp_path: Path, after: bool, certain: bool) -> None:
    """Before the effect or after it; the sink can be asked twice or not; the mail comes back from the list or not."""
    lab = Lab(settings(uncertain="hold", confirm=600.0), tmp_path)
    lab.mail.fail, lab.mail.after, lab.mail.certain = Killed(), after, certain
    with pytest.raises(Killed):
        lab.get(patch("bug-ptl101", "a@x.example"))
    lab.state.close()
    with lab.state.change() as tx:
        from mmlint.bot.state import outbox

        tx.execute(outbox.update().values(owner="elsewhere:1:1", lease=0.0))
    lab.work(60)
    assert len(lab.mail.got) == int(after) + int(certain)
    if certain:
        assert {key for key, _ in lab.mail.got} == {lab.mail.got[0][0]}, "the same Message-ID, so a maildir has it once"
        return
    assert lab.outcomes()["a@x.example"][0] == "sending"
    lab.work(900)
    assert lab.outcomes()["a@x.example"][0] == "held"
    assert len(lab.mail.got) == int(after)


def test_a_mail_that_comes_back_from_the_list_was_sent(tmp_path: Path) -> None:
    lab = Lab(settings(uncertain="resend", confirm=600.0), tmp_path)
    lab.mail.certain, lab.mail.fail, lab.mail.after = False, SendError("lost", uncertain=True), True
    lab.get(patch("bug-ptl101", "a@x.example"))
    key = lab.mail.got[0][0]
    lab.get(patch("bug-ptl101", key, "Re: [PATCH] bug-ptl101"))
    lab.work(900)
    assert len(lab.mail.got) == 1
    assert lab.outcomes()["a@x.example"] == ("sent", "seen on the list")


def test_a_mail_that_does_not_come_back_is_sent_again_if_told_so(tmp_path: Path) -> None:
    lab = Lab(settings(uncertain="resend", confirm=600.0), tmp_path)
    lab.mail.certain, lab.mail.fail = False, SendError("lost", uncertain=True)
    lab.get(patch("bug-ptl101", "a@x.example"))
    lab.work(300)
    assert lab.mail.got == []
    lab.work(900)
    assert lab.answered == ["a@x.example"]


@pytest.mark.parametrize(("temporary", "tries"), [(True, 1), (False, 0)])
def test_a_server_that_refuses(tmp_path: Path, temporary: bool, tries: int) -> None:
    lab = Lab(settings(), tmp_path)
    lab.mail.fail = SendError("server says 4xx", temporary=temporary)
    lab.get(patch("bug-ptl101", "a@x.example"))
    assert lab.mail.got == []
    lab.work(3600)
    assert len(lab.mail.got) == tries
    assert lab.outcomes()["a@x.example"][0] == ("sent" if temporary else "failed")


def disturbed(
    field: Field, arrivals: list[list[bytes]], epoch: Path, kills: int, expected: int, server: MailServer
) -> int:
    """Mails arrive in portions while workers are killed; returns how many kills there were."""
    chance = random.Random(7)
    done = 0
    field.start()
    for portion in arrivals:
        half = len(portion) // 2
        commit_mails(epoch, portion[:half]) if half else None
        for raw in portion[half:]:
            deliver(field.home / "maildir", raw)
        while done < kills * (arrivals.index(portion) + 1) / len(arrivals):
            time.sleep(chance.uniform(0.2, 1.6))
            field.kill(chance)
            field.start()
            done += 1
    field.until(lambda: len(server.got) >= expected, 120)
    time.sleep(3)
    field.stop()
    return done


def test_kill_9_at_random(tmp_path: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra `dev`)")
    sent = traffic(60, seed=3)
    server = MailServer(tmp_path / "maildir")
    epoch = epoch_of(tmp_path / "inbox")
    (tmp_path / "maildir/new").mkdir(parents=True, exist_ok=True)
    sources: list[dict[str, object]] = [
        {"type": "public-inbox", "path": str(tmp_path / "inbox")},
        {"type": "maildir", "path": str(tmp_path / "maildir")},
    ]
    field = Field(tmp_path, sources, server.port)
    portions = [sent.mails[at : at + 20] for at in range(0, len(sent.mails), 20)]
    try:
        assert disturbed(field, portions, epoch, 8, len(sent.answered), server) >= 8
    finally:
        field.stop()
        server.stop()
    assert Counter(each.about for each in server.got) == Counter(sent.answered)
