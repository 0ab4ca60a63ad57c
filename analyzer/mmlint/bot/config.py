"""The bot's TOML file: sources, trees, filter, policy, replies. One frozen value, every key documented here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, Field, field, fields
from pathlib import Path
from typing import Any, TypeVar

from mmlint import tomlfile
from mmlint.finding import Confidence, Severity
from mmlint.frozen import dataclass
from mmlint.nearest import nearest
from mmlint.settings import SettingsError
from mmlint.tomlfile import Toml, TomlError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_PLAIN_ADDRESS = re.compile(r"[!-~]+@[\w.-]+")
SOURCE_KINDS = ("maildir", "mbox", "public-inbox", "public-inbox-http", "imap", "patchwork")


def _key(default: Any, kind: str, doc: str, **extra: Any) -> Any:
    return field(default=default, metadata={"kind": kind, "doc": doc, **extra})


class Secret:
    """A credential that is read when it is used and never shown."""

    def __init__(self, kind: str, place: str) -> None:
        self._kind, self._place = kind, place

    def __repr__(self) -> str:
        return f"<secret from {self._kind}>"

    def reveal(self) -> str:
        """The credential. Raises `SettingsError` when there is none."""
        try:
            text = os.environ[self._place] if self._kind == "environment" else Path(self._place).read_text("utf-8")
        except (KeyError, OSError, UnicodeDecodeError):
            raise SettingsError(f"no credential in {self._kind} `{self._place}`; set it or make it readable") from None
        return text.strip()


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """A place mails come from (`[[sources]]`)."""

    type: str = _key("", "choice", f"one of {', '.join(SOURCE_KINDS)}", choices=SOURCE_KINDS)
    name: str = _key("", "str", "its name in the log and the state; the type and place if left out")
    path: str = _key("", "path", "folder or file on disk")
    url: str = _key("", "str", "https://host/inbox/ or the root of a Patchwork")
    list: str = _key("", "str", "address of the list whose mails these are, for mails that do not say so")
    host: str = _key("", "str", "IMAP server")
    port: int = _key(0, "int", "its port; 993, or 143 without TLS")
    tls: bool = _key(True, "bool", "talk TLS to it")
    user: str = _key("", "str", "login")
    folder: str = _key("INBOX", "str", "IMAP folder")
    project: str = _key("", "str", "Patchwork project (its link name)")
    secret: Secret | None = _key(
        None, "secret", "password or token: `secret-env` names a variable, `secret-file` a file"
    )


@dataclass(frozen=True, slots=True)
class TreeConfig:
    """A kernel tree to test on (`[[trees]]`), in order of preference."""

    path: str = _key("", "path", "a git repository (bare or not), or a folder")
    name: str = _key("", "str", "what replies call it; the folder's name if left out")
    branches: tuple[str, ...] = _key((), "strs", "branches to try, in order; none: the folder as it is")


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """Which mails count (`[filter]`)."""

    lists: tuple[str, ...] = _key(
        (), "strs", "list addresses; a series that went to none of them is left alone; all if empty"
    )
    paths: tuple[str, ...] = _key(
        ("mm/**", "include/linux/mm*.h", "include/linux/page*.h", "include/linux/rmap.h", "include/linux/pgtable.h"),
        "strs",
        "globs; a series that touches none of these files is left alone",
    )
    author_domains: tuple[str, ...] = _key((), "strs", "domains of authors to look at (subdomains too); all if empty")
    ignore_authors: tuple[str, ...] = _key((), "strs", "globs of addresses that are never answered")
    skip_prefixes: tuple[str, ...] = _key(
        ("AUTOSEL", "STABLE", "BACKPORT", "GIT PULL", "PULL"),
        "strs",
        "words in the subject's brackets that rule a mail out",
    )
    max_age: float = _key(7 * 86400.0, "duration", "older mails are read for their thread, but not analysed")


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """What is analysed, and what of it is worth a mail (`[policy]`)."""

    settings: str = _key("", "path", "an mmlint.toml for rules, levels and suppressions; the defaults if left out")
    min_severity: Severity = _key(Severity.WARNING, "choice", "lowest severity that is mailed", choices=tuple(Severity))
    min_confidence: Confidence = _key(
        Confidence.MEDIUM, "choice", "lowest confidence that is mailed", choices=tuple(Confidence)
    )
    patience: float = _key(900.0, "duration", "how long to wait for members of a series that are late")
    hunks: bool = _key(False, "bool", "analyse what applies nowhere by its hunks alone, instead of leaving it")
    max_findings: int = _key(5, "int", "findings told in one mail; the worst first")
    max_mail: int = _key(2_000_000, "int", "bytes of one mail; larger ones are refused by name")
    max_patches: int = _key(100, "int", "patches of one series; longer ones are not analysed")
    seconds: int = _key(120, "int", "processor time for one series")
    memory: int = _key(2048, "int", "MB of memory for one series")


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """The server replies go to (`[replies.smtp]`)."""

    host: str = _key("", "str", "its name")
    port: int = _key(587, "int", "its port")
    security: str = _key("starttls", "choice", "how the connection is made safe", choices=("starttls", "tls", "none"))
    user: str = _key("", "str", "login; none if empty")
    secret: Secret | None = _key(None, "secret", "password")


@dataclass(frozen=True, slots=True)
class PatchworkConfig:
    """Where checks are posted (`[replies.patchwork]`)."""

    url: str = _key("", "str", "root of the Patchwork")
    project: str = _key("", "str", "link name of the project, to find patches in")
    context: str = _key("mmlint", "str", "name of the check")
    secret: Secret | None = _key(None, "secret", "API token")


@dataclass(frozen=True, slots=True)
class RepliesConfig:
    """Who is answered, when and how (`[replies]`). Without an allow-list nobody is."""

    dry_run: bool = _key(True, "bool", "decide everything, send nothing; drafts are written")
    sender: str = _key("", "str", "From of replies (`Name <address>`)")
    reply_to: str = _key("", "str", "Reply-To of replies: a human or a list that reads")
    lists: tuple[str, ...] = _key((), "strs", "list addresses that replies may go to")
    recipients: tuple[str, ...] = _key(
        (), "strs", 'globs of people\'s addresses that replies may go to; ["*"]: everybody'
    )
    maintainers: tuple[str, ...] = _key((), "strs", "globs of addresses whose stop word counts in every thread")
    stop_word: str = _key(
        "mmlint: stop", "str", "a line that ends the bot's part in a thread; with ` all` in every thread"
    )
    embargo: float = _key(12 * 3600.0, "duration", "how long humans come first, from the date of the mail")
    expire: float = _key(4 * 86400.0, "duration", "a reply that could not go out by then is dropped")
    per_hour: int = _key(4, "int", "mails in an hour at most")
    per_day: int = _key(20, "int", "mails in a day at most")
    per_author: int = _key(2, "int", "mails to one author in a day at most")
    uncertain: str = _key(
        "hold", "choice", "what to do when a crash leaves it open whether a mail went out", choices=("hold", "resend")
    )
    confirm: float = _key(1800.0, "duration", "how long such a mail is looked for in the sources first")
    interleaving: bool = _key(False, "bool", "put the interleaving that breaks into the mail, not only its command")
    url: str = _key("", "str", "where the status page can be read, for the footer and for checks")
    maildir: str = _key("", "path", "write replies into this maildir instead of sending them")
    drafts: str = _key("", "path", "maildir for the replies of a dry run")
    comments: str = _key("", "path", "folder for a Markdown comment about each series")
    smtp: SmtpConfig | None = _key(None, "table", "SMTP server", table=SmtpConfig)
    patchwork: PatchworkConfig | None = _key(None, "table", "Patchwork to post checks to", table=PatchworkConfig)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    state: str = _key("mmlint-bot.db", "state", "SQLite file, or a SQLAlchemy URL")
    status: str = _key("", "path", "folder for index.html and metrics.prom")
    interval: float = _key(60.0, "duration", "time between two looks at the sources")
    jobs: int = _key(2, "int", "series analysed at once")
    keep: float = _key(90 * 86400.0, "duration", "how long mails and results are remembered")
    sources: tuple[SourceConfig, ...] = _key((), "tables", "where mails come from", table=SourceConfig)
    trees: tuple[TreeConfig, ...] = _key((), "tables", "what is tested on", table=TreeConfig)
    filter: FilterConfig = _key(FilterConfig(), "table", "which mails count", table=FilterConfig)
    policy: PolicyConfig = _key(PolicyConfig(), "table", "what is mailed", table=PolicyConfig)
    replies: RepliesConfig = _key(RepliesConfig(), "table", "who is answered", table=RepliesConfig)


def load(path: str) -> Config:
    """The configuration in a TOML file. Raises `SettingsError` with one line that names file, key and remedy."""
    try:
        file = tomlfile.read(path, "configuration")
    except TomlError as error:
        raise SettingsError(str(error)) from None
    where = _Place(file)
    config = _table(Config, file.data, where, "", Path(path).resolve().parent)
    _check(config, where)
    return config


@dataclass(frozen=True, slots=True)
class _Place:
    """A key of the file, which reads as `FILE:LINE`."""

    file: Toml
    keys: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return self.file.at(*self.keys)

    def at(self, *keys: str | int) -> _Place:
        """A key below this one."""
        return _Place(self.file, (*self.keys, *keys))


T = TypeVar("T")


def _spelled(name: str) -> str:
    return name.replace("_", "-")


def _table(kind: type[T], data: Any, where: _Place, prefix: str, base: Path) -> T:
    if not isinstance(data, Mapping):
        raise SettingsError(f"{where}: `{prefix.rstrip('.')}` must be a table")
    known: dict[str, Field[Any]] = {_spelled(item.name): item for item in fields(kind)}  # type: ignore[arg-type]
    secrets = {name for name, item in known.items() if item.metadata["kind"] == "secret"}
    values: dict[str, Any] = {}
    for name, value in data.items():
        for secret in secrets:
            if name in (f"{secret}-env", f"{secret}-file"):
                values[secret] = _secret(name, value, where.at(name), prefix, base)
        if name.removesuffix("-env").removesuffix("-file") in secrets and name not in secrets:
            continue
        if name not in known or name in secrets:
            hint = (
                "; use `secret-env` or `secret-file`"
                if name in (*secrets, "password", "token")
                else nearest(name, known)
            )
            raise SettingsError(
                f"{where.at(name)}: unknown key `{prefix}{name}`{hint or '; docs/bot.md lists the keys'}"
            )
        values[known[name].name] = _value(known[name], value, where.at(name), prefix, base)
    return kind(**values)


def _secret(name: str, value: Any, where: _Place, prefix: str, base: Path) -> Secret:
    if not isinstance(value, str):
        raise SettingsError(f"{where}: `{prefix}{name}` must be a string")
    return Secret("environment", value) if name.endswith("-env") else Secret("file", str(base / value))


def _value(item: Field[Any], value: Any, where: _Place, prefix: str, base: Path) -> Any:
    kind, name = item.metadata["kind"], prefix + _spelled(item.name)
    if kind == "table":
        return _table(item.metadata["table"], value, where, f"{name}.", base)
    if kind == "tables":
        rows = value if isinstance(value, list) else [value]
        return tuple(_table(item.metadata["table"], row, where.at(i), f"{name}.", base) for i, row in enumerate(rows))
    if kind == "choice":
        choices = item.metadata["choices"]
        if value not in [str(choice) for choice in choices]:
            raise SettingsError(f"{where}: `{name}` must be one of {', '.join(map(str, choices))}, not {value!r}")
        return type(choices[0])(value)
    wanted, wish = {
        "str": (str, "a string"),
        "path": (str, "a string"),
        "state": (str, "a string"),
        "bool": (bool, "true or false"),
        "int": (int, "a whole number"),
        "strs": (list, "a list of strings"),
        "duration": (str, 'a time such as "15m", "12h", "7d"'),
    }[kind]
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise SettingsError(f"{where}: `{name}` must be {wish}, not {value!r}")
    return _converted(kind, name, value, where, base)


def _converted(kind: str, name: str, value: Any, where: _Place, base: Path) -> Any:
    if kind == "strs":
        if not all(isinstance(word, str) for word in value):
            raise SettingsError(f"{where}: `{name}` must be a list of strings")
        return tuple(value)
    if kind == "duration":
        found = _DURATION.fullmatch(value.strip())
        if found is None:
            raise SettingsError(f'{where}: `{name}` must be a time such as "15m", "12h", "7d", not {value!r}')
        return float(found[1]) * _UNITS[found[2]]
    if kind == "int" and value < 0:
        raise SettingsError(f"{where}: `{name}` must not be negative")
    if kind == "path" or (kind == "state" and "://" not in value):
        return str(base / Path(value).expanduser()) if value else value
    return value


_NEEDS = {
    "maildir": ("path",),
    "mbox": ("path",),
    "public-inbox": ("path",),
    "public-inbox-http": ("url",),
    "imap": ("host", "user", "secret"),
    "patchwork": ("url", "project"),
}


def _check(config: Config, where: _Place) -> None:
    """What one key alone cannot tell."""
    _check_sources(config, where)
    for number, tree in enumerate(config.trees):
        if not Path(tree.path).is_dir():
            raise SettingsError(f"{where.at('trees', number, 'path')}: tree `{tree.path}` is no folder")
    _check_replies(config.replies, where.at("replies"))
    if config.policy.settings:
        from mmlint.policy.discovery import read

        read(Path(config.policy.settings))


def _check_sources(config: Config, where: _Place) -> None:
    seen: set[str] = set()
    for number, source in enumerate(config.sources, 1):
        place = where.at("sources", number - 1)
        if not source.type:
            raise SettingsError(f"{place}: source {number} has no `type`: one of {', '.join(SOURCE_KINDS)}")
        for name in _NEEDS[source.type]:
            if not getattr(source, name):
                raise SettingsError(f"{place}: source {number} ({source.type}) needs `{name}`")
        if source_name(source) in seen:
            raise SettingsError(f"{place}: two sources are called `{source_name(source)}`; give each a `name`")
        seen.add(source_name(source))


def _check_replies(replies: RepliesConfig, where: _Place) -> None:
    if replies.sender and not _PLAIN_ADDRESS.search(replies.sender):
        raise SettingsError(f"{where.at('sender')}: `replies.sender` has no mail address: {replies.sender!r}")
    if replies.smtp is not None and not replies.smtp.host:
        raise SettingsError(f"{where.at('smtp')}: `replies.smtp.host` is missing")
    if replies.patchwork is not None and not (replies.patchwork.url and replies.patchwork.secret):
        raise SettingsError(
            f"{where.at('patchwork')}: `replies.patchwork` needs `url` and `secret-env` or `secret-file`"
        )
    if replies.patchwork is not None and not re.fullmatch(r"[-\w]{1,255}", replies.patchwork.context, re.ASCII):
        raise SettingsError(
            f"{where.at('patchwork', 'context')}: `replies.patchwork.context` may have letters, digits, - and _ only"
        )
    if replies.smtp is not None and replies.maildir:
        raise SettingsError(
            f"{where.at('smtp')}: both `replies.smtp` and `replies.maildir` are set; replies go one way only"
        )
    if not replies.dry_run and not replies.sender:
        raise SettingsError(f"{where.at('sender')}: `replies.sender` is missing; without it only a dry run is possible")
    if not replies.dry_run and not (replies.smtp or replies.maildir or replies.patchwork or replies.comments):
        raise SettingsError(f"{where}: nothing to reply with: `replies.smtp`, `maildir`, `patchwork` or `comments`")


def source_name(source: SourceConfig) -> str:
    """How the source is called in log and state."""
    return source.name or f"{source.type}:{source.path or source.url or f'{source.user}@{source.host}/{source.folder}'}"


def documented() -> list[tuple[str, Any, str]]:
    """(key, default, meaning) of everything that can be set, for the documentation's test."""
    rows: list[tuple[str, Any, str]] = []

    def walk(kind: type[Any], prefix: str) -> None:
        for item in fields(kind):
            name = prefix + _spelled(item.name)
            default = None if item.default is MISSING else item.default
            rows.append((name, default, item.metadata["doc"]))
            if "table" in item.metadata:
                walk(item.metadata["table"], f"{name}.")

    walk(Config, "")
    return rows
