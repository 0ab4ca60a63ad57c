"""Sources followed as they grow, the real programs behind them where they are installed."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.sources import Source, SourceError, open_source

from tests.bot.letters import letter
from tests.bot.servers import Dovecot, PublicInbox, deliver, dovecot_program, free_port


def read(source: Source, position: str = "", since: float = 0.0) -> tuple[list[str], str]:
    """(Message-IDs in order, position afterwards)."""
    found: list[str] = []
    for batch in source.batches(position, since):
        found += [raw.split(b"Message-ID: <")[1].split(b">")[0].decode() for raw in batch.mails]
        position = batch.position
    return found, position


def opened(**values: object) -> Source:
    return open_source(SourceConfig(**values), Config())  # type: ignore[arg-type]


def mail(number: int) -> bytes:
    received = f"from a.example by b.example; {formatdate()}"
    return letter(f"Text {number}.\n", f"{number}@x.example", f"mail {number}", Received=received)


# ------------------------------------------------------------------ folders


def test_a_maildir_is_followed_without_touching_it(tmp_path: Path) -> None:
    source = opened(type="maildir", path=str(tmp_path))
    for number in range(3):
        deliver(tmp_path, mail(number))
    first, position = read(source)
    assert sorted(first) == ["0@x.example", "1@x.example", "2@x.example"]
    deliver(tmp_path, mail(3))
    assert read(source, position)[0] == ["3@x.example"]
    assert len(list((tmp_path / "new").iterdir())) == 4
    assert "3@x.example" in read(opened(type="maildir", path=str(tmp_path)), position)[0], "a restart misses nothing"


def test_links_and_hidden_files_in_a_maildir_are_left_alone(tmp_path: Path) -> None:
    deliver(tmp_path, mail(1))
    (tmp_path / "new/link").symlink_to("/etc/hostname")
    (tmp_path / "new/.hidden").write_bytes(mail(2))
    assert read(opened(type="maildir", path=str(tmp_path)))[0] == ["1@x.example"]


def test_an_mbox_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "list.mbox"
    head = b"From mboxrd@z Thu Jan  1 00:00:00 1970\n"
    file.write_bytes(head + mail(1) + b"\n")
    source = opened(type="mbox", path=str(tmp_path))
    assert read(source)[0] == [], "a file that may be in the middle of being written is not read"
    os.utime(file, (time.time() - 60,) * 2)
    found, position = read(source)
    assert found == ["1@x.example"]
    with file.open("ab") as out:
        out.write(head + mail(2) + b"\n")
    os.utime(file, (time.time() - 60,) * 2)
    found, position = read(source, position)
    assert found == ["2@x.example"]
    assert read(source, position)[0] == []
    file.write_bytes(head + mail(9) + b"\n")
    os.utime(file, (time.time() - 60,) * 2)
    assert read(source, position)[0] == ["9@x.example"], "another file of the same name is read anew"


@pytest.mark.parametrize("kind", ["maildir", "mbox", "public-inbox"])
def test_a_missing_folder_is_one_line(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SourceError, match=r"no such|no maildir"):
        read(opened(type=kind, path=str(tmp_path / "none")))


# ------------------------------------------------------------- public-inbox


@pytest.fixture
def inbox(tmp_path: Path) -> PublicInbox:
    missing = [name for name in ("public-inbox-init", "public-inbox-mda") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed (Debian package public-inbox)")
    return PublicInbox(tmp_path / "pi")


def test_a_public_inbox_is_followed(inbox: PublicInbox) -> None:
    source = opened(type="public-inbox", path=str(inbox.path))
    assert read(source)[0] == []
    inbox.deliver(mail(1))
    inbox.deliver(mail(2))
    found, position = read(source)
    assert found == ["1@x.example", "2@x.example"]
    assert read(source, position)[0] == []
    inbox.deliver(mail(3))
    assert read(source, position)[0] == ["3@x.example"]


def test_an_epoch_that_was_rewritten_is_read_anew(inbox: PublicInbox) -> None:
    source = opened(type="public-inbox", path=str(inbox.path))
    inbox.deliver(mail(1))
    _, position = read(source)
    gone = position.replace(position.split('"')[3], "0123456789" * 4)
    assert read(source, gone)[0] == ["1@x.example"]


def test_what_is_no_repository_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a git repository"):
        read(opened(type="public-inbox", path=str(tmp_path)))


def test_a_public_inbox_on_the_web_is_followed(inbox: PublicInbox) -> None:
    if shutil.which("public-inbox-httpd") is None:
        pytest.skip("public-inbox-httpd is not installed (Debian package public-inbox)")
    port = free_port()
    source = opened(type="public-inbox-http", url=f"http://127.0.0.1:{port}/list/")
    with inbox.httpd(port):
        assert read(source)[0] == []
    inbox.deliver(mail(1))
    inbox.deliver(mail(2))
    with inbox.httpd(port):  # a new one, for a running one keeps its index open for a while
        found, position = read(source)
    assert sorted(found) == ["1@x.example", "2@x.example"]
    inbox.deliver(mail(3))
    with inbox.httpd(port):
        assert "3@x.example" in read(source, position)[0]


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SourceError, match="no connection"):
        read(opened(type="public-inbox-http", url=f"http://127.0.0.1:{free_port()}/list/"))


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user:password@127.0.0.1/list/"])
def test_only_plain_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(SourceError, match="only http") as error:
        read(opened(type="public-inbox-http", url=url))
    assert "password@" not in str(error.value)


# --------------------------------------------------------------------- IMAP


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    if dovecot_program() is None:
        pytest.skip("dovecot is not installed (Debian package dovecot-imapd)")
    with Dovecot(free_port()) as server:
        yield server


def test_an_imap_folder_is_followed_and_left_unread(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    source = open_source(dovecot.source(monkeypatch), Config())
    for number in range(1, 4):
        dovecot.deliver(mail(number))
    found, position = read(source)
    assert found == ["1@x.example", "2@x.example", "3@x.example"]
    assert read(source, position)[0] == []
    dovecot.deliver(mail(4))
    assert read(source, position)[0] == ["4@x.example"]
    assert dovecot.unread() == 4
    other = f"1:{position.partition(':')[2]}"
    assert len(read(source, other)[0]) == 4, "another validity: everything is asked for again"


def test_a_wrong_password_is_one_line_without_it(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dovecot.source(monkeypatch)
    monkeypatch.setenv("MMLINT_TEST_PASSWORD", "wrong-secret")
    with pytest.raises(SourceError, match="IMAP fails") as error:
        read(open_source(config, Config()))
    assert "wrong-secret" not in str(error.value)
    monkeypatch.delenv("MMLINT_TEST_PASSWORD")
    with pytest.raises(SourceError, match="no credential in environment"):
        read(open_source(config, Config()))
