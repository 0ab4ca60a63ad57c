"""Where the lab keeps what it makes: a folder outside the repository, by the key of what went into it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path


class LabError(Exception):
    """The lab cannot go on: one line that says why and what to do."""


def folder() -> Path:
    """`$MMLINT_LAB`, or `mmlint-lab` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MMLINT_LAB") or Path(base) / "mmlint-lab")


def key_of(*parts: bytes) -> str:
    """A short key of what something is made from."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The file of that name, made first if it is not there, by one process at a time. A failure leaves nothing."""
    target = folder() / name
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_name(f"{target.name}.new")
            make(unfinished)
            unfinished.rename(target)
    target.with_name(f"{target.name}.lock").unlink(missing_ok=True)
    return target
