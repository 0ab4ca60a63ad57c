"""The real programs around a bot, started in a folder of a test: public-inbox, Dovecot, PostgreSQL."""

from __future__ import annotations

import getpass
import grp
import imaplib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from types import TracebackType

import pytest
from mmlint.bot.config import Secret, SourceConfig

_numbers = count(1)
WAIT = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens."""
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    pytest.fail(f"the server on port {port} did not come up")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def deliver(maildir: Path, raw: bytes, owner: tuple[int, int] = (-1, -1)) -> None:
    """Put a mail into a maildir as a mail server does."""
    for folder in ("tmp", "new", "cur"):
        if not (maildir / folder).exists():
            (maildir / folder).mkdir(parents=True)
            os.chown(maildir / folder, *owner)
    name = f"{time.time_ns()}.{next(_numbers)}.test"
    (maildir / "tmp" / name).write_bytes(raw)
    os.chown(maildir / "tmp" / name, *owner)
    (maildir / "tmp" / name).rename(maildir / "new" / name)


class PublicInbox:
    """A v2 inbox that takes mails through public-inbox-mda, as a mail server would hand them over."""

    ADDRESS = "linux-mm@lists.example"

    def __init__(self, home: Path) -> None:
        self.home, self.path = home, home / "list"
        self.epoch = self.path / "git/0.git"
        (home / ".public-inbox").mkdir(parents=True)
        (home / ".public-inbox/config").write_text("[publicinboxmda]\n\tspamcheck = none\n")
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "PI_CONFIG": str(home / ".public-inbox/config"),
            "PI_EMERGENCY": str(home / "emergency"),
            "ORIGINAL_RECIPIENT": self.ADDRESS,
        }
        self._run(
            "public-inbox-init",
            "-V2",
            "-L",
            "medium",
            "list",
            str(self.path),
            "http://lists.example/list",
            self.ADDRESS,
        )

    def _run(self, *command: str, stdin: bytes = b"") -> None:
        done = subprocess.run(command, input=stdin, env=self.environment, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()

    def deliver(self, raw: bytes) -> None:
        """Hand a mail over; what the archive refuses (it wants a header and a body) is lost, as on a real list."""
        self._run("public-inbox-mda", "--no-precheck", stdin=raw)

    @contextmanager
    def httpd(self, port: int) -> Iterator[str]:
        """Serves the inbox; gives its address."""
        command = ["public-inbox-httpd", "-l", f"http://127.0.0.1:{port}", "-W0"]
        log = (self.home / "httpd.log").open("wb")
        process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            wait_for(port, process)
            yield f"http://127.0.0.1:{port}/list/"
        finally:
            stop(process)
            log.close()


_DOVECOT = """protocols = imap
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {login}
mail_location = maildir:{home}/mail
first_valid_uid = 0
mail_uid = {uid}
mail_gid = {gid}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/home
}}
"""


def dovecot_program() -> str | None:
    """Where Dovecot is; Debian keeps it where only root looks."""
    return shutil.which("dovecot", path=f"{os.environ['PATH']}:/usr/sbin")


class Dovecot:
    """An IMAP server with one user whose folder is a maildir of the test."""

    PASSWORD = "a-secret-of-the-test"

    def __init__(self, port: int) -> None:
        self.port = port

    def __enter__(self) -> Dovecot:
        self.home = Path(tempfile.mkdtemp(prefix="mmlint-dovecot-"))
        self.home.chmod(0o755)
        for name in ("run", "state", "mail", "home"):
            (self.home / name).mkdir(parents=True)
        (self.home / "dovecot.conf").write_text(self._settings())
        program = dovecot_program()
        assert program is not None
        command = [program, "-F", "-c", str(self.home / "dovecot.conf")]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        return self

    def _settings(self) -> str:
        """Dovecot serves no mail of root's and wants another user for logins: its package's own, where root tests."""
        root = os.getuid() == 0
        uid, gid = (pwd.getpwnam("nobody")[2:4]) if root else (os.getuid(), os.getgid())
        for name in ("mail", "home"):
            os.chown(self.home / name, uid, gid)
        self.owner = (uid, gid)
        return _DOVECOT.format(
            home=self.home,
            port=self.port,
            user="dovecot" if root else getpass.getuser(),
            group="dovecot" if root else grp.getgrgid(gid).gr_name,
            login="dovenull" if root else getpass.getuser(),
            uid=uid,
            gid=gid,
            password=self.PASSWORD,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop(self.process)
        shutil.rmtree(self.home, ignore_errors=True)

    def deliver(self, raw: bytes) -> None:
        deliver(self.home / "mail", raw, self.owner)

    def unread(self) -> int:
        server = imaplib.IMAP4("127.0.0.1", self.port)
        server.login("reader", self.PASSWORD)
        server.select("INBOX", readonly=True)
        found = server.search(None, "UNSEEN")[1][0]
        server.logout()
        return len(found.split())

    def source(self, monkeypatch: pytest.MonkeyPatch) -> SourceConfig:
        monkeypatch.setenv("MMLINT_TEST_PASSWORD", self.PASSWORD)
        secret = Secret("environment", "MMLINT_TEST_PASSWORD")
        return SourceConfig("imap", "imap", host="127.0.0.1", port=self.port, tls=False, user="reader", secret=secret)


def postgres_program(name: str) -> str | None:
    """Where a program of PostgreSQL is; Debian keeps it off the path."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or (str(places[0]) if places else None)


class Postgres:
    """A PostgreSQL of the test, on a socket and a port of its own."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"postgresql+psycopg://bot@127.0.0.1:{port}/postgres"

    def __enter__(self) -> Postgres:
        self.home = Path(tempfile.mkdtemp(prefix="mmlint-postgres-"))
        user = None
        if os.getuid() == 0:
            user = "postgres"
            shutil.chown(self.home, user)
        init, server = postgres_program("initdb"), postgres_program("postgres")
        assert init
        assert server
        data = str(self.home / "data")
        subprocess.run(
            [init, "-D", data, "-U", "bot", "-A", "trust", "-N"], check=True, capture_output=True, user=user, cwd="/"
        )
        command = [server, "-D", data, "-p", str(self.port), "-k", str(self.home), "-h", "127.0.0.1", "-F"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/"
        )
        wait_for(self.port, self.process)
        time.sleep(0.5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)
