"""PAT104 enum-and-table: an enum and the table of its names do not change together.

## What it does
Some enums have a table of texts elsewhere that is indexed by them (`vm_event_item` and `vmstat_text`,
`migrate_reason` and the names of the migrate tracepoints, `scan_result` and those of khugepaged). A patch that adds
to or takes from the enum must add to or take from the table as much, and the other way round.

## Why it matters
Nothing in the compiler ties the two together: every name after the new entry is off by one, in /proc/vmstat or in the
traces, for as long as nobody looks.

## Bad
```diff
 enum vm_event_item { PGPGIN, PGPGOUT,
+\t\tPGREUSE,
```

## Good
```diff
 enum vm_event_item { PGPGIN, PGPGOUT,
+\t\tPGREUSE,
...
 const char * const vmstat_text[] = {
+\t"pgreuse",
```

## Limits
The pairs of two files are listed in the rule; in one file a table is known by its name (`enum reason`,
`reason_names[]`). Entries are counted, not compared; a patch of which a later one of the series brings
the table is reported. Nothing is said where the patch has other files that do not fit the tree: one may be the other
half.

## Sources
PGREUSE counter of 2020 (digest-000 E4), which did it right; include/linux/vm_event_item.h and mm/vmstat.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mmlint.changes.change import FileText, PatchView
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S19


class _Pair(NamedTuple):
    header: str
    enum: str
    table: str
    names: str
    entry: str


_STRING = r'"[^"]*"'
_MODE = "include/linux/migrate_mode.h"
_PAIRS = (
    _Pair("include/linux/vm_event_item.h", "enum vm_event_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair("include/linux/mmzone.h", "enum zone_stat_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair("include/linux/mmzone.h", "enum node_stat_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair("include/linux/mmzone.h", "enum numa_stat_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair("include/linux/vmstat.h", "enum vm_stat_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair("include/linux/vmstat.h", "enum writeback_stat_item", "mm/vmstat.c", "vmstat_text[]", _STRING),
    _Pair(_MODE, "enum migrate_reason", "include/trace/events/migrate.h", "define MIGRATE_REASON", r"EMe?\("),
    _Pair("mm/khugepaged.c", "enum scan_result", "include/trace/events/huge_memory.h", "define SCAN_STATUS", r"EMe?\("),
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
_SUFFIXES = ("_names", "_name", "_text", "_texts", "_strings", "_str")
_ENUM = re.compile(r"\benum (\w+)\s*\{")
_TABLE = re.compile(rf"\bchar\s*\*\s*(?:const\s+)?(\w+(?:{'|'.join(_SUFFIXES)}))\[\]\s*=")
_ENUMERATOR = re.compile(r"[A-Za-z_]\w*(?:\([^()]*\))?\s*(?:=[^,}]*)?(?:,|$)")


def check(view: PatchView) -> Iterator[Hit]:
    """Report each table that grew or shrank otherwise than the enums it names."""
    files = {file.path: file for file in view.files}
    for file in view.files:
        if file.old_path and file.new_path:
            yield from _in_one_file(file)
    for table, names in dict.fromkeys((pair.table, pair.names) for pair in _PAIRS):
        pairs = [pair for pair in _PAIRS if (pair.table, pair.names) == (table, names)]
        enums = {pair: _growth(files.get(pair.header), pair.enum, _ENUMERATOR) for pair in pairs}
        texts = _growth(files.get(table), names, re.compile(pairs[0].entry))
        seen = table in files and any(pair.header in files for pair in pairs)
        if sum(enums.values()) == texts or (view.elsewhere and not seen):
            continue
        changed = next((pair for pair, growth in enums.items() if growth), pairs[0])
        side = files.get(changed.header) or files[table]
        yield Hit(
            min(side.added | side.removed, default=1),
            f"`{changed.enum}` grows by {enums[changed]} and `{names}` of {table} by {texts}",
            anchor=f"{changed.enum} {names}",
            path=side.path,
        )


def _in_one_file(file: FileText) -> Iterator[Hit]:
    """Report the enums of a file whose table of names, in the same file, does not grow with them."""
    text = file.after.decode("utf-8", "replace")
    for name in dict.fromkeys(_ENUM.findall(text)):
        table = next((t for t in _TABLE.findall(text) if t.removesuffix(_suffix(t)) == name), "")
        if not table or "[" in _body(text, f"{table}[]"):
            continue
        grown, texts = _growth(file, f"enum {name}", _ENUMERATOR), _growth(file, f"{table}[]", re.compile(_STRING))
        if grown != texts and _body(file.before.decode("utf-8", "replace"), f"{table}[]"):
            told = f"`enum {name}` grows by {grown} and `{table}[]` by {texts}"
            line = text[: text.index(f"enum {name}")].count("\n") + 1
            yield Hit(line, told, anchor=f"enum {name} {table}", path=file.path)


def _suffix(table: str) -> str:
    return next((end for end in _SUFFIXES if table.endswith(end)), "")


def _growth(file: FileText | None, head: str, entry: re.Pattern[str]) -> int:
    """How many entries more the enum or table has after the patch."""
    if file is None:
        return 0
    before, after = (_body(text.decode("utf-8", "replace"), head) for text in (file.before, file.after))
    return len(entry.findall(after)) - len(entry.findall(before))


def _body(text: str, head: str) -> str:
    """What stands in the braces behind `head`, or on the continued lines of a macro; comments are left out."""
    start = text.find(head)
    if start < 0:
        return ""
    if head.startswith("define"):
        end = re.compile(r"[^\\]\n").search(text, start)
        return _COMMENT.sub("", text[start : end.start() if end else len(text)])
    opening = text.find("{", start)
    closing = text.find("};", opening)
    return _COMMENT.sub("", text[opening + 1 : closing]) if 0 <= opening < closing else ""


RULE = Rule(
    code="PAT104",
    name="enum-and-table",
    summary="an enum and the table of its names do not change together",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    check_patch=check,
    scenario=S19,
)
