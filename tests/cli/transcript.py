"""Runs the ```console blocks of a Markdown file: what a document shows is what the commands print."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OPEN, CLOSE = "```console", "```"


def setting(folder: Path) -> dict[str, str]:
    """Lay out what the documents start from: the fixtures, and the mini tree as a repository `linux`.

    Returns the environment, in which nothing of this machine shows.
    """
    shutil.copytree(ROOT / "fixtures", folder / "fixtures")
    home = folder / ".home"
    home.mkdir()
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "COLUMNS": "80",
    }
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {
            f"GIT_{who}_NAME": "Ann",
            f"GIT_{who}_EMAIL": "ann@example.org",
            f"GIT_{who}_DATE": "2026-11-01T12:00:00Z",
        }
    shutil.copytree(ROOT / "fixtures/trees/mini", folder / "linux")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "mm: mini tree"]):
        subprocess.run(["git", *words], cwd=folder / "linux", env=environment, check=True)
    return environment


def replay(text: str, folder: Path) -> str:
    """The document with every block's output as it is now; the commands of all blocks share a folder and its state."""
    environment = setting(folder)
    here = folder
    rows: list[str] = []
    inside = False
    for row in text.split("\n"):
        if row == OPEN or (inside and row == CLOSE):
            inside = row == OPEN
            rows.append(row)
        elif not inside:
            rows.append(row)
        elif row.startswith("$ cd "):
            here = here / row[5:]
            rows.append(row)
        elif row.startswith("$ "):
            rows += [row, *(line.replace(str(folder), "/home/ann") for line in _output(row[2:], here, environment))]
    return "\n".join(rows)


def _output(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    yield from done.stdout.expandtabs(8).splitlines()
