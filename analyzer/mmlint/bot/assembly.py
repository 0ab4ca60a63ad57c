"""Mails as they come in -> series: late members, resends, new versions, fixups in replies."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import sqlalchemy as sa

from mmlint.bot.config import Config
from mmlint.bot.reading import Letter, allowed
from mmlint.bot.state import Row, Tx, bump, insert_new, letter_of, mails, outbox, series, stops

UNTHREADED = 86400.0
"""Seconds between members of a series that was mailed without threading."""


def store(tx: Tx, letter: Letter, raw: bytes, source: str, now: float, config: Config) -> bool:
    """Take in a mail; False when it was known already."""
    stamp = min(letter.date or now, now)
    thread = _thread(tx, letter)
    keep = letter.kind in ("patch", "fixup")
    row = {
        "message_id": letter.message_id,
        "kind": letter.kind,
        "reason": letter.reason,
        "source": source,
        "arrived": now,
        "stamp": stamp,
        "thread": thread,
        "sender": letter.sender,
        "series": None,
        "position": letter.position,
        "letter": json.dumps(asdict(letter)),
        "raw": raw if keep else None,
    }
    if not insert_new(tx, mails, row):
        return False
    bump(tx, "mails", letter.kind)
    if letter.stop:
        _stop(tx, letter, thread, now, config)
    if letter.kind == "patch":
        _join(tx, letter, thread, stamp, now)
    elif letter.kind == "cover":
        _cover(tx, letter)
    elif letter.kind == "fixup":
        _fixup(tx, letter, thread, stamp, now)
    elif letter.kind == "own":
        _echo(tx, letter.message_id, now)
    return True


def root(letter: Letter) -> str:
    """The mail at the top of the thread, as far as the mail itself knows."""
    return letter.references[0] if letter.references else letter.in_reply_to or letter.message_id


def _thread(tx: Tx, letter: Letter) -> str:
    """The thread of the nearest known ancestor, else what the mail itself says."""
    ancestors = [*([letter.in_reply_to] if letter.in_reply_to else []), *reversed(letter.references)]
    found = tx.execute(sa.select(mails.c.message_id, mails.c.thread).where(mails.c.message_id.in_(ancestors)))
    threads = {row.message_id: str(row.thread) for row in found}
    return next((threads[each] for each in ancestors if each in threads), root(letter))


def _stop(tx: Tx, letter: Letter, thread: str, now: float, config: Config) -> None:
    """A maintainer stops the bot in a thread or everywhere, an author in the own thread."""
    trusted = allowed(config.replies.maintainers, letter.sender)
    own = sa.select(series.c.key).where(series.c.thread == thread, series.c.sender == letter.sender).limit(1)
    if not trusted and (letter.stop == "all" or tx.execute(own).first() is None):
        return
    scope = "all" if letter.stop == "all" else f"thread:{thread}"
    insert_new(tx, stops, {"scope": scope, "sender": letter.sender, "at": now})
    bump(tx, "stops", letter.stop)


def stopped(tx: Tx, thread: str) -> str:
    """Who stopped the bot for this thread; empty when nobody did."""
    found = tx.execute(sa.select(stops.c.sender).where(stops.c.scope.in_(("all", f"thread:{thread}"))).limit(1))
    return str(found.scalar() or "")


def _join(tx: Tx, letter: Letter, thread: str, stamp: float, now: float) -> None:
    """Put a patch into its series, a new one where no open series lacks it."""
    key = _series_for(tx, letter, stamp) if letter.total > 1 else None
    if key is None:
        key = _new_series(tx, letter, thread, stamp, now, "series")
    else:
        later = sa.func.greatest if tx.dialect.name == "postgresql" else sa.func.max
        values = {
            "last": now,
            "state": "collecting",
            "verdict": "",
            "attempts": 0,
            "stamp": later(series.c.stamp, stamp),
        }
        if letter.position == 1:
            known = tx.execute(sa.select(series.c.title).where(series.c.key == key)).scalar()
            values["title"] = known if known and _has_cover(tx, letter) else letter.title
        tx.execute(series.update().where(series.c.key == key).values(**values))
    tx.execute(mails.update().where(mails.c.message_id == letter.message_id).values(series=key))


def _has_cover(tx: Tx, letter: Letter) -> bool:
    found = tx.execute(sa.select(mails.c.kind).where(mails.c.message_id == root(letter))).scalar()
    return found == "cover"


def _series_for(tx: Tx, letter: Letter, stamp: float) -> str | None:
    """An open series of the same sender, version and count that lacks this member."""
    same = (
        (series.c.kind == "series")
        & (series.c.sender == letter.sender)
        & (series.c.version == letter.version)
        & (series.c.total == letter.total)
    )
    taken = sa.select(mails.c.series).where(mails.c.series == series.c.key, mails.c.position == letter.position)
    free = ~taken.exists()
    here = same & free & (series.c.root == root(letter))
    found = tx.execute(sa.select(series.c.key).where(here).order_by(series.c.first.desc()).limit(1)).scalar()
    if found is not None or letter.references or letter.in_reply_to:
        return found
    near = same & free & (sa.func.abs(series.c.stamp - stamp) < UNTHREADED)
    rows = tx.execute(sa.select(series.c.key).where(near).order_by(series.c.first.desc()).limit(5)).scalars().all()
    return next((key for key in rows if _unthreaded(tx, key)), None)


def _unthreaded(tx: Tx, key: str) -> bool:
    """Whether all members were mailed without naming another mail."""
    rows = tx.execute(sa.select(mails.c.letter).where(mails.c.series == key)).mappings().all()
    found = [letter_of(row) for row in rows]
    return not any(letter.references or letter.in_reply_to for letter in found)


def _new_series(
    tx: Tx, letter: Letter, thread: str, stamp: float, now: float, kind: str, base: str | None = None
) -> str:
    key = hashlib.sha256(f"series\0{letter.message_id}".encode()).hexdigest()[:24]
    cover = (
        tx.execute(sa.select(mails.c.letter).where(mails.c.message_id == root(letter), mails.c.kind == "cover"))
        .mappings()
        .first()
    )
    row = {
        "key": key,
        "kind": kind,
        "root": root(letter),
        "thread": thread,
        "sender": letter.sender,
        "title": letter_of(cover).title if cover and kind == "series" and letter.total > 1 else letter.title,
        "version": letter.version,
        "total": letter.total if kind == "series" else 1,
        "base": base,
        "state": "collecting",
        "verdict": "",
        "reason": "",
        "stamp": stamp,
        "first": now,
        "last": now,
        "decided": 0.0,
        "owner": "",
        "lease": 0.0,
        "attempts": 0,
        "result": "",
    }
    insert_new(tx, series, row)
    return key


def _cover(tx: Tx, letter: Letter) -> None:
    """A cover letter names the series that hangs below it."""
    below = (series.c.root == letter.message_id) & (series.c.sender == letter.sender)
    tx.execute(series.update().where(below).values(title=letter.title))


def _fixup(tx: Tx, letter: Letter, thread: str, stamp: float, now: float) -> None:
    """A diff in a reply is tried on top of the series that it answers."""
    ancestors = [*([letter.in_reply_to] if letter.in_reply_to else []), *reversed(letter.references)]
    found = tx.execute(
        sa.select(mails.c.message_id, mails.c.series).where(
            mails.c.message_id.in_(ancestors), mails.c.series.is_not(None)
        )
    )
    by_id = {row.message_id: str(row.series) for row in found}
    base = next((by_id[each] for each in ancestors if each in by_id), None)
    if base is None:
        base = tx.execute(
            sa.select(series.c.key)
            .where(series.c.thread == thread, series.c.kind == "series")
            .order_by(series.c.version.desc(), series.c.first.desc())
            .limit(1)
        ).scalar()
    if base is None:
        return
    key = _new_series(tx, letter, thread, stamp, now, "fixup", base)
    tx.execute(mails.update().where(mails.c.message_id == letter.message_id).values(series=key))


def _echo(tx: Tx, message_id: str, now: float) -> None:
    """An own mail seen on a list was sent, whatever the outbox still thinks."""
    waiting = (outbox.c.key == message_id) & (outbox.c.state.in_(("sending", "held")))
    tx.execute(outbox.update().where(waiting).values(state="sent", done=now, reason="seen on the list"))


def collected(tx: Tx, now: float, config: Config) -> int:
    """Move series that are complete, or have waited long enough, to the queue; how many."""
    rows = tx.execute(sa.select(series).where(series.c.state == "collecting")).mappings().all()
    moved = 0
    for row in rows:
        verdict, reason = _triage(tx, row, now, config)
        if verdict == "wait":
            continue
        values = {"state": "ready"} if verdict == "ready" else {"state": "done", "decided": now}
        tx.execute(
            series.update()
            .where(series.c.key == row["key"])
            .values(**values, verdict="" if verdict == "ready" else verdict, reason=reason)
        )
        if verdict != "ready":
            bump(tx, "series", verdict)
        moved += 1
    return moved


def members(tx: Tx, key: str) -> list[Row]:
    """The mails of a series in the order of their patches."""
    query = sa.select(mails).where(mails.c.series == key).order_by(mails.c.position, mails.c.arrived)
    return list(tx.execute(query).mappings().all())


def _triage(tx: Tx, row: Row, now: float, config: Config) -> tuple[str, str]:
    """`wait`, `ready`, or a verdict for a series that is left alone."""
    rows = (
        tx.execute(sa.select(mails.c.message_id, mails.c.position, mails.c.letter).where(mails.c.series == row["key"]))
        .mappings()
        .all()
    )
    have = {each["position"] for each in rows}
    missing = row["total"] - len(have) if row["kind"] == "series" else 0
    if missing > 0 and now - row["last"] < config.policy.patience:
        return "wait", ""
    if row["total"] > config.policy.max_patches:
        return "skipped", f"{row['total']} patches, more than {config.policy.max_patches}"
    verdict = _filtered(row, [letter_of(each) for each in rows], now, config)
    return (
        ("filtered", verdict) if verdict else ("ready", f"{missing} of {row['total']} missing" if missing > 0 else "")
    )


def _filtered(row: Row, found: list[Letter], now: float, config: Config) -> str:
    """Why the series is none of the bot's business; empty when it is."""
    rules = config.filter
    if now - row["stamp"] > rules.max_age:
        return "too old"
    if rules.paths and not any(letter.touches for letter in found):
        return "touches none of the paths"
    wanted = {word.lower() for word in rules.lists}
    if wanted and not any(wanted & set(letter.lists) for letter in found):
        return "went to none of the lists"
    domain = row["sender"].rpartition("@")[2]
    if rules.author_domains and not any(_below(domain, each.lower()) for each in rules.author_domains):
        return "author of another domain"
    if allowed(rules.ignore_authors, row["sender"]):
        return "author is on the ignore list"
    return ""


def _below(domain: str, wanted: str) -> bool:
    return domain == wanted or domain.endswith(f".{wanted}")
