"""Where the lab keeps what it makes: a folder outside the repository, by the key of what went into it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on: one line that says why and what to do."""


def folder() -> Path:
    """`$MMLINT_LAB`, or `mmlint-lab` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(os.environ.get("MMLINT_LAB") or Path(base) / "mmlint-lab")
    path.mkdir(parents=True, exist_ok=True)
    return path


def key_of(*parts: bytes) -> str:
    """A short key of what something is made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file of that name, made first if it is not there. A maker that fails leaves nothing behind."""
    target = folder() / name
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        make(unfinished)
        unfinished.rename(target)
    return target
