"""The client of Patchwork against a server that follows the description of the API, and against the real one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")
pytest.importorskip("jsonschema", reason="jsonschema is not installed (extra `dev`)")

from mmlint.bot.config import Config, PatchworkConfig, Secret, SourceConfig
from mmlint.bot.patchwork import Patchwork
from mmlint.bot.sinks import SendError
from mmlint.bot.sinks.checks import Checks
from mmlint.bot.sources import SourceError, open_source
from mmlint.bot.web import WebError

from tests.bot.letters import Lab, body_of, letter, patch, settings
from tests.bot.patchwork_server import TOKEN, FakePatchwork
from tests.bot.servers import free_port

TOKEN_NAME = "MMLINT_TEST_TOKEN"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakePatchwork]:
    monkeypatch.setenv(TOKEN_NAME, TOKEN)
    fake = FakePatchwork()
    yield fake
    fake.close()
    assert fake.broken == []


def secret() -> Secret:
    return Secret("environment", TOKEN_NAME)


def mails() -> list[bytes]:
    above = ["0@x.example"]
    return [
        letter("All.\n", "0@x.example", "[PATCH 0/2] mm: all"),
        letter(body_of("bug-ptl101"), "1@x.example", "[PATCH 1/2] mm: one", reply_to=above),
        letter(body_of("bug-helper-may-sleep"), "2@x.example", "[PATCH 2/2] mm: two", reply_to=above),
    ]


def test_pending_series_are_followed(server: FakePatchwork) -> None:
    source = open_source(SourceConfig("patchwork", url=server.url, project="linux-mm"), Config())
    server.add(mails(), "2026-03-02T12:00:00")
    server.add([patch("bug-cow101", "done@x.example")], "2026-03-02T12:01:00", state="accepted")
    server.add([patch("bug-cow101", "a@x.example")], "2026-03-02T12:02:00")
    position, found = "", []
    for batch in source.batches("", 0.0):
        found += [raw.split(b"Message-ID: <")[1].split(b">")[0].decode() for raw in batch.mails]
        position = batch.position
    assert found == ["0@x.example", "1@x.example", "2@x.example", "a@x.example"]
    server.add([patch("bug-cow101", "b@x.example")], "2026-03-02T12:02:30")
    again = [raw for batch in source.batches(position, 0.0) for raw in batch.mails]
    assert len(again) == 1
    assert b"b@x.example" in again[0]


def test_checks_are_posted_once_for_each_patch(server: FakePatchwork, tmp_path: Path) -> None:
    server.add(mails(), "2026-03-02T12:00:00")
    config = settings(patchwork=PatchworkConfig(server.url, "linux-mm", secret=secret()), url="https://bot.example/mm")
    sink = Checks(config.replies.patchwork or PatchworkConfig())
    lab = Lab(config, tmp_path)
    lab.get(*mails())
    for _ in range(2):
        for key, payload in lab.check.got:
            sink.send(key, key.removeprefix("check:"), payload, 0.0)
    rows = {number: [(row["state"], row["context"]) for row in checks] for number, checks in server.checks.items()}
    assert sorted(rows.values()) == [[("fail", "mmlint")], [("success", "mmlint")]]
    first = next(checks[0] for checks in server.checks.values() if checks[0]["state"] == "fail")
    assert "PTL101" in first["description"]
    assert first["target_url"].startswith("https://bot.example/mm/#")


def test_a_patch_that_is_not_there_yet_is_tried_again(server: FakePatchwork) -> None:
    sink = Checks(PatchworkConfig(server.url, "linux-mm", secret=secret()))
    with pytest.raises(SendError, match="not have this patch yet") as error:
        sink.send("check:a", "a@x.example", {"check": {"state": "success"}}, 0.0)
    assert error.value.temporary


def test_what_goes_wrong_is_one_line_without_the_token(server: FakePatchwork, monkeypatch: pytest.MonkeyPatch) -> None:
    server.add([patch("bug-cow101", "a@x.example")], "2026-03-02T12:02:00")
    sink = Checks(PatchworkConfig(server.url, "linux-mm", secret=secret()))
    check = {"check": {"state": "success", "context": "mmlint"}}
    server.fail = 1
    with pytest.raises(SendError, match="server says 503") as busy:
        sink.send("check:a", "a@x.example", check, 0.0)
    assert busy.value.temporary
    monkeypatch.setenv(TOKEN_NAME, "wrong-token")
    with pytest.raises(SendError, match="server says 403") as refused:
        sink.send("check:a", "a@x.example", check, 0.0)
    assert not refused.value.temporary
    assert "wrong-token" not in str(refused.value)


def test_nothing_is_fetched_from_another_host(server: FakePatchwork) -> None:
    with pytest.raises(WebError, match="another host"):
        Patchwork(server.url).mbox("http://169.254.169.254/latest/")
    server.add([patch("bug-cow101", "a@x.example")], "2026-03-02T12:02:00")
    number = next(iter(server.patches))
    server.patches[number]["mbox"] = "http://other.example/mbox/"
    source = open_source(SourceConfig("patchwork", url=server.url, project="linux-mm"), Config())
    with pytest.raises(SourceError, match="another host"):
        list(source.batches("", 0.0))


def test_a_server_that_is_away_is_one_line() -> None:
    source = open_source(SourceConfig("patchwork", url=f"http://127.0.0.1:{free_port()}", project="x"), Config())
    with pytest.raises(SourceError, match="no connection"):
        list(source.batches("", 0.0))


def test_the_real_application(tmp_path: Path) -> None:
    """Set MMLINT_PATCHWORK to URL,PROJECT,MSGID,TOKEN-VARIABLE of a Patchwork that may be written to."""
    named = os.environ.get("MMLINT_PATCHWORK")
    if not named:
        pytest.skip("no Patchwork to test with (MMLINT_PATCHWORK=URL,PROJECT,MSGID,TOKEN-VARIABLE)")
    url, project, message_id, variable = named.split(",")
    config = PatchworkConfig(url, project, secret=Secret("environment", variable))
    check = {"state": "warning", "context": "mmlint", "description": "a test", "target_url": "https://bot.example/#1"}
    for _ in range(2):
        Checks(config).send("check:a", message_id, {"check": check}, 0.0)
    server = Patchwork(url, config.secret)
    found = server.find_patch(message_id, project)
    assert found is not None
    assert [row["state"] for row in server.checks(found["id"]) if row["context"] == "mmlint"] == ["warning"]
    source = open_source(SourceConfig("patchwork", url=url, project=project), replace(Config()))
    assert any(message_id.encode() in raw for batch in source.batches("", 0.0) for raw in batch.mails)
