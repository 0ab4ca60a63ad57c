"""Status page, metrics, command line, replay, comments, drafts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed (extra `bot`)")

from mmlint.bot.config import Config
from mmlint.bot.metrics import render
from mmlint.bot.sinks import SendError
from mmlint.bot.sinks.files import Comments, Maildir
from mmlint.bot.state import State
from mmlint.bot.summary import text
from mmlint.cli import app
from typer.testing import CliRunner, Result

from tests.bot.letters import LIST, MINI, NOON, RULES, Lab, body_of, letter, parsed, patch, settings
from tests.bot.servers import deliver

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    config = replace(settings(url="https://bot.example"), status=str(tmp_path / "status"))
    lab = Lab(config, tmp_path)
    lab.get(
        patch("bug-cow101", "a@x.example", f"[PATCH v2] {SCRIPT} \u202e"),
        patch("fix-cow101", "b@x.example", "[PATCH] nowhere"),
        letter(body_of("bug-ptl101"), "c@x.example", "[PATCH 1/2] half"),
    )
    lab.bot.publish()
    return lab


class Tags(HTMLParser):
    """Counts open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_status_page(lab: Lab, tmp_path: Path) -> None:
    page = (tmp_path / "status/index.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not tags.seen & {"script", "img", "link", "iframe"}
    assert "\u202e" not in page
    assert "COW101" in page
    assert "gup_fast: read the entry" in page, "the trace"
    assert "does not fit anywhere" in page
    assert "collecting" in page
    payload = lab.mail.got[0][1]["draft"]["body"]
    anchor = re.search(r"https://bot\.example/#(\w+)", payload)
    assert anchor
    assert f'id="{anchor[1]}"' in page, "the link of the mail leads to its series"


def test_metrics(lab: Lab, tmp_path: Path) -> None:
    rows = (tmp_path / "status/metrics.prom").read_text()
    assert rows == render(lab.state)
    for line in rows.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) \w+ .*|\w+(\{\w+="(?:[^"\\]|\\.)*"(,\w+="(?:[^"\\]|\\.)*")*\})? [-\d.e+]+', line
        ), line
    assert 'mmlint_bot_mails_total{kind="patch"} 3' in rows
    assert 'mmlint_bot_series_total{verdict="findings"} 1' in rows
    assert 'mmlint_bot_effects_total{effect="mail sent"} 1' in rows
    assert 'mmlint_bot_queue{state="collecting"} 1' in rows


def test_the_summary(lab: Lab) -> None:
    found = text(lab.state)
    assert "3 patch" in found
    assert "findings, 1 found" in found
    assert "mail sent" in found
    assert "\u202e" not in found


def test_the_log_is_json_without_surprises(lab: Lab) -> None:
    rows = [json.loads(line) for line in lab.log.getvalue().splitlines()]
    assert {row["event"] for row in rows} >= {"mails", "verdict", "effect"}
    assert lab.log.getvalue().isascii()


# ------------------------------------------------------------------- files


def test_a_maildir_has_a_reply_once(lab: Lab, tmp_path: Path) -> None:
    key, payload = lab.mail.got[0]
    sink = Maildir(str(tmp_path / "out"))
    for _ in range(2):
        sink.send(key, "a@x.example", payload, NOON)
    (path,) = (tmp_path / "out/new").iterdir()
    mail = parsed(path.read_bytes())
    assert mail["in-reply-to"] == "<a@x.example>"
    assert mail["auto-submitted"] == "auto-replied"
    path.rename(tmp_path / "out/cur" / f"{path.name}:2,S")
    sink.send(key, "a@x.example", payload, NOON)
    assert list((tmp_path / "out/new").iterdir()) == [], "nor when somebody has read it"


def test_comments(tmp_path: Path) -> None:
    sink = Comments(str(tmp_path / "comments"))
    sink.send("comment:abc", "abc", {"text": "# mmlint\n"}, NOON)
    assert (tmp_path / "comments/abc.md").read_text() == "# mmlint\n"
    (tmp_path / "file").write_text("")
    with pytest.raises(SendError, match=r"exists|Not a directory"):
        Comments(str(tmp_path / "file")).send("k", "t", {"text": ""}, NOON)


# ------------------------------------------------------------ command line


def configured(folder: Path, more: str = "") -> str:
    (folder / "bot.toml").write_text(
        f"""
state = "state.db"
status = "status"
[[sources]]
type = "maildir"
path = "in"
[[trees]]
path = "{MINI}"
name = "mini"
[filter]
max-age = "99999d"
[policy]
settings = "{RULES}"
[replies]
drafts = "drafts"
sender = "bot <bot@mmlint.example>"
lists = ["{LIST}"]
recipients = ["*"]
embargo = "0s"
expire = "99999d"
{more}
"""
    )
    return str(folder / "bot.toml")


def test_once_and_status(tmp_path: Path) -> None:
    config = configured(tmp_path)
    deliver(tmp_path / "in", patch("bug-ptl101", "a@x.example", "[PATCH] mm: one"))
    for _ in range(2):
        done = CliRunner().invoke(app, ["bot", "once", config])
        assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "drafts/new").iterdir())) == 1
    shown = CliRunner().invoke(app, ["bot", "status", config])
    assert "mm: one" in shown.stdout
    assert "1 mail dry" in shown.stdout
    assert "mmlint_bot_mails_total" in CliRunner().invoke(app, ["bot", "status", "--metrics", config]).stdout


