"""Where the files that users name stand in a kernel tree, and how their paths are shown to them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mmlint.finding import InputError, Report
from mmlint.frozen import dataclass
from mmlint.patches import SOURCES

_MAKEFILE_HEAD = 2000
_RELEASE = re.compile(rb"^PATCHLEVEL[ \t]*=", re.MULTILINE)


def collect(paths: Sequence[str], report: Report) -> Iterator[tuple[Path, Path]]:
    """The C files that paths name, each once, with the folder that was named or that the file is in.

    What names none is an error of the report, an empty file a note.
    """
    seen: set[Path] = set()
    for name in paths:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix in SOURCES and p.is_file() and ".git" not in p.parts)
            if not found:
                report.errors.append(
                    InputError(name, "no C files in this folder; name a folder that holds .c or .h files")
                )
        elif path.is_file() and path.stat().st_size == 0:
            report.notes.append(f"{name}: is empty; nothing to check")
            continue
        elif path.is_file() and path.suffix not in SOURCES and _is_patch(path):
            remedy = f"check what it brings in with `mmlint patch {name} --tree DIR`"
            report.errors.append(InputError(name, f"is a patch, not C source; {remedy}"))
            continue
        elif path.is_file():
            found = [path]
        else:
            why = "is neither a file nor a folder" if path.exists() else "no such file or folder"
            report.errors.append(InputError(name, f"{why}; check the path"))
            continue
        for each in found:
            if each not in seen:
                seen.add(each)
                yield each, path if path.is_dir() else path.parent


def _is_patch(path: Path) -> bool:
    from mmlint.inputs.read import read_patches

    try:
        return bool(read_patches(path.read_bytes(), path.name).patches)
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one tree: by their paths in it, their paths as they are shown."""

    base: Path
    names: dict[str, str]


def grouped(root: str | None, files: Iterable[tuple[Path, Path]], report: Report) -> list[Group]:
    """Files, as `collect` gives them, by the tree that each is looked at in.

    That is the one named if there is such a folder, and a file outside of it is an error of the report. Else it is the
    kernel tree that the file stands in, and for a file in none the working folder or the folder that was named.
    """
    named = _named(root, report)
    homes = _Homes(named)
    groups: dict[Path, Group] = {}
    for file, near in files:
        home = homes.of(file, near)
        if home is None:
            why = f"is not in {named}, which --root names; leave --root out, or name the tree of this file"
            report.errors.append(InputError(display(file), why))
            continue
        base, name = home
        groups.setdefault(base, Group(base, {})).names.setdefault(name, display(file))
    return list(groups.values())


def alone(root: str | None, name: str, report: Report) -> Group:
    """The group of one file that need not be there: a text stands for it."""
    named = _named(root, report)
    file = Path(name)
    home = _Homes(named).of(file, file.parent)
    base, inside = home or (Path(named or "."), os.path.relpath(name, named).replace(os.sep, "/"))
    return Group(base, {inside: display(file)})


def _named(root: str | None, report: Report) -> Path | None:
    if root is not None and not Path(root).is_dir():
        report.errors.append(InputError(root, "no such folder; --root names the kernel tree that the paths belong to"))
        return None
    return Path(root).resolve() if root is not None else None


class _Homes:
    """The trees of files, each folder asked for once."""

    def __init__(self, named: Path | None) -> None:
        self._named = named
        self._cwd = Path.cwd()
        self._trees: dict[Path, Path | None] = {}

    def of(self, file: Path, near: Path) -> tuple[Path, str] | None:
        """The tree of a file and its path there; None if it is not in the tree that was named.

        A link is looked at where it stands, or where the file is that it leads to if that is in another tree.
        """
        here = file.parent.resolve() / file.name
        real = file.resolve() if file.is_symlink() else here
        for path in (here, real):
            base = self._named or self._around(path.parent) or self._fallback(path, near.resolve())
            if path.is_relative_to(base) and real.is_relative_to(base):
                return base, path.relative_to(base).as_posix()
        return None

    def _around(self, folder: Path) -> Path | None:
        if folder not in self._trees:
            self._trees[folder] = tree_around(folder)
        return self._trees[folder]

    def _fallback(self, path: Path, near: Path) -> Path:
        return next((folder for folder in (self._cwd, near) if path.is_relative_to(folder)), path.parent)


def tree_around(folder: Path) -> Path | None:
    """The kernel tree that a folder (an absolute path) is or stands in: a Makefile beside `mm` and `include`.

    It is the innermost such folder whose Makefile names a release, as a tree may stand in another one; else it is the
    outermost: `arch/arm` has all three as well.
    """
    around = [
        each
        for each in (folder, *folder.parents)
        if (each / "Makefile").is_file() and (each / "mm").is_dir() and (each / "include").is_dir()
    ]
    return next(filter(_names_release, around), around[-1] if around else None)


def _names_release(folder: Path) -> bool:
    try:
        with (folder / "Makefile").open("rb") as stream:
            return bool(_RELEASE.search(stream.read(_MAKEFILE_HEAD)))
    except OSError:
        return False


def located(folder: str) -> tuple[Path, str]:
    """The kernel tree that a folder stands in and its path there, "" where it is the tree itself or is in none."""
    here = Path(folder).resolve()
    root = tree_around(here) or here
    return root, "" if root == here else here.relative_to(root).as_posix()


def display(file: Path) -> str:
    """The path of a file as a user in the working folder writes it."""
    resolved = file.resolve() if not file.is_absolute() else file
    try:
        return resolved.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file.as_posix()


class Shown(dict[str, str]):
    """Paths of a tree as the user sees them: as named for the files checked, else from the working folder."""

    def __init__(self, base: Path, named: Mapping[str, str]) -> None:
        super().__init__(named)
        self._base = base

    def __missing__(self, path: str) -> str:
        self[path] = display(self._base / path)
        return self[path]
