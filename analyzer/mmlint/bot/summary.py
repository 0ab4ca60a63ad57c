"""The bot's work in a few lines, for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from mmlint.bot.state import State
from mmlint.bot.survey import survey
from mmlint.output.text import plain

_ROWS = 20


def text(state: State) -> str:
    """Counts, the latest verdicts, the outbox."""
    seen = survey(state, _ROWS)
    mails = [f"{value:g} {label}" for name, label, value in seen.counters if name == "mails"]
    verdicts = [f"{value:g} {label}" for name, label, value in seen.counters if name == "series"]
    queue = [f"{count} {name}" for name, count in sorted(seen.queue.items()) if name != "done"]
    rows = [
        f"mails     {', '.join(mails) or 'none'}",
        f"series    {', '.join(verdicts) or 'none'}",
        f"queue     {', '.join(queue) or 'empty'}",
        f"latency   {seen.quantile(0.5):.1f} s median, {seen.quantile(0.95):.1f} s p95",
    ]
    effects = [f"{count} {kind} {name}" for (kind, name), count in sorted(seen.outbox.items())]
    rows.append(f"outbox    {', '.join(effects) or 'empty'}")
    for row in seen.series:
        found = len(row["result"].get("findings", ()))
        count = f", {found} found" if found else ""
        verdict = f"{row['verdict'] or row['state']}{count}"
        version = f"v{row['version']} " if row["version"] > 1 else ""
        rows.append(f"{when(row['stamp'])}  {verdict:20} {version}{plain(row['title'])[:80]}")
        if row["reason"] and row["verdict"] in ("failed", "nowhere", "skipped"):
            rows.append(f"{'':18}{plain(row['reason'])[:120]}")
    for row in seen.effects:
        reason = f"  {plain(row['reason'])[:60]}" if row["reason"] else ""
        rows.append(f"{when(row['due'])}  mail {row['state']:15} <{plain(row['target'])[:80]}>{reason}")
    return "".join(row + "\n" for row in rows)


def when(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