def events(done: Result) -> list[dict[str, str]]:
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_log_is_json_from_its_first_line(tmp_path: Path) -> None:
    config = configured(tmp_path)
    deliver(tmp_path / "in", patch("bug-ptl101", "a@x.example", "[PATCH] mm: one"))
    first, *others = events(CliRunner().invoke(app, ["bot", "once", config]))
    assert (first["level"], first["event"]) == ("info", "dry_run")
    assert "verdict" in {event["event"] for event in others}
    assert CliRunner().invoke(app, ["bot", "once", "--quiet", config]).stderr == ""


def test_a_source_that_cannot_be_read_fails_the_run_that_does_the_rest(tmp_path: Path) -> None:
    config = configured(tmp_path)
    text = Path(config).read_text()
    Path(config).write_text(text.replace("[[sources]]", '[[sources]]\ntype = "mbox"\npath = "nowhere"\n[[sources]]', 1))
    deliver(tmp_path / "in", patch("bug-ptl101", "a@x.example", "[PATCH] mm: one"))
    done = CliRunner().invoke(app, ["bot", "once", config])
    assert done.exit_code == 2
    assert [(e["level"], e["error"]) for e in events(done) if e["event"] == "source"] == [
        ("warning", f"{tmp_path}/nowhere: no such file or folder")
    ]
    assert len(list((tmp_path / "drafts/new").iterdir())) == 1
    (tmp_path / "nowhere").mkdir()
    assert CliRunner().invoke(app, ["bot", "once", config]).exit_code == 0


@pytest.mark.parametrize("command", ["once", "run"])
def test_without_sources_there_is_nothing_to_do(tmp_path: Path, command: str) -> None:
    (tmp_path / "bot.toml").write_text("")
    done = CliRunner().invoke(app, ["bot", command, str(tmp_path / "bot.toml")])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "bot.toml: no [[sources]]; name at least one" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot.toml"]


@pytest.mark.parametrize("state", ["state.db", "none/state.db", "sqlite:///{folder}/url.db"])
def test_status_makes_nothing(tmp_path: Path, state: str) -> None:
    config = Path(configured(tmp_path))
    config.write_text(config.read_text().replace("state.db", state.format(folder=tmp_path)))
    for words in ([], ["--metrics"]):
        done = CliRunner().invoke(app, ["bot", "status", str(config), *words])
        assert (done.exit_code, done.stderr) == (0, "")
        assert "queue     empty" in done.stdout or words
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bot.toml"]


def test_a_state_that_fails_is_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmlint.bot.loop import Bot
    from sqlalchemy.exc import OperationalError

    def fails(_: Bot) -> None:
        raise OperationalError("select", {}, Exception("database is locked"))

    monkeypatch.setattr(Bot, "once", fails)
    done = CliRunner().invoke(app, ["bot", "once", configured(tmp_path)])
    assert done.exit_code == 2
    last = events(done)[-1]
    assert (last["level"], last["event"]) == ("error", "state")
    assert last["error"].endswith("database is locked")


def test_what_is_wrong_is_one_line_and_status_2(tmp_path: Path) -> None:
    for words in (["once", str(tmp_path / "none")], ["once", configured(tmp_path, "nonsense = 1")]):
        done = CliRunner().invoke(app, ["bot", *words])
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
    broken = Path(configured(tmp_path))
    broken.write_text(broken.read_text().replace('"state.db"', '"nosql://x:secret@y"'))
    done = CliRunner().invoke(app, ["bot", "status", str(broken)])
    assert done.exit_code == 2
    assert "secret" not in done.stderr


def test_replay(tmp_path: Path) -> None:
    config = configured(tmp_path, 'maintainers = ["boss@kernel.example"]').replace("bot.toml", "bot.toml")
    Path(config).write_text(Path(config).read_text().replace('embargo = "0s"', 'embargo = "12h"'))
    boss = "Boss <boss@kernel.example>"
    stop = letter("mmlint: stop\n", "s@x.example", "Re: b", sender=boss, reply_to=["b@x.example"], date=NOON + 9000)
    late = letter(
        "mmlint: stop all\n", "t@x.example", "Re: b", sender=boss, reply_to=["b@x.example"], date=NOON + 90000
    )
    mails = [late, patch("bug-ptl101", "a@x.example"), stop, patch("bug-cow101", "b@x.example")]
    archive = tmp_path / "list.mbox"
    archive.write_bytes(b"".join(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + raw + b"\n" for raw in mails))
    done = CliRunner().invoke(app, ["bot", "replay", config, str(archive), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    (reply,) = (tmp_path / "out/replies/new").iterdir()
    mail = parsed(reply.read_bytes())
    assert mail["in-reply-to"] == "<a@x.example>"
    assert mail["date"].startswith("Tue, 03 Mar 2026 00:00"), "twelve hours after the patch, before the second stop"
    again = CliRunner().invoke(app, ["bot", "replay", config, str(archive), "--out", str(tmp_path / "out")])
    assert again.exit_code == 2
    assert "holds a replay already" in again.stderr


def test_old_state_is_forgotten(tmp_path: Path) -> None:
    from mmlint.bot.state import prune

    lab = Lab(settings(), tmp_path)
    lab.get(patch("bug-ptl101", "a@x.example"))
    with lab.state.change() as tx:
        prune(tx, lab.now + 10, lab.now + 10)
    assert lab.verdicts() == {}
    assert lab.bot.mails_known() == 0


def test_a_state_that_cannot_be_opened(tmp_path: Path) -> None:
    from mmlint.settings import SettingsError

    (tmp_path / "state.db").write_text("this is no database " * 100)
    with pytest.raises(SettingsError, match="cannot be opened"):
        State(str(tmp_path / "state.db"))
    assert Config().state
