"""Where the text of a kernel tree comes from: a folder, a git revision, or either with changes laid over it."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast, runtime_checkable

from mmlint.inputs import limits, paths

if TYPE_CHECKING:
    import subprocess


class TreeError(ValueError):
    """A tree that cannot be read; the message says why in one line."""


class Tree(Protocol):
    """A read-only view of source files by their path relative to the tree's root.

    `identity` names the content for cache keys (a folder's is its path: use `stamp` per file beside it). `read` gives
    None for what is not a plain file of the tree; `names` the file names directly in a folder, sorted; `stamp` a text
    that changes when the file's content does, None without the file. Nothing lists the whole tree.
    """

    @property
    def identity(self) -> str:
        """A name of the whole content, for cache keys."""
        ...

    def read(self, path: str) -> bytes | None:
        """The content of a file."""
        ...

    def names(self, folder: str) -> tuple[str, ...]:
        """The file names directly in a folder."""
        ...

    def stamp(self, path: str) -> str | None:
        """Changes when the content of the file does."""
        ...

    def stamps(self, folder: str) -> dict[str, str]:
        """The stamps of the files directly in a folder by name, in order of the names."""
        ...

    def __hash__(self) -> int: ...


@runtime_checkable
class BlobStore(Protocol):
    """A tree that can look blobs up by (abbreviated) object id, for three-way applying."""

    def blob(self, name: str) -> bytes | None:
        """The blob's content, None without it."""
        ...


def _safe(path: str) -> bool:
    try:
        return bool(paths.check(path))
    except paths.UnsafePathError:
        return False


class EmptyTree:
    """No files at all: the tree before a first commit, or of a patch without a tree."""

    identity = "empty"

    def read(self, path: str) -> bytes | None:
        """Always None."""
        return None

    def names(self, folder: str) -> tuple[str, ...]:
        """Always nothing."""
        return ()

    def stamp(self, path: str) -> str | None:
        """Always None."""
        return None

    def stamps(self, folder: str) -> dict[str, str]:
        """Always nothing."""
        return {}


class FolderTree:
    """A checkout or any folder. Links inside are followed; names that climb out (`..`, absolute) give None."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise TreeError(f"{root}: no such folder")
        self.identity = f"folder:{self.root}"
        self._prefix = f"{self.root}/"
        """Joined as text: an audit asks for every file of a tree, and a Path costs more than the asking."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes; None for folders, devices and files beyond `limits.MAX_FILE`."""
        if self._stat(path) is None:
            return None
        try:
            with open(f"{self._prefix}{path}", "rb", buffering=0) as stream:  # noqa: PTH123
                return stream.read()
        except OSError:
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """File names directly in `folder` ('' for the root)."""
        if folder and not _safe(folder):
            return ()
        try:
            with os.scandir(self.root / folder) as entries:
                return tuple(sorted(entry.name for entry in entries if entry.is_file()))
        except OSError:
            return ()

    def stamp(self, path: str) -> str | None:
        """Modification time in ns and size."""
        status = self._stat(path)
        return _stamp(status) if status else None

    def stamps(self, folder: str) -> dict[str, str]:
        """Modification times in ns and sizes, without those of files beyond `limits.MAX_FILE`."""
        if folder and not _safe(folder):
            return {}
        try:
            with os.scandir(self.root / folder) as entries:
                found = [(entry.name, entry.stat()) for entry in entries if entry.is_file()]
        except OSError:
            return {}
        return {name: _stamp(status) for name, status in sorted(found) if status.st_size <= limits.MAX_FILE}

    def _stat(self, path: str) -> os.stat_result | None:
        if not _safe(path):
            return None
        try:
            status = os.stat(f"{self._prefix}{path}")  # noqa: PTH116
        except (OSError, ValueError):
            return None
        return status if stat.S_ISREG(status.st_mode) and status.st_size <= limits.MAX_FILE else None


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}:{status.st_size}"


