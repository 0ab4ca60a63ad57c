"""Compare the front end with universal-ctags: `frontend.py TREE [FOLDER...]` (default folder: mm).

Counts the functions ctags lists that `outline` finds with the same line of the name and the same last line, and the
functions whose own tree has no ERROR or MISSING node. `--recursive --sample 3000` looks at that many files below.
`--recursive --kept FILE .` reads a whole tree in batches and keeps the counts of each in FILE: a run that was stopped
goes on where it was, and once all is read the figures come from the file.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mmlint.source.file import SourceFile
from mmlint.source.outline import outline

BATCH = 1000
"""Files held in memory at a time."""
Tags = Mapping[str, list[tuple[str, int, int]]]


@dataclass
class Comparison:
    """Counts of one run; `differences` and `damaged` are `path:line name` lines."""

    files: int = 0
    lines: int = 0
    listed: int = 0
    functions: int = 0
    differences: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    outline_seconds: float = 0.0
    parse_seconds: float = 0.0

    @property
    def same_share(self) -> float:
        """Functions of ctags that were found with the same lines, of all ctags lists."""
        return 1 - len(self.differences) / max(self.listed, 1)

    @property
    def read_share(self) -> float:
        """Functions with an undamaged tree, of all that were found."""
        return 1 - len(self.damaged) / max(self.functions, 1)

    def add(self, other: Comparison) -> None:
        """Add the counts of other files."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


def texts_of(tree: Path, files: Iterable[Path]) -> dict[str, bytes]:
    return {str(path): (tree / path).read_bytes() for path in files}


def listed_functions(tree: Path, files: Iterable[str]) -> Tags:
    """What ctags lists, by file: name, line of the name, last line."""
    out = subprocess.run(
        ["ctags", "--fields=+ne", "--c-kinds=f", "--language-force=C", "--sort=no", "-o", "-", "-L", "-"],
        cwd=tree, input="\n".join(files).encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in out.decode("latin-1").splitlines():
        fields = row.split("\t")
        tags = dict(part.split(":", 1) for part in fields[3:] if ":" in part)
        if "line" in tags:
            found[fields[1]].append((fields[0], int(tags["line"]), int(tags.get("end", "0"))))
    return found


def compare(texts: Mapping[str, bytes], listed: Tags) -> Comparison:
    """The counts of these files."""
    result = Comparison(len(texts), sum(text.count(b"\n") for text in texts.values()))
    start = time.process_time()
    for text in texts.values():
        outline(text)
    result.outline_seconds = time.process_time() - start
    for path, text in texts.items():
        start = time.process_time()
        source = SourceFile(path, text)
        result.damaged += [f"{path}:{unread.line} {unread.name}" for unread in source.unread]
        result.parse_seconds += time.process_time() - start
        result.functions += len(source.functions)
        spans = {(function.name_line, function.end_line) for function in source.functions}
        tags = listed.get(path, [])
        result.listed += len(tags)
        result.differences += [f"{path}:{line}-{end} {name}" for name, line, end in tags if (line, end) not in spans]
    return result


def batches(tree: Path, files: list[Path], kept: Path | None) -> Comparison:
    """The counts of all files, batch by batch; those that `kept` holds from an earlier run are not worked out again."""
    done = [json.loads(line) for line in kept.read_text().splitlines()] if kept is not None and kept.exists() else []
    known = {row["first"]: Comparison(**row["counts"]) for row in done}
    result = Comparison()
    for at in range(0, len(files), BATCH):
        first = str(files[at])
        if first not in known:
            texts = texts_of(tree, files[at : at + BATCH])
            known[first] = compare(texts, listed_functions(tree, texts))
            if kept is not None:
                with kept.open("a") as out:
                    print(json.dumps({"first": first, "counts": asdict(known[first])}), file=out)
        result.add(known[first])
    return result


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("folders", nargs="*", default=["mm"])
    arguments.add_argument("--sample", type=int, default=0, help="look at this many files only, chosen by --seed")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--recursive", action="store_true")
    arguments.add_argument("--kept", type=Path, help="keep the counts of each batch in this file, and use those in it")
    arguments.add_argument("--list", type=int, default=0, help="print this many differences and damaged functions")
    options = arguments.parse_args()
    pattern = "**/*.c" if options.recursive else "*.c"
    below = (path for folder in options.folders for path in (options.tree / folder).glob(pattern))
    files = sorted(path.relative_to(options.tree) for path in below if path.is_file())
    if options.sample and options.sample < len(files):
        files = sorted(random.Random(options.seed).sample(files, options.sample))
    result = batches(options.tree, files, options.kept)
    for row in result.differences[: options.list]:
        print("differs:", row)
    for row in result.damaged[: options.list]:
        print("unread:", row)
    print(f"files {result.files}, lines {result.lines}")
    same, read = 100 * result.same_share, 100 * result.read_share
    print(f"ctags functions {result.listed}, differing {len(result.differences)}: {same:.3f} % the same")
    print(f"functions {result.functions}, unread {len(result.damaged)}: {read:.3f} % read")
    print(f"outline {result.outline_seconds:.2f} s, every function parsed {result.parse_seconds:.2f} s (CPU)")


if __name__ == "__main__":
    main()
