"""The review bot measured on list archives: `bot.py load|epoch|pages ...`.

`load ARCHIVE` puts mails into a maildir and lets the bot run over them: patches a minute, seconds from arrival to
verdict, memory. `epoch ARCHIVE` makes a public-inbox of an mbox, commit by commit, while the bot that follows it is
killed at random, and compares its replies with those of an undisturbed run. `pages PAGE...` makes an mbox of saved
archive pages for `mmlint bot replay`; addresses and Message-IDs, which such pages lack, are made up.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path

from mmlint.bot.survey import quantile
from mmlint.inputs import mbox, page, read
from rich.console import Console
from rich.table import Table

CONFIG = """state = "state.db"
status = "status"
interval = "0.2s"
jobs = {jobs}
[[sources]]
{source}
{trees}
[filter]
max-age = "99999d"
paths = {paths}
[policy]
patience = "{patience}"
hunks = {hunks}
[replies]
drafts = "replies"
sender = "mmlint bot <bot@mmlint.example>"
lists = {lists}
recipients = ["*"]
embargo = "0s"
expire = "99999d"
per-hour = 99999
per-day = 99999
per-author = 99999
"""


def mails(archive: Path) -> Iterator[bytes]:
    with archive.open("rb") as file:
        for raw in mbox.split(read.opened(file)):
            yield raw.data


def configure(home: Path, options: argparse.Namespace, source: str) -> Path:
    """Write the configuration of one run."""
    home.mkdir(parents=True)
    trees = "".join(f"[[trees]]\npath = {json.dumps(str(Path(tree).resolve()))}\n" for tree in options.tree)
    text = CONFIG.format(
        jobs=options.jobs,
        source=source,
        trees=trees,
        paths=json.dumps(options.path),
        lists=json.dumps(options.list),
        hunks="true" if options.hunks else "false",
        patience="0s" if options.command == "load" else "99999d",
    )
    (home / "bot.toml").write_text(text)
    return home / "bot.toml"


def start(config: Path) -> subprocess.Popen[bytes]:
    log = (config.parent / "log.jsonl").open("ab")
    return subprocess.Popen([sys.executable, "-m", "mmlint", "bot", "run", str(config)], stdout=log, stderr=log)


def memory(pid: int) -> int:
    """Resident MB of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def ask(home: Path, query: str) -> list[tuple[object, ...]]:
    if not (home / "state.db").exists():
        return []
    with sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=30) as state:
        try:
            return state.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def pending(home: Path) -> int:
    """Series that wait for their analysis."""
    return len(ask(home, "select key from series where state in ('ready', 'claimed', 'collecting')"))


# --------------------------------------------------------------------- load


def load(options: argparse.Namespace) -> None:
    """Deliver mails at a steady pace or all at once, and watch."""
    home = Path(options.out)
    maildir = home / "in"
    config = configure(home, options, 'type = "maildir"\npath = "in"')
    for folder in ("tmp", "new", "cur"):
        (maildir / folder).mkdir(parents=True)
    process = start(config)
    started, seen, samples = time.monotonic(), 0, []
    for number, raw in enumerate(mails(Path(options.archive))):
        if options.limit and number >= options.limit:
            break
        (maildir / "tmp" / str(number)).write_bytes(raw)
        (maildir / "tmp" / str(number)).rename(maildir / "new" / f"{number:08}")
        seen = number + 1
        if options.pace:
            time.sleep(options.pace)
        if seen % 250 == 0:
            samples.append((seen, memory(process.pid)))
    known, quiet = -1, 0
    while quiet < 4:
        before, known = known, int(str((ask(home, "select count(*) from mails") or [(0,)])[0][0]))
        quiet = quiet + 1 if known == before and not pending(home) else 0
        samples.append((known, memory(process.pid)))
        time.sleep(2)
    seconds = time.monotonic() - started - 8
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    tell_load(home, seen, seconds, samples)


def tell_load(home: Path, seen: int, seconds: float, samples: list[tuple[int, int]]) -> None:
    rows = [json.loads(line) for line in (home / "log.jsonl").read_text().splitlines() if '"verdict"' in line]
    latency = sorted(float(row["latency"]) for row in rows)
    busy = sorted(float(row["seconds"]) for row in rows)
    patches = sum(float(str(value)) for (value,) in ask(home, "select value from counters where name = 'patches'"))
    table = Table("what", "value")
    table.add_row("mails delivered", str(seen))
    table.add_row("series analysed, patches in them", f"{len(rows)}, {patches:g}")
    table.add_row("seconds, patches a minute", f"{seconds:.0f}, {60 * patches / seconds:.0f}")
    table.add_row(
        "arrival to verdict: median, 95 %", f"{quantile(latency, 0.5):.2f} s, {quantile(latency, 0.95):.2f} s"
    )
    table.add_row("analysis of a series: median, 95 %", f"{quantile(busy, 0.5):.2f} s, {quantile(busy, 0.95):.2f} s")
    step = max(len(samples) // 8, 1)
    table.add_row("MB resident by mails", ", ".join(f"{count}: {size}" for count, size in samples[::step]))
    Console().print(table)


# -------------------------------------------------------------------- epoch


def epoch(options: argparse.Namespace) -> None:
    """An archive that grows in steps while the bot is killed, against an undisturbed run."""
    home = Path(options.out)
    source = home / "whole.git"
    home.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "master", str(source)], check=True)
    count = fill(source, Path(options.archive), options.limit)
    commits = git(source, "rev-list", "--reverse", "master").split()
    replies = {}
    for name, kills in (("undisturbed", 0), ("disturbed", options.kills)):
        replies[name] = follow(home / name, source, commits, kills, options)
        print(f"{name}: {count} mails, {kills} kills, {len(replies[name])} replies", flush=True)
    same = replies["undisturbed"] == replies["disturbed"]
    print("the same replies, each once" if same else "DIFFERENT replies")
    sys.exit(0 if same else 1)


