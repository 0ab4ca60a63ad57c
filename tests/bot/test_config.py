"""The configuration: what is wrong is said in one line; the documentation names every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.bot.config import Secret, documented, load
from mmlint.finding import Severity
from mmlint.settings import SettingsError

ROOT = Path(__file__).parent.parent.parent


def written(folder: Path, text: str) -> str:
    (folder / "bot.toml").write_text(text)
    return str(folder / "bot.toml")


def test_a_whole_configuration(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    config = load(
        written(
            tmp_path,
            """
state = "state.db"
interval = "5m"
[[sources]]
type = "imap"
host = "mail.example"
user = "bot"
secret-file = "password"
[[trees]]
path = "linux"
branches = ["mm-unstable"]
[policy]
min-severity = "error"
[replies]
dry-run = false
sender = "bot <bot@x.example>"
embargo = "1.5h"
[replies.smtp]
host = "mail.example"
""",
        )
    )
    assert config.state == str(tmp_path / "state.db")
    assert config.interval == 300
    assert config.trees[0].path == str(tmp_path / "linux")
    assert config.policy.min_severity is Severity.ERROR
    assert config.replies.embargo == 5400
    assert config.replies.smtp is not None
    assert config.replies.smtp.port == 587


def test_without_a_word_nothing_is_sent() -> None:
    from mmlint.bot.config import RepliesConfig

    replies = RepliesConfig()
    assert replies.dry_run
    assert replies.lists == replies.recipients == replies.maintainers == ()
    assert replies.embargo >= 3600


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "not valid TOML"),
        ("stat = 'x'", "unknown key `stat`; did you mean `state`?"),
        ("interval = 60", '`interval` must be a time such as "15m"'),
        ("interval = 'soon'", "`interval` must be a time"),
        ("jobs = true", "`jobs` must be a whole number"),
        ("jobs = -1", "`jobs` must not be negative"),
        ("replies = 3", "`replies` must be a table"),
        ("[[sources]]\npath = 'x'", "source 1 has no `type`"),
        ("[[sources]]\ntype = 'nntp'", "`sources.type` must be one of maildir"),
        ("[[sources]]\ntype = 'imap'\nhost = 'x'", r"source 1 \(imap\) needs `user`"),
        ("[[sources]]\ntype = 'imap'\npassword = 'x'", "`sources.password`; use `secret-env` or `secret-file`"),
        ("[[sources]]\ntype='mbox'\npath='a'\n[[sources]]\ntype='mbox'\npath='a'", "two sources are called"),
        ("[[trees]]\npath = 'nowhere'", "is no folder"),
        ("[policy]\nmin-severity = 'bad'", "`policy.min-severity` must be one of error, warning, info"),
        ("[policy]\nsettings = 'none.toml'", "none.toml: cannot read the configuration"),
        ("[filter]\npaths = 'mm'", "`filter.paths` must be a list of strings"),
        ("[filter]\npaths = [1]", "`filter.paths` must be a list of strings"),
        ("[replies]\ndry-run = false", "`replies.sender` is missing"),
        ("[replies]\nsender = 'nobody'", "`replies.sender` has no mail address"),
        ("[replies]\ndry-run = false\nsender = 'a@b.example'", "nothing to reply with"),
        ("[replies.smtp]\nport = 25", "`replies.smtp.host` is missing"),
        ("[replies.patchwork]\nurl = 'http://x'", "`replies.patchwork` needs `url` and `secret-env`"),
        ("[replies.patchwork]\nurl='http://x'\nsecret-env='X'\ncontext='a b'", "`replies.patchwork.context`"),
        ("[replies]\nmaildir='x'\n[replies.smtp]\nhost='y'", "both `replies.smtp` and `replies.maildir`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as error:
        load(written(tmp_path, text))
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", 1),
        ("jobs = 1\nstat = 'x'", 2),
        ("jobs = 1\ninterval = 60", 2),
        ("[[sources]]\ntype = 'mbox'\npath = 'x'\n[[sources]]\ntype = 'nntp'", 5),
        ("[[sources]]\ntype = 'mbox'\npath = 'x'\n[[sources]]\ntype = 'imap'\nhost = 'x'", 4),
        ("[[trees]]\n# where\npath = 'nowhere'", 3),
        ("\n[filter]\npaths = [1]", 3),
        ("[replies]\nlists = []\nsender = 'nobody'", 3),
        ("[replies]\nlists = []\ndry-run = false", 1),
        ("[replies]\n[replies.smtp]\nport = 'x'", 3),
        ("[replies]\n[replies.smtp]\nport = 25", 2),
        ("[replies.smtp]\nhost = 'x'\nsecret-env = 3", 3),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(SettingsError) as error:
        load(written(tmp_path, text))
    assert str(error.value).startswith(f"{tmp_path}/bot.toml:{line}: ")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the configuration"):
        load(str(tmp_path / "none.toml"))


def test_secrets_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("hush\n")
    monkeypatch.setenv("HUSH", "hush too")
    secrets = [Secret("file", str(tmp_path / "password")), Secret("environment", "HUSH")]
    assert [secret.reveal() for secret in secrets] == ["hush", "hush too"]
    assert "hush" not in repr(secrets).lower()
    with pytest.raises(SettingsError, match="no credential in file"):
        Secret("file", str(tmp_path / "none")).reveal()


def test_the_documentation_names_every_key() -> None:
    text = (ROOT / "docs/bot.md").read_text(encoding="utf-8")
    missing = [name for name, _, _ in documented() if f"`{name.split('.')[-1]}`" not in text]
    assert missing == []
