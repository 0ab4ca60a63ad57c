"""The first pass over a tree: every file is read once, hashed, and asked whether it matters."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Executor

from mmlint.audit.interest import Interest
from mmlint.audit.store import Seen, Store
from mmlint.audit.workers import steadily
from mmlint.inputs.tree import FolderTree

_CHUNK = 200
_Read = tuple[str, str, bool]


def digest(*parts: bytes | str) -> str:
    """A hash of parts that cannot be confused with one of other parts."""
    made = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big") + data)
    return made.hexdigest()


def scan(tree: FolderTree, names: Sequence[str], wanted: Interest, store: Store, jobs: int) -> dict[str, Seen]:
    """What is known of each file; one that cannot be read (or is beyond 8 MiB) is not in the result."""
    kind = digest(*wanted.parts)
    known = store.seen(kind)
    found: dict[str, Seen] = {}
    fresh: list[str] = []
    for name in names:
        stamp = tree.stamp(name)
        old = known.get(name)
        if old is not None and old.stamp == stamp:
            found[name] = old
        elif stamp is not None:
            fresh.append(name)
    chunks = [fresh[i : i + _CHUNK] for i in range(0, len(fresh), _CHUNK)]
    for chunk, read in zip(chunks, _read_all(str(tree.root), chunks, wanted, jobs), strict=True):
        new = {name: Seen(*item) for name, item in zip(chunk, read, strict=True) if item is not None}
        store.see(kind, new.items())
        found |= new
    store.commit()
    return found


def _read_all(root: str, chunks: Sequence[list[str]], wanted: Interest, jobs: int) -> Iterator[list[_Read | None]]:
    if jobs == 1 or len(chunks) < 2:
        for chunk in chunks:
            yield _read(root, chunk, wanted)
        return

    def begin(workers: Executor, left: Sequence[list[str]]) -> Generator[list[_Read | None], None, None]:
        yield from workers.map(_read, [root] * len(left), left, [wanted] * len(left))

    yield from steadily(jobs, chunks, begin)


def _read(root: str, names: Sequence[str], wanted: Interest) -> list[_Read | None]:
    """The stamp is taken before the content: a file that changes in between is read again by the next run."""
    tree = FolderTree(root)
    out: list[_Read | None] = []
    for name in names:
        stamp, text = tree.stamp(name), tree.read(name)
        readable = stamp is not None and text is not None
        out.append((stamp or "", digest(text or b""), wanted.matters(name, text or b"")) if readable else None)
    return out


def headers(found: Mapping[str, Seen]) -> dict[str, str]:
    """For each folder a hash of its headers."""
    rows: dict[str, list[str]] = defaultdict(list)
    for name in sorted(found):
        if name.endswith(".h"):
            rows[name.rpartition("/")[0]] += [name, found[name].digest]
    return {folder: digest(*items) for folder, items in rows.items()}