class OverlayTree:
    """`base` with some files replaced; None removes one. `changes` is kept, not copied: do not change it later."""

    def __init__(self, base: Tree, changes: Mapping[str, bytes | None]) -> None:
        self.base, self.changes = base, changes
        digest = hashlib.sha1(usedforsecurity=False)
        for path in sorted(changes):
            content = changes[path]
            digest.update(f"{path}\0{-1 if content is None else len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content or b"")
        self.identity = f"{base.identity}+{digest.hexdigest()}"

    def read(self, path: str) -> bytes | None:
        """The replaced text, else that of the base."""
        return self.changes[path] if path in self.changes else self.base.read(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """The base's names with what was added and without what was removed."""
        found = set(self.base.names(folder))
        prefix = f"{folder}/" if folder else ""
        for path, content in self.changes.items():
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and "/" not in name:
                (found.discard if content is None else found.add)(name)
        return tuple(sorted(found))

    def stamp(self, path: str) -> str | None:
        """A hash of the replaced text, else the base's stamp."""
        if path not in self.changes:
            return self.base.stamp(path)
        content = self.changes[path]
        return None if content is None else hashlib.sha1(content, usedforsecurity=False).hexdigest()

    def stamps(self, folder: str) -> dict[str, str]:
        """The base's stamps, with those of replaced texts in their places."""
        found = dict(self.base.stamps(folder))
        for path in self.changes:
            inside, _, name = path.rpartition("/")
            if inside == folder:
                stamp = self.stamp(path)
                if stamp is None:
                    found.pop(name, None)
                else:
                    found[name] = stamp
        return dict(sorted(found.items()))

    def blob(self, name: str) -> bytes | None:
        """A blob of the store below, None where there is no store."""
        return self.base.blob(name) if isinstance(self.base, BlobStore) else None


class GitStore:
    """The objects of a git repository through one `git cat-file --batch`, started on first use. Thread-safe."""

    def __init__(self, repo: str | os.PathLike[str]) -> None:
        self.repo = Path(repo)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def run(self, *arguments: str, limit: int = limits.MAX_INPUT) -> bytes:
        """Output of a git command on this repository. Raises `TreeError` with git's own line."""
        import subprocess

        done = subprocess.run(_git(self.repo, *arguments), capture_output=True, check=False, env=_environment())
        if done.returncode:
            text = done.stderr.decode("utf-8", "replace").strip().split("\n")[0]
            raise TreeError(f"{self.repo}: git {arguments[0]} failed: {text or 'no message'}")
        return done.stdout[:limit]

    def get(self, spec: str) -> tuple[str, str, bytes] | None:
        """(object id, type, content) of `rev:path` or an object name; None without it or beyond `limits.MAX_FILE`."""
        if "\n" in spec:
            return None
        with self._lock:
            process = self._start()
            source, sink = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            try:
                source.write(spec.encode("utf-8", "surrogateescape") + b"\n")
                source.flush()
                head = sink.readline().decode("utf-8", "replace").split()
                if len(head) != 3 or not head[2].isdigit():
                    if not head:
                        raise self._dead()
                    return None
                content = sink.read(int(head[2]))
                sink.read(1)
            except OSError as error:
                raise self._dead() from error
        return (head[0], head[1], content) if len(content) <= limits.MAX_FILE else None

    def resolve(self, revision: str) -> str:
        """The full commit id of a revision. Raises `TreeError` when there is none."""
        found = self.get(f"{revision}^{{commit}}") if not revision.startswith("-") else None
        if found is None:
            raise TreeError(f"{self.repo}: no commit {revision!r} here")
        return found[0]

    def _start(self) -> subprocess.Popen[bytes]:
        import subprocess

        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                _git(self.repo, "cat-file", "--batch"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
            )
        return self._process

    def _dead(self) -> TreeError:
        return TreeError(f"{self.repo}: git cannot read objects here; is it a git repository?")

    def close(self) -> None:
        """End the git process; the next `get` starts another."""
        with self._lock:
            if self._process is not None:
                for pipe in (self._process.stdin, self._process.stdout):
                    if pipe:
                        with suppress(OSError):
                            pipe.close()
                self._process.wait(timeout=10)
                self._process = None

    def __del__(self) -> None:
        self.close()


def _git(repo: Path, *arguments: str) -> list[str]:
    return ["git", "-C", str(repo), "--no-pager", "-c", "core.fsmonitor=false", *arguments]


def _environment() -> dict[str, str]:
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return {**os.environ, **quiet}


class GitTree:
    """A revision in a git object store, read without a checkout."""

    def __init__(self, repo: GitStore | str | os.PathLike[str], revision: str) -> None:
        self.store = repo if isinstance(repo, GitStore) else GitStore(repo)
        self.commit = self.store.resolve(revision)
        self.identity = f"git:{self.commit}"

    def read(self, path: str) -> bytes | None:
        """The blob's content."""
        found = self.store.get(f"{self.commit}:{path}") if _safe(path) else None
        return found[2] if found and found[1] == "blob" else None

    def names(self, folder: str) -> tuple[str, ...]:
        """Names of the blobs directly in `folder`."""
        return tuple(self.stamps(folder))

    def stamp(self, path: str) -> str | None:
        """The blob's object id."""
        found = self.store.get(f"{self.commit}:{path}") if _safe(path) else None
        return found[0] if found and found[1] == "blob" else None

    def stamps(self, folder: str) -> dict[str, str]:
        """The blobs' object ids, which the folder's tree object has."""
        found = self.store.get(f"{self.commit}:{folder}") if not folder or _safe(folder) else None
        if found is None or found[1] != "tree":
            return {}
        return dict(sorted(_blobs(found[2], len(found[0]) // 2)))

    def blob(self, name: str) -> bytes | None:
        """A blob by its (abbreviated) object id, for three-way applying."""
        found = self.store.get(name) if name.isalnum() else None
        return found[2] if found and found[1] == "blob" else None


def _blobs(content: bytes, size: int) -> list[tuple[str, str]]:
    """The file entries of a raw tree object whose object ids have `size` bytes: name and id."""
    blobs, at = [], 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        if mode.startswith(b"100"):
            blobs.append((name.decode("utf-8", "surrogateescape"), content[end + 1 : end + 1 + size].hex()))
        at = end + 1 + size
    return blobs
