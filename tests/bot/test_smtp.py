"""Replies handed to a mail server that takes them, refuses them, or goes away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")
pytest.importorskip("aiosmtpd", reason="aiosmtpd is not installed (extra `dev`)")

from mmlint.bot.analyse import Remark, Result
from mmlint.bot.config import Secret, SmtpConfig
from mmlint.bot.reading import Letter
from mmlint.bot.replies import draft
from mmlint.bot.sinks import SendError
from mmlint.bot.sinks.smtp import Smtp

from tests.bot.letters import LIST, settings
from tests.bot.servers import free_port


class Answers:
    """A handler of aiosmtpd with answers of the test's choice."""

    def __init__(self, rcpt: dict[str, str] | None = None, data: str = "250 taken") -> None:
        self.rcpt, self.data = rcpt or {}, data
        self.got: list[Any] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        answer = self.rcpt.get(address, "250 ok")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.got.append(envelope)
        return self.data


@contextmanager
def server(handler: Answers, **more: Any) -> Iterator[SmtpConfig]:
    from aiosmtpd.controller import Controller

    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **more)
    controller.start()
    try:
        yield SmtpConfig("127.0.0.1", controller.port, "none")
    finally:
        controller.stop()


def payload(text: str = "text") -> dict[str, Any]:
    letter = Letter("a@x.example", "patch", author="A <a@x.example>", subject="[PATCH] a", to=LIST, lists=[LIST])
    reply = draft(
        letter, [Remark("a@x.example", "a", text, [], [])], Result("findings", "mini"), settings().replies, "k"
    )
    assert reply is not None
    return {"draft": reply.values()}


def test_a_reply_arrives_as_it_is() -> None:
    handler = Answers()
    with server(handler) as config:
        Smtp(config).send("k", "a@x.example", payload("From here\n.\n..dots\nä\n" + "long " * 300), 0.0)
    (envelope,) = handler.got
    assert envelope.mail_from == "bot@mmlint.example"
    assert envelope.rcpt_tos == ["a@x.example", LIST]
    body = envelope.content.decode().replace("\r\n", "\n")
    assert "\nFrom here\n.\n..dots\nä\n" in body
    assert "[...]" in body
    assert "Content-Transfer-Encoding: 8bit" in body


def test_a_refused_address_is_named_and_the_others_get_it() -> None:
    handler = Answers({LIST: "550 no"})
    sent = payload()
    with server(handler) as config:
        Smtp(config).send("k", "a@x.example", sent, 0.0)
    assert sent["refused"] == [LIST]
    assert handler.got[0].rcpt_tos == ["a@x.example"]


@pytest.mark.parametrize(
    ("handler", "words", "temporary"),
    [
        (Answers(dict.fromkeys(("a@x.example", LIST), "550 no")), "all recipients refused", False),
        (Answers(dict.fromkeys(("a@x.example", LIST), "450 later")), "all recipients refused", True),
        (Answers(data="451 later"), "451", True),
        (Answers(data="554 spam"), "554", False),
    ],
)
def test_refusals(handler: Answers, words: str, temporary: bool) -> None:
    with server(handler) as config, pytest.raises(SendError, match=words) as error:
        Smtp(config).send("k", "a@x.example", payload(), 0.0)
    assert error.value.temporary == temporary
    assert not error.value.uncertain


def test_a_server_that_is_away_can_be_asked_again() -> None:
    with pytest.raises(SendError, match="ConnectionRefused") as error:
        Smtp(SmtpConfig("127.0.0.1", free_port(), "none")).send("k", "t", payload(), 0.0)
    assert error.value.temporary
    assert not error.value.uncertain


def test_a_connection_lost_in_the_text_leaves_it_open() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def talk() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 hello\r\n")
            for line in lines:
                connection.sendall(b"354 go on\r\n" if line.startswith(b"data") else b"250 ok\r\n")
                if line.startswith(b"data"):
                    lines.readline()
                    return

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    with pytest.raises(SendError, match="connection lost") as error:
        Smtp(SmtpConfig("127.0.0.1", listener.getsockname()[1], "none")).send("k", "t", payload(), 0.0)
    thread.join(10)
    listener.close()
    assert error.value.uncertain


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
def test_the_password_is_used_and_never_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from aiosmtpd.smtp import AuthResult

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: Any, data: Any) -> Any:
        return AuthResult(success=data.password == b"open-sesame", handled=True)

    monkeypatch.setattr("mmlint.bot.sinks.smtp._TIMEOUT", 2.0)
    monkeypatch.setenv("MMLINT_TEST_PASSWORD", "open-sesame")
    secret = Secret("environment", "MMLINT_TEST_PASSWORD")
    handler = Answers()
    with server(handler, authenticator=authenticate, auth_required=True, auth_require_tls=False) as config:
        login = SmtpConfig(config.host, config.port, "none", "bot", secret)
        Smtp(login).send("k", "t", payload(), 0.0)
        monkeypatch.setenv("MMLINT_TEST_PASSWORD", "wrong-word")
        with pytest.raises(SendError, match=r"535|Disconnected|Timeout") as error:
            Smtp(login).send("k", "t", payload(), 0.0)
        with pytest.raises(SendError, match="NotSupported") as unsafe:
            Smtp(SmtpConfig(config.host, config.port, "starttls", "bot", secret)).send("k", "t", payload(), 0.0)
    assert "wrong-word" not in str(error.value) + str(unsafe.value)
    assert len(handler.got) == 1
