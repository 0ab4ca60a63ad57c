"""A bot as a process, with a mail server that keeps what it gets and brings it back to the list; killed at random."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.bot.letters import LIST, MINI, RULES, parsed
from tests.bot.servers import Dovecot, PublicInbox, deliver, free_port

FOREVER = "99999d"


@dataclass
class Received:
    """What a mail server took: sender, recipients, text."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def about(self) -> str:
        """The mail that is answered."""
        return str(parsed(self.raw)["in-reply-to"]).strip("<>")


class MailServer:
    """An SMTP server (aiosmtpd) that hands every mail to the list, which the bot reads."""

    def __init__(self, echo: Callable[[bytes], None]) -> None:
        from aiosmtpd.controller import Controller

        self.got: list[Received] = []
        self._echo, self._lock = echo, threading.Lock()
        self.port = free_port()
        self._server = Controller(self, hostname="127.0.0.1", port=self.port, decode_data=False, enable_SMTPUTF8=False)
        self._server.start()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Take a mail."""
        with self._lock:
            raw = envelope.content.replace(b"\r\n", b"\n")
            self.got.append(Received(envelope.mail_from, list(envelope.rcpt_tos), raw))
            self._echo(raw)
        return "250 taken"

    def stop(self) -> None:
        self._server.stop()


@dataclass
class Field:
    """A folder with a configuration, and the processes that work on it."""

    home: Path
    sources: list[dict[str, object]]
    smtp_port: int
    state: str = "state.db"
    workers: int = 1
    extra: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.store = self.home / "tree"
        git_store(self.store)
        self.config = self.home / "bot.toml"
        rows = [f"state = {json.dumps(self.state)}", 'interval = "0.1s"', "jobs = 1", self.extra]
        for source in self.sources:
            rows += ["[[sources]]", *(f"{name} = {json.dumps(value)}" for name, value in source.items())]
        rows += ["[[trees]]", f"path = {json.dumps(str(self.store))}", 'name = "mini"', 'branches = ["next", "main"]']
        rows += ["[filter]", f'max-age = "{FOREVER}"', "paths = []", "[policy]", f'patience = "{FOREVER}"']
        rows += [f"settings = {json.dumps(str(RULES))}"]
        rows += ["[replies]", "dry-run = false", 'sender = "mmlint bot <bot@mmlint.example>"', 'embargo = "0s"']
        rows += [
            f'lists = ["{LIST}"]',
            'recipients = ["*"]',
            "per-hour = 99999",
            "per-day = 99999",
            "per-author = 99999",
        ]
        rows += [f'expire = "{FOREVER}"', 'uncertain = "resend"', 'confirm = "2s"']
        rows += ["[replies.smtp]", 'host = "127.0.0.1"', f"port = {self.smtp_port}", 'security = "none"']
        self.config.write_text("\n".join(rows) + "\n")

    def start(self) -> None:
        """Start the workers that are not running."""
        self.running = [process for process in self.running if process.poll() is None]
        while len(self.running) < self.workers:
            command = [sys.executable, "-m", "mmlint", "bot", "run", str(self.config)]
            with (self.home / "log").open("ab") as log:
                self.running.append(subprocess.Popen(command, stdout=log, stderr=log, env=os.environ))

    def kill(self, chance: random.Random) -> None:
        """Kill one worker as no handler can see."""
        process = chance.choice(self.running)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self.running:
            process.send_signal(signal.SIGTERM)
        for process in self.running:
            process.wait(60)

    def until(self, done: Callable[[], bool], seconds: float) -> None:
        """Wait for something."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, (self.home / "log").read_text()[-3000:]
            time.sleep(0.1)


def git_store(path: Path) -> None:
    """A repository with the mini tree on `main`, and an empty branch `next`."""
    shutil.copytree(MINI, path)

    def git(*words: str) -> None:
        names = ("-c", "user.name=t", "-c", "user.email=t@x.example", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *names, *words], cwd=path, check=True, capture_output=True)

    git("init")
    git("add", "-A")
    git("commit", "-m", "tree")
    git("checkout", "--orphan", "next")
    git("rm", "-rfq", "--cached", ".")
    git("commit", "--allow-empty", "-m", "nothing")


def epoch_of(path: Path) -> Path:
    """An empty public-inbox v2 folder; gives its first epoch."""
    epoch = path / "git/0.git"
    epoch.parent.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "master", str(epoch)], check=True)
    return epoch


def commit_mails(epoch: Path, mails: list[bytes]) -> None:
    """Add mails to an epoch as public-inbox does: one commit each, which holds the mail as `m`."""
    tip = subprocess.run(
        ["git", "-C", str(epoch), "rev-parse", "-q", "--verify", "refs/heads/master"], capture_output=True, check=False
    ).stdout.strip()
    rows: list[bytes] = []
    for number, raw in enumerate(mails):
        stamp = f"{int(time.time())} +0000"
        rows += [b"commit refs/heads/master", f"author a <a@x.example> {stamp}".encode()]
        rows += [f"committer c <c@x.example> {stamp}".encode(), b"data 1\nm"]
        rows += [b"from " + tip] if tip and not number else []
        rows += [b"M 100644 inline m", f"data {len(raw)}".encode(), raw]
    text = b"\n".join(rows) + b"\n"
    subprocess.run(["git", "-C", str(epoch), "fast-import", "--quiet"], input=text, check=True)


class Post(Protocol):
    """How mails reach the bot."""

    def sources(self) -> list[dict[str, object]]:
        """The sources to follow."""
        ...

    def bring(self, mails: list[bytes]) -> None:
        """New mails arrive."""
        ...

    def echo(self, raw: bytes) -> None:
        """A mail that the bot sent comes back from the list."""
        ...


class PlainPost:
    """Half of the mails through an archive in git, half through a maildir."""

    def __init__(self, home: Path) -> None:
        self.inbox, self.maildir = home / "inbox", home / "maildir"
        self.epoch = epoch_of(self.inbox)
        (self.maildir / "new").mkdir(parents=True)

    def sources(self) -> list[dict[str, object]]:
        return [
            {"type": "public-inbox", "path": str(self.inbox)},
            {"type": "maildir", "path": str(self.maildir)},
        ]

    def bring(self, mails: list[bytes]) -> None:
        half = len(mails) // 2
        if half:
            commit_mails(self.epoch, mails[:half])
        for raw in mails[half:]:
            self.echo(raw)

    def echo(self, raw: bytes) -> None:
        deliver(self.maildir, raw)


class RealPost:
    """Half of the mails through public-inbox, half through an IMAP server."""

    def __init__(self, home: Path, imap: Dovecot) -> None:
        self.inbox, self.imap = PublicInbox(home / "pi"), imap
        (home / "password").write_text(imap.PASSWORD + "\n")

    def sources(self) -> list[dict[str, object]]:
        imap = {"type": "imap", "host": "127.0.0.1", "port": self.imap.port, "tls": False, "user": "reader"}
        return [{"type": "public-inbox", "path": str(self.inbox.path)}, {**imap, "secret-file": "password"}]

    def bring(self, mails: list[bytes]) -> None:
        half = len(mails) // 2
        for raw in mails[:half]:
            self.inbox.deliver(raw)
        for raw in mails[half:]:
            self.imap.deliver(raw)

    def echo(self, raw: bytes) -> None:
        self.imap.deliver(raw)
