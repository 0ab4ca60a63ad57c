"""Holds the kernel tables against a kernel tree, so that a renamed function is noticed and not silently looked past.

Every name is looked up in the files that its row gives as source; lock functions must end in another lock function,
tests for pins must look at the pin count or call a test that does, gfp masks must mean what the tables say, and
arguments must stand where the tables say. What a small tree does not hold is not checked: in an excerpt, which has less
than half of the files that the tables name, a file is held to its names only if it has most of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path

from mmlint.frozen import dataclass
from mmlint.kernel import rows as r
from mmlint.kernel.canaries import Canary, canaries
from mmlint.kernel.gfpmask import GfpError, GfpMasks
from mmlint.kernel.headers import Definition, Files, Header, Sources, files_of
from mmlint.kernel.reader import visible
from mmlint.kernel.release import release_of
from mmlint.kernel.row import Row
from mmlint.kernel.tables import Tables, tables

_PATH = re.compile(r"[\w./-]+/[\w.-]+\.[ch]\b")
_GFP_HEADERS = ("include/linux/gfp_types.h", "include/linux/gfp.h", "include/asm-generic/pgalloc.h")
_BELOW = r"(?:_|raw_|rt_|arch_|do_|native_|queued_|test_and_|preempt_count_|pagefault_|sched_|this_cpu_)\w*"
_LOCKS = re.compile(
    rf"{_BELOW}(?:lock|acquire|save|disable|inc|add|kmap|begin|start|down|irq|read|write)(?:d?_\w+)?$|FGP_\w+$"
)
_UNLOCKS = re.compile(
    rf"{_BELOW}(?:lock|release|restore|enable|dec|sub|unmap|end|up|leave|irq|read|write)(?:d?_\w+)?$|folio_xor_flags\w+$"
)
_PIN_COUNT = re.compile(r"\bGUP_PIN_COUNTING_BIAS\b|\w*pincount\w*")
_GFP_ARGUMENT = re.compile(r"\bgfp_t\b|^_*(?:gfp|flags)\w*$")
_NO_NAMES = ("kind", "order", "resource", "probe", "optional", "direction", "step", "stronger", "same", "states")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One place where the tables and a tree differ.

    `check` is tree, name, lock, guard, gfp, argument or canary; `name` the kernel's name; `path` and `line` where the
    tree says otherwise ("" and 0 if nowhere).
    """

    check: str
    name: str
    message: str
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}: " if self.line else f"{self.path}: " if self.path else ""
        return f"{place}{self.check}: {self.message}"


def examine(tree: Files | Path | str, finds: Callable[[Canary], bool] | None = None) -> list[Diagnosis]:
    """All differences between the tables and a tree, in the order of the tables; none means the tables fit.

    `finds` says whether the analyzer still finds the known bug of a canary; with it, all of `canaries.py` must be found
    in this tree's spelling.
    """
    files = files_of(tree)
    release = release_of(files)
    if not release:
        text = "not a kernel tree: no Makefile with VERSION and PATCHLEVEL, and no header of mm tells its age"
        return [Diagnosis("tree", "", text, str(tree) if isinstance(tree, (str, Path)) else "")]
    exam = _Examination(tables().at(release), Sources(files), release)
    found = [*exam.names(), *exam.locks(), *exam.guards(), *exam.gfp_masks(), *exam.arguments()]
    if finds is not None:
        found += [_blind(canary, release) for canary in canaries(release) if not finds(canary)]
    return found


def _blind(canary: Canary, release: str) -> Diagnosis:
    text = f"{canary.code} does not find its known bug in the spelling of {release}"
    return Diagnosis("canary", canary.code, text)


def report(tree: Path | str, found: list[Diagnosis]) -> str:
    """The diagnoses as text, one a line, with a summary."""
    head = f"{tree}: kernel {release_of(tree) or 'unknown'}:"
    if not found:
        return f"{head} the tables fit, and {len(canaries(release_of(tree)))} known bugs are found in its spelling"
    return "\n".join([*map(str, found), f"{head} {counted(found)} to the tables"])


def counted(found: Sized) -> str:
    """How many differences there are, in words."""
    return f"{len(found)} difference{'s' * (len(found) != 1)}"


