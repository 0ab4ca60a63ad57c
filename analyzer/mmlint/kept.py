"""What one run works out and the next takes over: plain values in files of the user's cache folder.

To lose them costs time and nothing else. What is missing, damaged or somebody else's counts as not there, and what
cannot be written is not kept.
"""

from __future__ import annotations

import marshal
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_CHECKSUM = 4


def folder() -> str:
    """Where kept results live: `MMLINT_CACHE_DIR`, or `mmlint` below the user's cache folder."""
    named = os.environ.get("MMLINT_CACHE_DIR")
    return named or f"{os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')}/mmlint"  # noqa: PTH111


def recall(name: str) -> Any:
    """What was kept as `name` (a path below the folder), None without it."""
    try:
        with open(f"{folder()}/{name}", "rb") as stream:  # noqa: PTH123
            if os.fstat(stream.fileno()).st_uid != os.geteuid():
                return None
            data = stream.read()
    except OSError:
        return None
    if len(data) <= _CHECKSUM or int.from_bytes(data[:_CHECKSUM], "little") != zlib.crc32(data[_CHECKSUM:]):
        return None
    try:
        return marshal.loads(data[_CHECKSUM:])  # noqa: S302 (a file of this user's, whole and as it was written)
    except (ValueError, EOFError, TypeError):  # of another Python
        return None


def remember(name: str, value: Any) -> None:
    """Keep a value made of plain ones: None, numbers, texts, bytes, and tuples, lists, dicts and sets of them."""
    data = marshal.dumps(value)
    file = f"{folder()}/{name}"
    fresh = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)  # noqa: PTH103, PTH120
        with open(fresh, "wb") as stream:  # noqa: PTH123
            stream.write(zlib.crc32(data).to_bytes(_CHECKSUM, "little") + data)
        os.replace(fresh, file)  # noqa: PTH105
    except OSError:
        return


def kept(what: str, place: str, key: str, compute: Callable[[], T]) -> T:
    """What was kept for a place (the folder or file it is made from) if its key is `key`.

    Else it is what `compute` gives, which is kept from then on.
    """
    name = f"{what}/{zlib.crc32(place.encode('utf-8', 'surrogateescape')):08x}"
    stored = recall(name)
    if isinstance(stored, tuple) and len(stored) == 2 and stored[0] == key:
        value: T = stored[1]
        return value
    fresh = compute()
    remember(name, (key, fresh))
    return fresh


def stamp(*folders: str, suffix: str) -> str:
    """A key that changes with the files of these folders and those below: their names, sizes and times of last change.

    Raises OSError where there is no such folder.
    """
    return f"{zlib.crc32(repr([list(_files(each, suffix)) for each in folders]).encode()):08x}"


def _files(folder: str, suffix: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name.endswith(suffix) and entry.is_file():
                status = entry.stat()
                yield entry.path, status.st_size, status.st_mtime_ns
            elif not entry.name.startswith((".", "__pycache__")) and entry.is_dir():
                yield from _files(entry.path, suffix)
