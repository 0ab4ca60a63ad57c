"""Which release a kernel tree is: from its Makefile, or from what its headers have."""

from __future__ import annotations

import re
from pathlib import Path

from mmlint.kernel.headers import Files, files_of
from mmlint.kernel.reader import version
from mmlint.kernel.tables import tables

_NUMBER = re.compile(r"^(VERSION|PATCHLEVEL)[ \t]*=[ \t]*(\d+)", re.M)


def release_of(tree: Files | Path | str) -> str:
    """The release of a tree, such as "6.12"; "" if nothing tells.

    Without a Makefile the probes of the tables give the newest release that the headers show, which is a lower bound.
    """
    files = files_of(tree)
    found = dict(_NUMBER.findall((files.read("Makefile") or b"").decode("utf-8", "replace")))
    return f"{found['VERSION']}.{found['PATCHLEVEL']}" if len(found) == 2 else _by_probes(files)


def _by_probes(files: Files) -> str:
    """The newest release among the probes that hit; one step below the oldest `until` where only those hit."""
    hits = [probe for probe in tables().probes if probe.pattern.encode() in (files.read(probe.path) or b"")]
    since = sorted((probe.since for probe in hits if probe.since), key=version)
    if since:
        return since[-1]
    until = sorted(version(probe.until) for probe in hits if probe.until)
    return f"{until[0][0]}.{until[0][1] - 1}" if until else ""
