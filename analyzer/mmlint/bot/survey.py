"""What there is to tell about the bot's work: read by the status page, the metrics and the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mmlint.bot.state import State, counters, outbox, series
from mmlint.frozen import dataclass

_SAMPLE = 1000


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts and rows at one moment. `latency` is in seconds from the last member's arrival to the verdict."""

    counters: tuple[tuple[str, str, float], ...]
    queue: dict[str, int]
    outbox: dict[tuple[str, str], int]
    latency: tuple[float, ...]
    series: tuple[dict[str, Any], ...]
    effects: tuple[dict[str, Any], ...]

    def quantile(self, share: float) -> float:
        """A quantile of the latency; 0 without any."""
        return quantile(self.latency, share)


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile of sorted values; 0 without any."""
    return values[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def survey(state: State, rows: int = 200) -> Survey:
    """Look at the state; `rows` is how many of the latest series to describe."""
    with state.view() as tx:
        counted = tx.execute(sa.select(counters).order_by(counters.c.name, counters.c.label)).all()
        queue = tx.execute(sa.select(series.c.state, sa.func.count()).group_by(series.c.state)).all()
        effects = tx.execute(
            sa.select(outbox.c.kind, outbox.c.state, sa.func.count()).group_by(outbox.c.kind, outbox.c.state)
        ).all()
        times = tx.execute(
            sa.select(series.c.decided - series.c.last)
            .where(series.c.result != "")
            .order_by(series.c.decided.desc())
            .limit(_SAMPLE)
        ).scalars()
        latest = (
            tx.execute(
                sa.select(series)
                .where(series.c.verdict.not_in(("filtered",)))
                .order_by(series.c.last.desc())
                .limit(rows)
            )
            .mappings()
            .all()
        )
        sent = (
            tx.execute(sa.select(outbox).where(outbox.c.kind == "mail").order_by(outbox.c.due.desc()).limit(rows))
            .mappings()
            .all()
        )
    return Survey(
        tuple((name, label, float(value)) for name, label, value in counted),
        {str(name): int(count) for name, count in queue},
        {(str(kind), str(name)): int(count) for kind, name, count in effects},
        tuple(sorted(max(float(each), 0.0) for each in times)),
        tuple({**row, "result": json.loads(row["result"]) if row["result"] else {}} for row in latest),
        tuple(dict(row) for row in sent),
    )