class _Examination:
    def __init__(self, table: Tables, sources: Sources, release: str) -> None:
        self.table = table
        self.sources = sources
        self.release = release

    def _homes(self, row: Row) -> tuple[list[Header], bool]:
        """The files of the tree that the row gives as source, and whether all of them are there."""
        paths = _PATH.findall(row.source)
        found = [header for header in map(self.sources.get, paths) if header is not None]
        return found, bool(paths) and len(found) == len(paths)

    def _definitions(self, row: Row) -> list[tuple[Header, Definition]]:
        homes = self._homes(row)[0]
        return [(home, each) for home in homes for each in home.defined(row.name)]

    def _rows(self) -> Iterator[Row]:
        for section, rows in self.table.sections.items():
            if section not in _NO_NAMES:
                yield from visible(rows, self.release)
        for resource in self.table.resources.values():
            yield from (*resource.takes, *resource.gives, *resource.transfers)

    def names(self) -> Iterator[Diagnosis]:
        cut = self._cut()
        seen: set[str] = set()
        for row in self._rows():
            homes, complete = self._homes(row)
            if row.name in seen or any(home.has(row.name) for home in homes):
                seen.add(row.name)
            elif complete and cut.isdisjoint(home.path for home in homes):
                seen.add(row.name)
                where = ", ".join(home.path for home in homes)
                yield Diagnosis("name", row.name, f"{row.name} is not defined here (looked in {where})", homes[0].path)

    def _cut(self) -> frozenset[str]:
        """The files of an excerpt of a tree that are excerpts themselves; none in a whole tree."""
        expected: dict[str, set[str]] = {}
        for row in self._rows():
            for path in _PATH.findall(row.source):
                expected.setdefault(path, set()).add(row.name)
        here = {path: home for path in expected if (home := self.sources.get(path)) is not None}
        if 2 * len(here) >= len(expected):
            return frozenset()
        return frozenset(p for p, home in here.items() if 2 * sum(map(home.has, expected[p])) < len(expected[p]))

    def locks(self) -> Iterator[Diagnosis]:
        for takes in self.table.takes.values():
            yield from self._ends_in(takes[0], takes[0].kind, self.table.takes, _LOCKS)
        for drops in self.table.drops.values():
            if drops[0].when not in ("maybe", "retry"):
                yield from self._ends_in(drops[0], drops[0].kind, self.table.drops, _UNLOCKS)

    def _ends_in(self, row: Row, kind: str, known: Iterable[str], primitive: re.Pattern[str]) -> Iterator[Diagnosis]:
        """A lock function whose every body is at hand ends in another one; what an architecture defines is its own."""
        shown = self._definitions(row)
        if not shown or kind == "lazy_mmu" or any(not each.body.strip() for _, each in shown):
            return
        if not any(_reaches(each, known, primitive) for _, each in shown):
            home, each = shown[0]
            does = "releases" if primitive is _UNLOCKS else "takes"
            text = f"{row.name} {does} no lock known here, the tables say it {does} {kind}"
            yield Diagnosis("lock", row.name, text, home.path, each.line)

    def guards(self) -> Iterator[Diagnosis]:
        pinned = self.table.with_class("pinned")
        for name in sorted(pinned):
            bodies = [(home, each) for home, each in self._definitions(self.table.guards[name]) if each.body.strip()]
            if bodies and not any(_PIN_COUNT.search(each.body) or (each.calls & pinned) - {name} for _, each in bodies):
                home, each = bodies[0]
                text = f"{name} neither looks at the pin count nor calls a test that does"
                yield Diagnosis("guard", name, text, home.path, each.line)

    def gfp_masks(self) -> Iterator[Diagnosis]:
        headers = [path for path in _GFP_HEADERS if self.sources.get(path) is not None]
        if "include/linux/gfp_types.h" not in headers and "include/linux/gfp.h" not in headers:
            return
        masks = GfpMasks(self.sources, tuple(headers))
        for row in self.table.gfp.values():
            if self._homes(row)[0] and row.reclaim is not None:
                yield from self._mask(masks, row)

    def _mask(self, masks: GfpMasks, row: r.GfpMask) -> Iterator[Diagnosis]:
        try:
            reclaims = masks.reclaims(row.name)
        except GfpError as problem:
            yield Diagnosis("gfp", row.name, f"{row.name}: {problem}", self._homes(row)[0][0].path)
            return
        if reclaims != row.reclaim:
            says, not_so = ("allows", "does not") if reclaims else ("does not allow", "does")
            text = f"{row.name} {says} direct reclaim here, the tables say it {not_so}"
            yield Diagnosis("gfp", row.name, text, self._homes(row)[0][0].path)

    def arguments(self) -> Iterator[Diagnosis]:
        for name, row in self.table.sleeps.items():
            if row.when == "gfp" and row.gfp_arg is not None:
                yield from self._argument(
                    row, name, row.gfp_arg, re.compile(r"\bgfp_t\b|^_?_?(gfp|flags|gfp_mask)\w*$")
                )
        for name, entry in self.table.gup.items():
            for position, words in (
                (entry.flags, r"flags"),
                (entry.pages, r"pages|folios"),
                (entry.nr, r"nr_pages|npages|maxpages|max_folios"),
                (entry.locked, r"locked"),
                (entry.write, r"write"),
            ):
                if position is not None:
                    yield from self._argument(entry, name, position, re.compile(words))

    def _argument(self, row: Row, name: str, position: int, wanted: re.Pattern[str]) -> Iterator[Diagnosis]:
        """The argument stands where the tables say, in some definition that names its parameters."""
        shown = [
            (home, each)
            for home in self._homes(row)[0]
            for each in (*home.defined(name), *home.defined(f"{name}_noprof"))
            if any(wanted.search(parameter) for parameter in each.parameters)
        ]
        right = [
            each for _, each in shown if len(each.parameters) > position and wanted.search(each.parameters[position])
        ]
        if shown and not right:
            home, each = shown[0]
            text = f"argument {position} of {name} is not `{wanted.pattern}`: {', '.join(each.parameters)}"
            yield Diagnosis("argument", name, text, home.path, each.line)


def _reaches(definition: Definition, known: Iterable[str], primitive: re.Pattern[str]) -> bool:
    """Whether the body names another known function, or one of the lock primitives below them."""
    names = set(re.findall(r"\w+", definition.body)) - {definition.name}
    return any(name in known or primitive.match(name) for name in names)
