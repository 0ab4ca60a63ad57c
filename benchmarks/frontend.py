"""Compare the front end with universal-ctags: `frontend.py TREE [FOLDER...]` (default folder: mm)."""

from __future__ import annotations

import argparse
import random
import subprocess
import time
from collections import Counter, defaultdict
from pathlib import Path

from mmlint.source.file import SourceFile
from mmlint.source.outline import outline


def ctags(tree: Path, files: list[Path]) -> dict[str, list[tuple[str, int, int]]]:
    """Functions by file: (name, line of the name, last line), as universal-ctags sees them."""
    out = subprocess.run(
        ["ctags", "--fields=+ne", "--c-kinds=f", "--sort=no", "-o", "-", "-L", "-"],
        cwd=tree, input="\n".join(map(str, files)).encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in out.decode("latin-1").splitlines():
        fields = row.split("\t")
        tags = dict(part.split(":", 1) for part in fields[3:] if ":" in part)
        if "line" in tags:
            found[fields[1]].append((fields[0], int(tags["line"]), int(tags.get("end", "0"))))
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("folders", nargs="*", default=["mm"])
    arguments.add_argument("--sample", type=int, default=0, help="look at this many files only, chosen by --seed")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--recursive", action="store_true")
    arguments.add_argument("--list", type=int, default=0, help="print this many differences and damaged functions")
    options = arguments.parse_args()
    pattern = "**/*.c" if options.recursive else "*.c"
    files = sorted(
        path.relative_to(options.tree) for folder in options.folders for path in (options.tree / folder).glob(pattern)
        if path.is_file()
    )  # fmt: skip
    if options.sample and options.sample < len(files):
        files = sorted(random.Random(options.seed).sample(files, options.sample))
    texts = {str(path): (options.tree / path).read_bytes() for path in files}
    report(options, texts, ctags(options.tree, files))


def report(options: argparse.Namespace, texts: dict[str, bytes], listed: dict[str, list[tuple[str, int, int]]]) -> None:
    start = time.perf_counter()
    for text in texts.values():
        outline(text)
    outlined = time.perf_counter()
    sources = {path: SourceFile(path, text) for path, text in texts.items()}
    damaged = [
        (path, function) for path, source in sources.items() for function in source.functions if function.damaged
    ]
    parsed = time.perf_counter()
    total = sum(len(source.functions) for source in sources.values())
    rows = missed = 0
    shown = 0
    kinds: Counter[str] = Counter()
    for path, tags in listed.items():
        spans = {(function.name_line, function.end_line) for function in sources[path].functions}
        starts = {function.name_line for function in sources[path].functions}
        for name, line, end in tags:
            rows += 1
            if (line, end) in spans:
                continue
            missed += 1
            kinds["other end" if line in starts else "not found"] += 1
            if shown < options.list:
                shown += 1
                print(f"DIFF {path}:{line} {name} ctags end {end}", "found" if line in starts else "absent")
    for path, function in damaged[: options.list]:
        print(f"DAMAGED {path}:{function.start_line} {function.name}")
    size = sum(len(text) for text in texts.values())
    lines = sum(text.count(b"\n") for text in texts.values())
    print(f"files {len(texts)}, bytes {size}, lines {lines}")
    print(
        f"ctags functions {rows}, same lines {rows - missed} ({100 * (rows - missed) / max(rows, 1):.3f} %), {dict(kinds)}"
    )
    print(f"functions {total}, undamaged {total - len(damaged)} ({100 * (total - len(damaged)) / max(total, 1):.3f} %)")
    print(f"outline {outlined - start:.2f} s, functions parsed {parsed - outlined:.2f} s")


if __name__ == "__main__":
    main()
