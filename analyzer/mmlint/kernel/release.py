"""Which release a kernel tree is: from its Makefile, or from what its headers have."""

from __future__ import annotations

import re
from pathlib import Path

from mmlint.kernel.reader import version
from mmlint.kernel.tables import tables

_NUMBER = re.compile(r"^(VERSION|PATCHLEVEL)[ \t]*=[ \t]*(\d+)", re.M)


def release_of(tree: Path | str) -> str:
    """The release of a tree, such as "6.12"; "" if nothing tells.

    Without a Makefile the probes of the tables give the newest release that the headers show, which is a lower bound.
    """
    root = Path(tree)
    makefile = root / "Makefile"
    if makefile.is_file():
        found = dict(_NUMBER.findall(makefile.read_text(encoding="utf-8", errors="replace")))
        if len(found) == 2:
            return f"{found['VERSION']}.{found['PATCHLEVEL']}"
    return _by_probes(root)


def _by_probes(root: Path) -> str:
    """The newest release among the probes that hit; one step below the oldest `until` where only those hit."""
    hits = [probe for probe in tables().probes if _occurs(root / probe.path, probe.pattern)]
    since = sorted((probe.since for probe in hits if probe.since), key=version)
    if since:
        return since[-1]
    until = sorted(version(probe.until) for probe in hits if probe.until)
    return f"{until[0][0]}.{until[0][1] - 1}" if until else ""


def _occurs(path: Path, pattern: str) -> bool:
    return path.is_file() and pattern in path.read_text(encoding="utf-8", errors="replace")
