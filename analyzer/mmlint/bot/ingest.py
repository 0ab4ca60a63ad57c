"""Sources -> mails in the state, a batch and its position in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmlint.bot import assembly
from mmlint.bot.cells import CellError, Cells
from mmlint.bot.config import Config, SourceConfig, source_name
from mmlint.bot.log import Log
from mmlint.bot.reading import Letter, ReadRules, letters, read_batch, refused
from mmlint.bot.sources import Batch, Source, SourceError, open_source
from mmlint.bot.state import State, bump, position, set_position
from mmlint.inputs.series import address


class Ingest:
    """Follows all sources."""

    def __init__(self, config: Config, state: State, cells: Cells, log: Log) -> None:
        self._config, self._state, self._cells, self._log = config, state, cells, log
        self._open: dict[str, Source] = {}
        self.unread: list[str] = []
        """The sources that could not be read at the last look."""

    def run(self, now: Callable[[], float], stopping: Callable[[], bool] = lambda: False) -> int:
        """Take in what is new; how many mails were not known before."""
        count = 0
        self.unread.clear()
        for source in self._config.sources:
            name = source_name(source)
            try:
                count += self._follow(source, name, now, stopping)
            except SourceError as error:
                self.unread.append(name)
                self._log.warning("source", source=name, error=str(error))
                with self._state.change() as tx:
                    bump(tx, "source_errors", name)
        return count

    def _follow(self, config: SourceConfig, name: str, now: Callable[[], float], stopping: Callable[[], bool]) -> int:
        if name not in self._open:
            self._open[name] = open_source(config, self._config)
        with self._state.view() as tx:
            start = position(tx, name)
        count = 0
        for batch in self._open[name].batches(start, now() - self._config.filter.max_age):
            count += self.take(batch, name, config.list, now())
            if stopping():
                break
        return count

    def take(self, batch: Batch, name: str, list_address: str, now: float) -> int:
        """Store a batch; how many of its mails were not known before."""
        found = self._read(batch.mails, self._rules(list_address))
        count = 0
        with self._state.change() as tx:
            for raw, letter in zip(batch.mails, found, strict=True):
                if assembly.store(tx, letter, raw, name, now, self._config):
                    count += 1
                    if letter.kind == "refused":
                        self._log.warning("refused", source=name, mail=letter.message_id, reason=letter.reason)
            set_position(tx, name, batch.position)
        if batch.mails:
            self._log.info("mails", source=name, read=len(batch.mails), new=count)
        return count

    def _rules(self, list_address: str) -> ReadRules:
        config = self._config
        return ReadRules(
            config.filter.paths,
            config.replies.stop_word,
            config.filter.skip_prefixes,
            address(config.replies.sender) if config.replies.sender else "",
            config.policy.max_mail,
            list_address,
        )

    def _read(self, raws: Sequence[bytes], rules: ReadRules) -> list[Letter]:
        """Read mails in a cell; the one that a cell dies of is found by halving, and refused."""
        if not raws:
            return []
        try:
            return letters(self._cells.call(read_batch, (rules, tuple(raws))))
        except CellError as error:
            if len(raws) == 1:
                self._probe(rules)
                return [refused(raws[0], f"reading it {error}")]
        half = len(raws) // 2
        return [*self._read(raws[:half], rules), *self._read(raws[half:], rules)]

    def _probe(self, rules: ReadRules) -> None:
        """Make sure that it is the mail: where no cell lives, no mail is to blame, and the next look tries again."""
        try:
            self._cells.call(read_batch, (rules, ()))
        except CellError as error:
            raise SourceError(f"no process can be started to read mails: it {error}") from None
