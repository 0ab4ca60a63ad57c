"""A public-inbox archive on disk: git repositories with one commit a mail (v2 epochs), followed as they grow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from mmlint.bot.config import Config, SourceConfig
from mmlint.bot.sources import Batch, Batcher, Source, SourceError
from mmlint.inputs.tree import GitStore, TreeError

_EPOCH = re.compile(r"(\d+)\.git")
_REFS = ("HEAD", "refs/heads/master", "refs/heads/main")


def open_source(source: SourceConfig, _config: Config) -> Source:
    """The source for an inbox (its `git` folder with epochs) or for one epoch."""
    return Inbox(Path(source.path))


class Inbox:
    """Follows every epoch from the commit that was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stores: dict[str, GitStore] = {}

    def batches(self, position: str, since: float) -> Iterator[Batch]:
        """Mails of commits that are not below those in `position`, in their order."""
        done: dict[str, str] = json.loads(position) if position else {}
        for name, path in self._epochs():
            store = self._stores.setdefault(name, GitStore(path))
            try:
                yield from self._follow(store, name, done, since)
            except TreeError as error:
                raise SourceError(str(error)) from error
            finally:
                store.close()

    def _epochs(self) -> list[tuple[str, Path]]:
        below = self._path / "git"
        epochs = sorted((int(match[1]), path) for path in _folders(below) if (match := _EPOCH.fullmatch(path.name)))
        if epochs:
            return [(path.name, path) for _, path in epochs]
        if not self._path.is_dir():
            raise SourceError(f"{self._path}: no such folder")
        return [(self._path.name, self._path)]

    def _follow(self, store: GitStore, name: str, done: dict[str, str], since: float) -> Iterator[Batch]:
        tip = _tip(store)
        if tip is None or done.get(name) == tip:
            return
        batcher = Batcher()
        for commit in _commits(store, done.get(name), tip, since):
            found = store.get(f"{commit}:m")
            done[name] = commit
            if found is not None and found[1] == "blob":
                yield from batcher.add(found[2], json.dumps(done))
        done[name] = tip
        yield from batcher.rest(json.dumps(done))
        yield Batch((), json.dumps(done))


def _folders(path: Path) -> list[Path]:
    try:
        return [entry for entry in path.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _tip(store: GitStore) -> str | None:
    """The newest commit; None in a repository that is empty still."""
    for ref in _REFS:
        try:
            return store.resolve(ref)
        except TreeError:
            continue
    store.run("rev-parse", "--git-dir")
    return None


def _commits(store: GitStore, last: str | None, tip: str, since: float) -> Iterator[str]:
    """Commits to read, oldest first; all of the newer ones when history was rewritten (mails known are passed over)."""
    if last is not None:
        try:
            yield from store.run("rev-list", "--reverse", tip, f"^{last}", "--").decode().split()
        except TreeError:
            last = None
    if last is None:
        yield from store.run("rev-list", "--reverse", f"--max-age={max(int(since), 0)}", tip, "--").decode().split()
