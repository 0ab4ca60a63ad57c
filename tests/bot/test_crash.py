"""Killed at any moment, the bot says what it has to say once."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.sinks import SendError

from tests.bot.field import Field, MailServer, PlainPost, Post, RealPost
from tests.bot.letters import Lab, patch, settings
from tests.bot.servers import Dovecot, Postgres, dovecot_program, free_port, postgres_program
from tests.bot.traffic import traffic

MAILS = int(os.environ.get("MMLINT_BOT_MAILS", "32"))
KILLS = int(os.environ.get("MMLINT_BOT_KILLS", "4"))
"""Small by default; the full run has 500 and 50."""


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
    field: Field, post: Post, arrivals: list[list[bytes]], kills: int, expected: int, server: MailServer
) -> None:
    """Mails arrive while workers are killed; ends a bit after all that is expected has arrived."""
    chance = random.Random(7)
    done = 0
    field.start()
    for number, portion in enumerate(arrivals, 1):
        post.bring(portion)
        while done < kills * number // len(arrivals):
            time.sleep(chance.uniform(0.2, 1.6))
            field.kill(chance)
            field.start()
            done += 1
    field.until(lambda: len(server.got) >= expected, 60 + 2 * expected)
    time.sleep(3)
    field.stop()


def disturbed_run(home: Path, make_post: Callable[[Path], Post], mails: int, kills: int, **more: Any) -> None:
    """Traffic comes in, workers are killed; every answer arrives at the server, each once."""
    sent = traffic(mails, seed=3)
    post = make_post(home)
    server = MailServer(post.echo)
    field = Field(home, post.sources(), server.port, **more)
    portions = [sent.mails[at : at + 20] for at in range(0, len(sent.mails), 20)]
    try:
        disturbed(field, post, portions, kills, len(sent.answered), server)
    finally:
        field.stop()
        server.stop()
    assert Counter(each.about for each in server.got) == Counter(sent.answered)


@pytest.mark.slow
def test_real_parts(tmp_path: Path) -> None:
    """public-inbox, Dovecot and an SMTP server around the bot, a git store below it."""
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra `dev`)")
    if shutil.which("public-inbox-mda") is None:
        pytest.skip("public-inbox is not installed (Debian package public-inbox)")
    if dovecot_program() is None:
        pytest.skip("dovecot is not installed (Debian package dovecot-imapd)")
    with Dovecot(free_port()) as imap:
        disturbed_run(tmp_path, lambda home: RealPost(home, imap), MAILS // 2, KILLS // 2)


@pytest.mark.slow
def test_kill_9_at_random(tmp_path: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra `dev`)")
    disturbed_run(tmp_path, PlainPost, MAILS, KILLS)


@pytest.mark.slow
def test_kill_9_with_two_workers_on_postgresql(tmp_path: Path) -> None:
    pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra `dev`)")
    pytest.importorskip("psycopg", reason="psycopg is not installed (pip install 'psycopg[binary]')")
    if postgres_program("initdb") is None:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    with Postgres(free_port()) as database:
        disturbed_run(tmp_path, PlainPost, MAILS, KILLS, state=database.url, workers=2)
