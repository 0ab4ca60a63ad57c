"""Where the files that users name stand in a kernel tree, and how their paths are shown to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mmlint.finding import InputError, Report
from mmlint.patches import SOURCES


def collect(paths: Sequence[str], report: Report) -> Iterator[Path]:
    """The C files that paths name, each once; what names none is an error of the report, an empty file a note."""
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
                yield each


def _is_patch(path: Path) -> bool:
    from mmlint.inputs.read import read_patches

    try:
        return bool(read_patches(path.read_bytes(), path.name).patches)
    except OSError:
        return False


def base_of(root: str | None, files: Sequence[Path], report: Report) -> Path:
    """The tree the files are looked at in: the one named if there is such a folder, else the one they stand in."""
    if root is not None and not Path(root).is_dir():
        report.errors.append(InputError(root, "no such folder; --root names the kernel tree that the paths belong to"))
        root = None
    return Path(root) if root is not None else _root_of(files)


def _root_of(files: Sequence[Path]) -> Path:
    """The kernel tree that the files stand in (a Makefile beside `mm` and `include`), else the working folder.

    It is the outermost such folder: `arch/arm` has all three as well.
    """
    for file in files[:1]:
        for folder in reversed(file.resolve().parents):
            if (folder / "Makefile").is_file() and (folder / "mm").is_dir() and (folder / "include").is_dir():
                return folder
    cwd = Path.cwd()
    outside = [f for f in files if not f.resolve().is_relative_to(cwd)]
    return outside[0].resolve().parent if outside else cwd


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
