"""Every caller of GUP in a tree, as the analysis sees it: `gup_callers.py TREE [FOLDER...] [--markdown]`.

One line for each call of get_user_pages*, pin_user_pages*, iov_iter_extract_pages and their wrappers: place, flags that
are set on every path (`must`), flags that may be set, lifetime class, and what GUP101 says.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmlint.facts.function import Function
from mmlint.facts.owners.gup import LONGTERM
from mmlint.facts.pins.pins import Lifetime, PinSite, lifetime, pin_sites
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree

FOLDERS = ("arch", "block", "drivers", "fs", "io_uring", "kernel", "lib", "mm", "net", "security", "virt")
_NAMES = re.compile(rb"\b(get_user_page|pin_user_pages|iov_iter_extract_pages|memfd_pin_folios)\w*\s*\(")


@dataclass(frozen=True)
class Caller:
    """One row of the table."""

    path: str
    line: int
    function: str
    call: str
    flags: str
    lifetime: Lifetime
    verdict: str

    def cells(self) -> tuple[str, ...]:
        """The row as texts."""
        return (f"{self.path}:{self.line}", self.function, self.call, self.flags, self.lifetime.value, self.verdict)


def files(root: Path, folders: tuple[str, ...]) -> Iterator[str]:
    """The C files below the folders that name an entry point, in order."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.c")):
            if _NAMES.search(path.read_bytes()):
                yield path.relative_to(root).as_posix()


def callers(program: Program, path: str) -> Iterator[Caller]:
    """The GUP calls of one file."""
    for function in program.functions(path):
        for pin in pin_sites(function):
            yield _caller(function, pin)


def _caller(function: Function, pin: PinSite) -> Caller:
    held = lifetime(function, pin)
    return Caller(function.path, pin.call.line, function.name, pin.call.value, _flags(pin), held, _verdict(pin, held))


def _flags(pin: PinSite) -> str:
    flags = pin.site.flags
    said = sorted(flags.must) + [f"[{f}]" for f in sorted(flags.may - flags.must)]
    said += ["caller's"] * bool(flags.params) + ["unknown"] * flags.unknown
    return " ".join(said).replace("FOLL_", "") or "0"


def _verdict(pin: PinSite, held: Lifetime) -> str:
    if LONGTERM in pin.site.flags.must:
        return "longterm"
    if not pin.site.lacks_longterm:
        return "not judged"
    if held is not Lifetime.USER:
        return "right without"
    return "missing" if pin.site.kind == "pin" else "get kept"


def main() -> None:
    """Print the table and its totals."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("folders", nargs="*", default=list(FOLDERS))
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    program = Program(FolderTree(options.tree))
    rows = [row for path in files(options.tree, tuple(options.folders)) for row in callers(program, path)]
    if options.markdown:
        print("| place | function | call | flags | lifetime | verdict |\n|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row.cells()) + " |" if options.markdown else "\t".join(row.cells()))
    totals = ", ".join(f"{n} {verdict}" for verdict, n in Counter(row.verdict for row in rows).most_common())
    print(f"\n{len(rows)} callers: {totals}; {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
