"""A scratch git repository with many commits of many kinds on parts of a kernel tree, made through `git fast-import`.

Nothing is checked out. Every line of history is a branch of its own on the same root: one commit, or a series. The
edits are those of `edits.py` (steps taken away, harmless changes) and the ones below, which are about files and mails
rather than C: renames, moved functions, other line ends, bytes that are no UTF-8, lines that look like diff headers.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import edits
from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree

PARTS = ("Makefile", "mm", "include", "kernel", "lib", "fs/proc", "fs/hugetlbfs", "arch/x86/include", "arch/x86/mm")
"""What of the tree goes into the repository: enough to resolve what mm/ calls."""
KEPT = (".c", ".h", "Makefile", "Kconfig")
AUTHORS = (
    "A Hacker <hacker@example.org>",
    "Jörg Müller <jm@example.org>",
    "山田 太郎 <yamada@example.org>",
    'Quote "Nick" Person <quote@example.org>',
)
BODIES = (
    "The old code was longer than it had to be.\n",
    "From the start this looked odd; say so.\n\nFrom here on it does not.\n",
    "> quoted by hand\n> twice\n\nAn indented diff:\n\n    diff --git a/mm/x.c b/mm/x.c\n    @@ -1 +1 @@\n    -a\n",
    "Größe und Maß: the words are not ASCII.\n\n" + "One long line " * 90 + "\n",
    "Call edited_away_long_ago() no more.\n\nFixes: 123 mm: no such commit\n",
    "",
)
TITLES = (
    "mm: change {what}",
    "mm: {what}: Änderung",
    "mm: " + "a subject that is folded because it goes on and on " * 3 + "{what}",
    "[nit] mm/{what}: brackets of its own",
)
Files = dict[str, bytes | None]


@dataclass(frozen=True)
class Commit:
    """One commit: files to write (None deletes), modes beside 644, its kind for the table."""

    kind: str
    files: Mapping[str, bytes | None]
    executable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Line:
    """Commits one after the other on the root, as the branch `name`."""

    name: str
    commits: list[Commit] = field(default_factory=list)


def tree_files(tree: Path) -> dict[str, bytes]:
    """The files of the parts, by their path in the tree."""
    found = {}
    for part in PARTS:
        top = tree / part
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.name.endswith(KEPT):
                found[path.relative_to(tree).as_posix()] = path.read_bytes()
    return found


# ------------------------------------------------------------------- edits


def spans(edit: edits.Edit) -> Iterator[edits.Span]:
    """The replacements of an edit, by offsets in the file."""
    start = edit.function.source.start_byte
    return ((start + low, start + high, new) for low, high, new in edit.spans)


def edited(base: Mapping[str, bytes], chosen: list[edits.Edit]) -> Files:
    """The files after edits of different functions."""
    files: Files = {}
    for path in {edit.function.path for edit in chosen}:
        text = base[path]
        here = [span for edit in chosen if edit.function.path == path for span in spans(edit)]
        for low, high, new in sorted(here, reverse=True):
            text = text[:low] + new + text[high:]
        files[path] = text
    return files


def substitutions(base: Mapping[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """(kind, path, text): one place of a file written otherwise."""
    table = (
        ("gfp-in-header", r"include/linux/.*\.h", rb"GFP_(?:ATOMIC|NOWAIT)\b", b"GFP_KERNEL"),
        ("gfp", r"(?:mm|lib|kernel)/.*\.c", rb"GFP_(?:ATOMIC|NOWAIT)\b", b"GFP_KERNEL"),
        ("longterm-dropped", r"mm/.*\.c", rb"FOLL_LONGTERM \| |(?: \||\|=) FOLL_LONGTERM", b""),
        ("error-path-return", r"mm/.*\.c", rb"goto (?:out|unlock|out_unlock);", b"return -EINVAL;"),
        ("sleep-in-helper", r"mm/.*\.c", rb"(?<=\)\n\{\n)", b"\tmsleep(1);\n"),
    )
    chance = random.Random("substitutions")
    for kind, where, pattern, new in table:
        places = [
            (path, match.span())
            for path in sorted(base)
            if re.fullmatch(where, path)
            for match in re.finditer(pattern, base[path])
        ]
        for path, (low, high) in chance.sample(places, min(9, len(places))):
            yield kind, path, base[path][:low] + new + base[path][high:]


def shapes(base: Mapping[str, bytes], functions: list[Function]) -> Iterator[Commit]:
    """Commits that are hard to mail or to follow, whatever the code in them says."""
    chance = random.Random("shapes")
    sources = sorted(path for path in base if path.startswith("mm/") and path.endswith(".c"))
    for at, path in enumerate(chance.sample(sources, 8)):
        text, other = base[path], chance.choice(sources)
        middle = text.index(b"\n\n", len(text) // 2) + 2
        yield Commit("rename", {path: None, path[:-2] + "-moved.c": text + b"\n/* moved */\n"})
        yield Commit("crlf", {path: text[:middle] + text[middle:].replace(b"\n", b"\r\n", 20)})
        yield Commit("no-newline", {path: text.rstrip(b"\n")})
        yield Commit(
            "bytes", {path: text[:middle] + b"/* Gr\xf6\xdfe \x0c \xa0 " + b"long " * 250 + b" */  \n" + text[middle:]}
        )
        yield Commit("mode", {path: text}, frozenset((path,)))
        signs = b"/*\n-- a/mm/x.c\n++ b/mm/x.c\n@@ -1 +1 @@\nFrom me Thu Jan  1 00:00:00 2026\n-- \n*/\n"
        yield Commit("looks-like-diff", {path: text[:middle] + signs + text[middle:]})
        yield Commit("tabs-and-blanks", {path: re.sub(rb"\n\n(\w)", rb"\n \t\n\1", text, count=5)})
        yield Commit("new-file", {f"mm/demo{at}.c": new_file(at)})
        if other != path:
            yield Commit("deleted", {other: None, path: text[:middle] + b"static int demo_flag;\n" + text[middle:]})
    for function in chance.sample(functions, 10):
        source = function.source
        body, path = source.file.text[source.start_byte : source.end_byte], function.path
        there = next(other for other in sources if other != path and b"linux/mm.h" in base[other])
        left = base[path].replace(body, b"", 1)
        yield Commit("moved-function", {path: left, there: base[there] + b"\n" + body + b"\n"})


def new_file(number: int) -> bytes:
    """A file with bugs of three families."""
    return (
        b"#include <linux/mm.h>\n\n"
        b"static int demo%d_pin(unsigned long start, struct page **pages, int nr)\n{\n"
        b"\tint got = pin_user_pages_fast(start, nr, FOLL_WRITE, pages);\n\n"
        b"\tif (got < nr)\n\t\treturn -EFAULT;\n\treturn 0;\n}\n\n"
        b"static void *demo%d_alloc(struct mm_struct *mm, pmd_t *pmd)\n{\n"
        b"\tspinlock_t *ptl = pmd_lock(mm, pmd);\n"
        b"\tvoid *room = kmalloc(64, GFP_KERNEL);\n\n"
        b"\tif (!room)\n\t\treturn NULL;\n\tspin_unlock(ptl);\n\treturn room;\n}\n" % (number, number)
    )


def lines(base: Mapping[str, bytes], tree: Path, per_kind: int) -> list[Line]:
    """Every line of history, the same ones every time."""
    program = Program(FolderTree(tree))
    found: list[Line] = []
    pool: list[edits.Edit] = []
    for kind, mutator in {**edits.BAD, **edits.GOOD}.items():
        chosen = edits.edits(program, kind, mutator, per_kind + 4)
        found += [Line(f"{kind}-{at}", [Commit(kind, edited(base, [edit]))]) for at, edit in enumerate(chosen[4:])]
        pool += chosen[:4]
    singles = [Commit(kind, {path: text}) for kind, path, text in substitutions(base)]
    singles += shapes(base, [edit.function for edit in pool])
    found += [Line(f"{commit.kind}-{at}", [commit]) for at, commit in enumerate(singles)]
    return found + series(base, pool, singles)


def series(base: Mapping[str, bytes], pool: list[edits.Edit], singles: list[Commit]) -> list[Line]:
    """Lines of three to seven commits; in every second one the last commit takes the first one back."""
    chance = random.Random("series")
    found = []
    for at in range(14):
        chosen: dict[tuple[str, str], edits.Edit] = {}
        for edit in chance.sample(pool, 3 + at % 4):
            chosen.setdefault((edit.function.path, edit.function.name), edit)
        done: list[edits.Edit] = []
        commits = []
        for edit in chosen.values():
            done.append(edit)
            commits.append(Commit("in-series", {edit.function.path: edited(base, done)[edit.function.path]}))
        if at % 2:
            path = done[0].function.path
            left = edited(base, done[1:])
            commits.append(Commit("taken-back", {path: left.get(path, base[path])}))
        touched = {path for commit in commits for path in commit.files}
        free = [single for single in singles if not touched & set(single.files)]
        commits.insert(1, chance.choice(free))
        found.append(Line(f"series-{at}", commits))
    return found


# ------------------------------------------------------------------- the repository


def has(repo: Path, all_lines: list[Line]) -> bool:
    """Whether the repository has these lines and no others: the edits follow the tables, which change."""
    command = ["git", "-C", str(repo), "for-each-ref", "--format=%(refname:short)", "refs/heads"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and set(done.stdout.split()) == {"main", *(line.name for line in all_lines)}


def write(repo: Path, base: Mapping[str, bytes], all_lines: list[Line]) -> None:
    """Make the bare repository `repo` with a branch for every line, and the root as `main`."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(repo)], check=True)
    stream = bytearray()
    _commit(stream, "main", "root\n", AUTHORS[0], "", Commit("root", base))
    number = 0
    for line in all_lines:
        parent = "refs/heads/main"
        for commit in line.commits:
            what = next(iter(commit.files)).rpartition("/")[2]
            message = f"{TITLES[number % len(TITLES)].format(what=what)}\n\n{BODIES[number % len(BODIES)]}"
            message += "\nSigned-off-by: A Hacker <hacker@example.org>\n"
            _commit(stream, line.name, message, AUTHORS[number % len(AUTHORS)], parent, commit)
            parent, number = "", number + 1
    subprocess.run(["git", "-C", str(repo), "fast-import", "--quiet"], input=bytes(stream), check=True)


def _commit(stream: bytearray, branch: str, message: str, author: str, parent: str, commit: Commit) -> None:
    text = message.encode()
    when = "1700000000 +0000"
    stream += f"commit refs/heads/{branch}\nauthor {author} {when}\ncommitter {AUTHORS[0]} {when}\n".encode()
    stream += b"data %d\n" % len(text) + text + b"\n"
    if parent:
        stream += f"from {parent}\n".encode()
    for path, content in commit.files.items():
        if content is None:
            stream += f"D {path}\n".encode()
        else:
            mode = 100755 if path in commit.executable else 100644
            stream += f"M {mode} inline {path}\ndata {len(content)}\n".encode() + content + b"\n"
    stream += b"\n"
