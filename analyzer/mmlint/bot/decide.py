"""What becomes of a result: which effects it has, and why a mail does not go out. The bot's manners are here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from mmlint.bot import replies
from mmlint.bot.analyse import Remark, Result
from mmlint.bot.assembly import members, root, stopped
from mmlint.bot.config import Config
from mmlint.bot.reading import Letter
from mmlint.bot.state import Row, Tx, bump, insert_new, letter_of, mails, outbox, series
from mmlint.output.text import plain

SPOKEN = ("pending", "sending", "sent", "held")
"""States of a reply whose findings count as told; in a dry run those that were not sent do too."""


def told(tx: Tx, row: Row, config: Config) -> frozenset[str]:
    """Fingerprints that this author was told about already, or will be, for other series."""
    spoken = (*SPOKEN, "dry") if config.replies.dry_run else SPOKEN
    query = sa.select(outbox.c.prints).where(
        outbox.c.kind == "mail",
        outbox.c.author == row["sender"],
        outbox.c.series != row["key"],
        outbox.c.state.in_(spoken),
    )
    return frozenset(each for text in tx.execute(query).scalars() for each in json.loads(text))


def supersede(tx: Tx, row: Row) -> int:
    """Drop what still waits for older versions of a series; how many. What they were about is not told then."""
    older = (series.c.sender == row["sender"]) & (series.c.version < row["version"]) & (series.c.kind == "series")
    same = (series.c.title == row["title"]) | (series.c.thread == row["thread"])
    keys = sa.select(series.c.key).where(older & same)
    waiting = (outbox.c.series.in_(keys)) & (outbox.c.kind == "mail") & (outbox.c.state == "pending")
    rows = tx.execute(sa.select(outbox.c.key).where(waiting)).scalars().all()
    for key in rows:
        drop(tx, key, "superseded by a newer version")
    return len(rows)


def settle(tx: Tx, row: Row, result: Result, now: float, config: Config) -> list[str]:
    """Write down a result and put its effects into the outbox; returns what was decided, for the log."""
    found = members(tx, row["key"])
    values = {"state": "done", "verdict": result.verdict, "reason": plain(result.reason), "decided": now, "owner": ""}
    text = json.dumps(_kept(result))
    tx.execute(series.update().where(series.c.key == row["key"]).values(**values, result=text))
    bump(tx, "series", result.verdict)
    if result.verdict == "nowhere":
        return ["applies to none of the trees: no answer"]
    decided = []
    if row["kind"] == "fixup":
        decided += _mended(tx, row, result)
    else:
        decided.append(_mail(tx, row, found, result, config))
        decided += _checks(tx, row, found, result, now, config)
    if config.replies.comments and result.comment:
        _put(tx, f"comment:{row['key']}", row, "comment", row["key"], "", now, {"text": result.comment})
    return [each for each in decided if each]


def _kept(result: Result) -> dict[str, object]:
    """What the status page needs later."""
    return {
        "base": result.base,
        "subjects": result.subjects,
        "findings": result.findings,
        "notes": result.notes,
        "seconds": result.seconds,
        "fixed": result.fixed,
    }


def _mended(tx: Tx, row: Row, result: Result) -> list[str]:
    """A fixup in the thread that mends all a waiting reply was about makes the reply needless."""
    query = sa.select(outbox).where(
        outbox.c.series == row["base"], outbox.c.kind == "mail", outbox.c.state == "pending"
    )
    dropped = []
    for waiting in tx.execute(query).mappings().all():
        if set(json.loads(waiting["prints"])) <= set(result.fixed):
            drop(tx, waiting["key"], "mended by a fixup in the thread")
            dropped.append("the waiting reply is dropped: mended by a fixup in the thread")
    return dropped


def drop(tx: Tx, key: str, reason: str) -> None:
    """Take a reply out of the outbox for good."""
    tx.execute(outbox.update().where(outbox.c.key == key).values(state="dropped", reason=reason))
    bump(tx, "dropped", reason)


def _mail(tx: Tx, row: Row, found: Sequence[Row], result: Result, config: Config) -> str:
    """At most one mail for a version of a series: to the patch, or to the cover letter when it is about several."""
    before = (
        tx.execute(
            sa.select(outbox.c.key, outbox.c.state).where(outbox.c.series == row["key"], outbox.c.kind == "mail")
        )
        .mappings()
        .all()
    )
    if any(each["state"] != "pending" for each in before):
        return "no mail: this version was answered already"
    tx.execute(outbox.delete().where(outbox.c.series == row["key"], outbox.c.kind == "mail"))
    if not result.remarks:
        return "no mail: nothing new at or above the thresholds"
    letter = _target(tx, found, result.remarks)
    if letter is None:
        return "no mail: the patch cannot be referred to"
    reply = replies.draft(letter, result.remarks, result, config.replies, row["key"])
    why = _refusal(tx, row, found, reply, config)
    if why or reply is None:
        return f"no mail: {why}"
    prints = sorted({each for remark in result.remarks for each in remark.prints})
    marks = sorted({each for remark in result.remarks for each in remark.marks})
    due = row["stamp"] + config.replies.embargo
    payload: dict[str, object] = {"draft": reply.values(), "marks": marks}
    _put(tx, reply.message_id, row, "mail", letter.message_id, row["sender"], due, payload, prints)
    return "a mail waits"


def _target(tx: Tx, found: Sequence[Row], remarks: Sequence[Remark]) -> Letter | None:
    """The mail to answer."""
    by_id = {each["message_id"]: letter_of(each) for each in found}
    first = by_id.get(remarks[0].message_id)
    if first is None or len(remarks) == 1:
        return first
    cover = (
        tx.execute(
            sa.select(mails.c.letter).where(
                mails.c.message_id == root(first), mails.c.kind == "cover", mails.c.sender == first.sender
            )
        )
        .mappings()
        .first()
    )
    return letter_of(cover) if cover else first


def _refusal(tx: Tx, row: Row, found: Sequence[Row], reply: replies.Draft | None, config: Config) -> str:
    """Why there must be no mail; empty when there may be one."""
    lists = {each.lower() for each in config.replies.lists}
    if not any(lists & set(letter_of(each).lists) for each in found):
        return "its lists are not on `replies.lists`"
    if reply is None:
        return "its author is not on `replies.recipients`"
    by = stopped(tx, row["thread"])
    if by:
        return "stopped by a human"
    return "superseded by a newer version" if newer(tx, row) else ""


def newer(tx: Tx, row: Row) -> bool:
    """Whether the same author has mailed a later version."""
    later = (series.c.sender == row["sender"]) & (series.c.version > row["version"]) & (series.c.kind == "series")
    same = (series.c.title == row["title"]) | (series.c.thread == row["thread"])
    return tx.execute(sa.select(series.c.key).where(later & same).limit(1)).first() is not None


def _checks(tx: Tx, row: Row, found: Sequence[Row], result: Result, now: float, config: Config) -> list[str]:
    """A Patchwork check for each patch, with findings or without."""
    if config.replies.patchwork is None:
        return []
    known = {each["message_id"] for each in found}
    done = 0
    for item in result.checks:
        target = item["message_id"]
        if target in known:
            url = f"{config.replies.url.rstrip('/')}/#{row['key']}" if config.replies.url else ""
            check = {**item["check"], "context": config.replies.patchwork.context, "target_url": url}
            _put(tx, f"check:{target}", row, "check", target, row["sender"], now, {"check": check})
            done += 1
    return [f"{done} checks wait"]


def _put(
    tx: Tx,
    key: str,
    row: Row,
    kind: str,
    target: str,
    author: str,
    due: float,
    payload: dict[str, object],
    prints: Iterable[str] = (),
) -> None:
    """A row in the outbox, replacing one that has not gone out."""
    waiting = (outbox.c.key == key) & (outbox.c.state == "pending")
    tx.execute(outbox.delete().where(waiting))
    insert_new(
        tx,
        outbox,
        {
            "key": key,
            "series": row["key"],
            "kind": kind,
            "target": target,
            "author": author,
            "due": due,
            "created": due,
            "done": 0.0,
            "state": "pending",
            "reason": "",
            "owner": "",
            "lease": 0.0,
            "attempts": 0,
            "prints": json.dumps(list(prints)),
            "payload": json.dumps(payload),
        },
    )
