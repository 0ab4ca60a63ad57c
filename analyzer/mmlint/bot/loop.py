"""The bot at work: take in, put together, analyse, decide, deliver, publish."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from mmlint.bot import assembly, claims, decide
from mmlint.bot.analyse import Job, Result, analyse, result_of
from mmlint.bot.cells import Cell, CellError, Cells, Limits, ready
from mmlint.bot.config import Config
from mmlint.bot.ingest import Ingest
from mmlint.bot.log import Log
from mmlint.bot.outbox import Outbox
from mmlint.bot.sinks import Sink, open_sinks
from mmlint.bot.state import Row, State, bump, mails, prune, series
from mmlint.output.text import plain

Clock = Callable[[], float]
_RAW_KEPT = 14 * 86400.0
_DAY = 86400.0


class Bot:
    """One worker. Several of them may share a state."""

    def __init__(
        self,
        config: Config,
        state: State,
        log: Log,
        clock: Clock = time.time,
        sinks: Mapping[str, Sink] | None = None,
    ) -> None:
        self.config, self.state, self.log, self.clock = config, state, log, clock
        self.owner = claims.identity()
        self.cells = Cells(Limits(config.policy.seconds, config.policy.memory))
        self.ingest = Ingest(config, state, self.cells, log)
        self.outbox = Outbox(state, open_sinks(config) if sinks is None else sinks, config, self.owner)
        self.stopping = False
        self._pruned = 0.0

    def stop(self) -> None:
        """End after what is being done."""
        self.stopping = True

    def once(self) -> None:
        """One round."""
        self.ingest.run(self.clock, lambda: self.stopping)
        self.think()
        self.deliver()
        self._prune()
        self.publish()

    def run(self) -> None:
        """Rounds until told to stop."""
        while not self.stopping:
            started = time.monotonic()
            self.once()
            while not self.stopping and time.monotonic() - started < self.config.interval:
                time.sleep(min(0.5, self.config.interval))

    # ------------------------------------------------------------ analysing

    def think(self) -> None:
        """Queue what is complete and analyse all of the queue."""
        now = self.clock()
        with self.state.change() as tx:
            back = claims.take_back(tx, now)
            assembly.collected(tx, now, self.config)
        if back:
            self.log.warning("taken_back", series=back)
        running: list[tuple[Cell, Row]] = []
        try:
            while True:
                while not self.stopping and len(running) < self.config.jobs:
                    job = self._next()
                    if job is None:
                        break
                    running.append((self.cells.start(analyse, job[1]), job[0]))
                if not running:
                    return
                done = ready([cell for cell, _ in running], 1.0)
                for cell, row in [each for each in running if each[0] in done]:
                    running.remove((cell, row))
                    self._finish(cell, row)
        finally:
            for cell, _ in running:
                cell.end()

    def _next(self) -> tuple[Row, Job] | None:
        """Claim a series and say what is to be done with it."""
        policy = self.config.policy
        while True:
            with self.state.change() as tx:
                row = claims.claim(tx, self.owner, self.clock())
                if row is None:
                    return None
                found = assembly.members(tx, row["key"])
                below = assembly.members(tx, row["base"]) if row["base"] else found
                decide.supersede(tx, row)
                told = decide.told(tx, row, self.config)
                raws = tuple(each["raw"] for each in below if each["raw"] is not None)
                fixup = found[0]["raw"] if row["base"] and found else None
                if len(raws) == len(below) and raws and (fixup is not None or not row["base"]):
                    break
                values = {"state": "done", "verdict": "failed", "reason": "its mails are forgotten"}
                tx.execute(series.update().where(series.c.key == row["key"]).values(**values))
        job = Job(
            raws,
            self.config.trees,
            policy.settings,
            fixup,
            row["total"],
            policy.min_severity,
            policy.min_confidence,
            policy.max_findings,
            policy.hunks,
            self.config.replies.interleaving,
            told,
        )
        return row, job

    def _finish(self, cell: Cell, row: Row) -> None:
        try:
            result = result_of(cell.result())
        except CellError as error:
            self._died(row, str(error))
            return
        self._settle(row, result)

    def _settle(self, row: Row, result: Result) -> None:
        now = self.clock()
        with self.state.change() as tx:
            if not claims.still_claimed(tx, row["key"], self.owner):
                return
            decided = decide.settle(tx, row, result, now, self.config)
            bump(tx, "patches", result.verdict, len(result.subjects))
            bump(tx, "analysis_seconds", "", result.seconds)
        self.log.info(
            "verdict",
            series=row["key"],
            title=row["title"],
            version=row["version"],
            verdict=result.verdict,
            base=result.base,
            reason=result.reason,
            findings=len(result.findings),
            seconds=round(result.seconds, 3),
            latency=round(now - row["last"], 3),
            decided=decided,
        )

    def _died(self, row: Row, why: str) -> None:
        """A cell that gave no result: try once more, then write it down."""
        attempts = row["attempts"] + 1
        last = attempts >= claims.ATTEMPTS
        with self.state.change() as tx:
            if not claims.still_claimed(tx, row["key"], self.owner):
                return
            values: dict[str, object] = {"attempts": attempts, "owner": "", "state": "ready"}
            if last:
                values |= {
                    "state": "done",
                    "verdict": "failed",
                    "reason": plain(f"analysis {why}"),
                    "decided": self.clock(),
                }
                bump(tx, "series", "failed")
            tx.execute(series.update().where(series.c.key == row["key"]).values(**values))
        self.log.warning("cell_died", series=row["key"], title=row["title"], why=why, given_up=last)

    # ----------------------------------------------------------- delivering

    def deliver(self) -> None:
        """Send what is due."""
        now = self.clock()
        for key, state in self.outbox.recover(now):
            self.log.warning("recovered", key=key, state=state)
        for row, outcome, reason in self.outbox.deliver(now):
            write = self.log.info if outcome in ("sent", "dry", "dropped") else self.log.warning
            write("effect", kind=row["kind"], key=row["key"], series=row["series"], outcome=outcome, reason=reason)

    def publish(self) -> None:
        """Write the status page and the metrics."""
        if self.config.status:
            from mmlint.bot.status import write

            try:
                write(self.state, self.config, self.clock())
            except OSError as error:
                self.log.warning("status", error=f"{self.config.status}: {error.strerror}")

    def _prune(self) -> None:
        now = self.clock()
        if now - self._pruned < _DAY / 24:
            return
        self._pruned = now
        with self.state.change() as tx:
            kept = max(self.config.keep, self.config.filter.max_age + self.config.replies.expire)
            prune(tx, now - kept, now - min(_RAW_KEPT, kept))

    def due(self) -> float | None:
        """When something will be due that is not yet: the next reply, or the end of waiting for late members."""
        from mmlint.bot.state import outbox

        with self.state.view() as tx:
            reply = tx.execute(sa.select(sa.func.min(outbox.c.due)).where(outbox.c.state == "pending")).scalar()
            last = tx.execute(sa.select(sa.func.min(series.c.last)).where(series.c.state == "collecting")).scalar()
        times = [each for each in (reply, last + self.config.policy.patience if last is not None else None) if each]
        return min(times) if times else None

    def mails_known(self) -> int:
        """How many mails are remembered."""
        with self.state.view() as tx:
            return int(tx.execute(sa.select(sa.func.count()).select_from(mails)).scalar() or 0)