def git(repo: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(repo), *words], check=True, capture_output=True, text=True).stdout


def fill(repo: Path, archive: Path, limit: int) -> int:
    """Commit every mail of an archive as public-inbox does."""
    importer = subprocess.Popen(["git", "-C", str(repo), "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert importer.stdin is not None
    count = 0
    for count, raw in enumerate(mails(archive), 1):
        head = f"commit refs/heads/master\ncommitter c <c@x.example> {1600000000 + count} +0000\ndata 1\nm\n"
        importer.stdin.write(head.encode() + b"M 100644 inline m\ndata %d\n" % len(raw) + raw + b"\n")
        if limit and count >= limit:
            break
    importer.stdin.close()
    importer.wait()
    return count


def follow(home: Path, source: Path, commits: list[str], kills: int, options: argparse.Namespace) -> dict[str, str]:
    """Let the bot follow a growing copy; gives its replies without their dates by Message-ID."""
    config = configure(home, options, 'type = "public-inbox"\npath = "inbox"')
    mirror = home / "inbox/git/0.git"
    mirror.parent.mkdir(parents=True)
    subprocess.run(["git", "clone", "-q", "--bare", "--shared", str(source), str(mirror)], check=True)
    chance = random.Random(11)
    steps = 20
    git(mirror, "update-ref", "refs/heads/master", commits[0])
    process = start(config)
    for step in range(1, steps + 1):
        git(mirror, "update-ref", "refs/heads/master", commits[len(commits) * step // steps - 1])
        for _ in range(kills * step // steps - kills * (step - 1) // steps):
            time.sleep(chance.uniform(0.5, 6.0))
            process.kill()
            process.wait()
            process = start(config)
    last = f"%{commits[-1]}%"
    idle = 0
    while idle < 10:
        idle = idle + 1 if ask(home, f"select 1 from cursors where position like '{last}'") and not busy(home) else 0
        time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    return replies_in(home / "replies")


def busy(home: Path) -> bool:
    """Whether something waits that is no incomplete series."""
    waiting = "select 1 from series where state in ('ready', 'claimed') limit 1"
    sending = "select 1 from outbox where state in ('pending', 'sending') limit 1"
    return bool(ask(home, waiting) or ask(home, sending))


def replies_in(maildir: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((maildir / "new").glob("*")) if maildir.exists() else []:
        text = re.sub(r"^Date: .*\n", "", path.read_text(), count=1, flags=re.MULTILINE)
        found[text.split("Message-ID: ", 1)[1].split("\n", 1)[0]] = text
    return found


# -------------------------------------------------------------------- pages


def pages(options: argparse.Namespace) -> None:
    """Saved archive pages as an mbox."""
    out = Path(options.out)
    with out.open("wb") as file:
        for name in options.pages:
            lines = [line.removesuffix(b"\r") for line in Path(name).read_bytes().split(b"\n")]
            first = ""
            for number, message in enumerate(page._messages(lines)):
                headers = message.mail.headers
                own = headers.get("message-id", b"").decode().strip("<> ") or f"{number}.{Path(name).stem}@page.example"
                first = first or own
                sender = headers.get("from", b"somebody").decode("utf-8", "replace").split("<")[0].strip()
                address = re.sub(r"\W+", ".", sender.lower()).strip(".") or "somebody"
                rows = [
                    f"From: {sender} <{address}@page.example>",
                    "To: list@page.example",
                    f"Subject: {headers.get('subject', b'').decode('utf-8', 'replace')}",
                    f"Date: {dated(headers.get('date', b'').decode('utf-8', 'replace'))}",
                    f"Message-ID: <{own}>",
                    *([f"In-Reply-To: <{first}>", f"References: <{first}>"] if own != first else []),
                ]
                body = [line for part in message.mail.parts for line in part.lines]
                quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in body]
                file.write(b"From mboxrd@z Thu Jan  1 00:00:00 1970\n" + "\n".join(rows).encode() + b"\n\n")
                file.write(b"\n".join(quoted) + b"\n\n")


def dated(text: str) -> str:
    """A date of an archive page (`2020-08-21 23:49 +0000`) as mails have it."""
    try:
        return format_datetime(datetime.strptime(text, "%Y-%m-%d %H:%M %z"))
    except ValueError:
        return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("load", load), ("epoch", epoch)):
        sub = commands.add_parser(name)
        sub.set_defaults(run=function)
        sub.add_argument("archive")
        sub.add_argument("--out", required=True, help="folder for the run; must not exist")
        sub.add_argument("--tree", action="append", default=[])
        sub.add_argument("--list", action="append", default=[], help="address of a list that may be answered")
        sub.add_argument("--path", action="append", default=[], help="glob of files to look at")
        sub.add_argument("--hunks", action="store_true")
        sub.add_argument("--limit", type=int, default=0, help="mails at most")
        sub.add_argument("--jobs", type=int, default=2)
    commands.choices["load"].add_argument("--pace", type=float, default=0.0, help="seconds between two mails")
    commands.choices["epoch"].add_argument("--kills", type=int, default=20)
    sub = commands.add_parser("pages")
    sub.set_defaults(run=pages)
    sub.add_argument("pages", nargs="+")
    sub.add_argument("--out", required=True)
    options = parser.parse_args()
    if options.command != "pages" and Path(options.out).exists():
        shutil.rmtree(options.out)
    options.run(options)


if __name__ == "__main__":
    main()
