"""Which files of a kernel tree are audited."""

from __future__ import annotations

import os
from collections.abc import Iterator

_OUTSIDE = frozenset({"Documentation", "samples", "scripts", "tools"})
"""Top folders whose code does not run in the kernel."""
_NOWHERE = frozenset({".git", "selftests"})


def sources(root: str, part: str = "") -> list[str]:
    """The C files and headers below the folder `part` of `root` (all of it without one), relative to `root` and sorted.

    Links are left out, as what they name is there.
    """
    return sorted(_walk(root, part))


def any_source(root: str) -> bool:
    """Whether there is anything to audit below `root`."""
    return next(_walk(root, ""), None) is not None


def _walk(root: str, folder: str) -> Iterator[str]:
    """Names come as the file system has them: bytes that are no UTF-8 are kept by surrogateescape."""
    try:
        entries = list(os.scandir(os.path.join(root, folder)))  # noqa: PTH118 (a Path for each entry costs seconds)
    except OSError:
        return
    for entry in entries:
        name = f"{folder}/{entry.name}" if folder else entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _NOWHERE and name not in _OUTSIDE:
                yield from _walk(root, name)
        elif entry.name.endswith((".c", ".h")) and entry.is_file(follow_symlinks=False):
            yield name
