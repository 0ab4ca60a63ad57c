"""Which files that a suppression names are gone from the tree that was checked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class Checked:
    """The folders that files were checked in. Paths start from the tree's root or from the working folder."""

    def __init__(self, root: str, files: Iterable[str]) -> None:
        self._bases = {Path(root).resolve(), Path.cwd()}
        folders = {os.path.dirname(file) for file in files}  # noqa: PTH120 (a Path for each file of a tree is slow)
        self._folders = {os.path.normpath(base / folder) for base in self._bases for folder in folders}

    def lack(self, pattern: str) -> bool:
        """Whether nothing is there that a glob names, though its folder was checked, or what is left of it above.

        Without a folder, or with one that `**` stands in, the glob may mean any file of the tree: that is left open.
        """
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        for count in range(len(parts) - 1, 0, -1) if "**" not in parts else ():
            there = [each for base in self._bases if (each := base.joinpath(*parts[:count])).is_dir()]
            if there:
                left = "/".join(parts[count:])
                return any(str(each) in self._folders for each in there) and not any(
                    match for each in there for match in each.glob(left)
                )
        return False
