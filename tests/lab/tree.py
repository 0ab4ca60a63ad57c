"""The kernel that is built: a copy of Debian's source, our configuration, all edits behind their switches."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.lab.cache import LabError, folder, key_of
from tests.lab.edits import HEADER, LAB_HEADER, LAB_SOURCE, SWITCH_C, Edit, switched
from tests.lab.mutations import MUTATIONS, Mutation

CONFIG = Path(__file__).with_name("kernel.config")
BUILD_MINUTES = 60
PLACES = (Path.home() / "kernel", folder().parent / "mmlint" / "kernel", Path("/usr/src"))
TOOLS = {
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "qemu-system-x86_64": "qemu-system-x86",
}

Say = Callable[[str], None]


def check_tools() -> None:
    """Raises `LabError` with the packages to install if a tool is missing."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing:
        raise LabError(f"missing: {' '.join(missing)}; apt-get install {' '.join(missing)} libelf-dev libssl-dev")


def source(version: str) -> Path:
    """The unpacked source of a release, or its archive in /usr/src, unpacked into the cache. Raises `LabError`."""
    name = f"linux-source-{version}"
    places = (*PLACES, folder() / "source")
    for place in places:
        if (place / name / "Makefile").exists():
            return place / name
    archive = next(Path("/usr/src").glob(f"{name}.tar.*"), None)
    if archive is None:
        raise LabError(f"no {name} in {', '.join(map(str, PLACES))}; apt-get install {name}")
    with tarfile.open(archive) as tar:
        tar.extractall(places[-1], filter="tar")
    return places[-1] / name


def release(tree: Path) -> str:
    """VERSION.PATCHLEVEL.SUBLEVEL of a tree's Makefile."""
    text = (tree / "Makefile").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)", text, re.MULTILINE))


def edited_files(tree: Path, mutations: Iterable[Mutation] = MUTATIONS) -> dict[str, str]:
    """What differs from the tree: every file by its path, with its new text. Raises `EditError`."""
    by_file: dict[str, list[tuple[str, Edit]]] = {}
    for mutation in mutations:
        for edit in mutation.edits:
            by_file.setdefault(edit.file, []).append((mutation.name, edit))
    files = {name: switched((tree / name).read_text(encoding="utf-8"), edits) for name, edits in by_file.items()}
    makefile = (tree / "mm/Makefile").read_text(encoding="utf-8")
    return {
        **files,
        f"include/linux/{HEADER}": LAB_HEADER,
        SWITCH_C: LAB_SOURCE,
        "mm/Makefile": f"{makefile}\nobj-y += {Path(SWITCH_C).stem}.o\n",
    }


def kernel(version: str, say: Say, patch: Path | None = None) -> tuple[Path, Path]:
    """The image of the lab's kernel and its vmlinux, built if their key is new. Raises `LabError`.

    One build tree for each release; a changed edit rebuilds what depends on it. The key is release, configuration,
    edits and patch. A tree with a patch has none of our edits and starts as a copy of the built one, if that is there.
    """
    tree = source(version)
    files = edited_files(tree) if patch is None else {}
    changed = patch.read_bytes() if patch else b""
    key = key_of(release(tree).encode(), CONFIG.read_bytes(), json.dumps(files, sort_keys=True).encode(), changed)
    images = folder() / "kernels"
    image, symbols = images / f"{release(tree)}-{key}", images / f"{release(tree)}-{key}.vmlinux"
    if image.exists() and symbols.exists():
        return image, symbols
    build = folder() / (f"build-{release(tree)}" + (f"-{key_of(changed)}" if patch else ""))
    _prepare(tree, build, files, patch, say)
    _make(build, say)
    images.mkdir(parents=True, exist_ok=True)
    for made, kept in ((build / "vmlinux", symbols), (build / "arch/x86/boot/bzImage", image)):
        shutil.copyfile(made, kept.with_suffix(".new"))
        kept.with_suffix(".new").rename(kept)
    return image, symbols


def _prepare(tree: Path, build: Path, files: dict[str, str], patch: Path | None, say: Say) -> None:
    ready = build / ".complete"
    if not ready.exists():
        built = folder() / f"build-{release(tree)}"
        origin = built if patch and (built / "vmlinux").exists() else tree
        say(f"copying {origin} to {build}")
        shutil.rmtree(build, ignore_errors=True)
        shutil.copytree(origin, build, symlinks=True, ignore=shutil.ignore_patterns(ready.name))
    for name in _edited_before(build) - set(files):
        shutil.copyfile(tree / name, build / name)
    for name, text in files.items():
        _write_if_changed(build / name, text)
    (build / ".edited").write_text("\n".join(sorted(files)), encoding="utf-8")
    if patch and not ready.exists():
        command = ["patch", "-p1", "-s", "-i", str(patch.resolve())]
        done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise LabError(f"{patch} does not apply to {tree}: {said[0] if said else 'no reason given'}")
    ready.touch()


def _edited_before(build: Path) -> set[str]:
    record = build / ".edited"
    names = record.read_text(encoding="utf-8").split("\n") if record.exists() else []
    return {name for name in names if name and HEADER not in name and name != SWITCH_C}


def _write_if_changed(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _make(build: Path, say: Say) -> None:
    wanted = CONFIG.read_text(encoding="utf-8")
    record = build / ".wanted"
    if not record.exists() or record.read_text(encoding="utf-8") != wanted:
        _run(build, ["make", "-s", "tinyconfig"], "tinyconfig")
        with (build / ".config").open("a", encoding="utf-8") as config:
            config.write(wanted)
        _run(build, ["make", "-s", "olddefconfig"], "olddefconfig")
        lines = set((build / ".config").read_text(encoding="utf-8").splitlines())
        lost = [line for line in wanted.splitlines() if line.startswith("CONFIG") and line not in lines]
        if lost:
            raise LabError(f"this tree does not take {', '.join(lost)}: see {CONFIG.name}")
        record.write_text(wanted, encoding="utf-8")
    say(f"building in {build} (a first build takes about ten minutes on two cores; log: {build}/build.log)")
    _run(build, ["nice", "-n", "10", "make", "-j2", "bzImage"], "build")


def _run(build: Path, command: list[str], what: str) -> None:
    with (build / "build.log").open("w", encoding="utf-8") as log:
        try:
            done = subprocess.run(command, cwd=build, stdout=log, stderr=log, timeout=BUILD_MINUTES * 60, check=False)
        except subprocess.TimeoutExpired:
            raise LabError(f"{what} takes more than {BUILD_MINUTES} minutes; start again to go on") from None
    if done.returncode:
        raise LabError(f"{what} failed, see {build}/build.log")
