"""PAT102 malformed-trailer: a trailer of the changelog cannot be read by tools.

## What it does
Looks at the last paragraphs of the changelog for lines that are meant as trailers and are not: a tag without its colon
(`Cc Somebody <mail>`), a misspelt tag, a person without an address, a `Fixes:` without a commit and its title.

## Why it matters
Trailers are read by scripts: who is told, which stable kernels get the patch, who is asked when it breaks. A line that
does not parse is not there.

## Bad
```
Cc Ingo Molnar <mingo@kernel.org>
Fixes: the refcount patch
```

## Good
```
Cc: Ingo Molnar <mingo@kernel.org>
Fixes: 1234567890ab ("mm: count references of device pages")
```

## Limits
Tags that nobody knows are let be. A `Fixes:` that names a URL or a bare commit is reported, an empty one too.

## Sources
Documentation/process/submitting-patches.rst; ZONE_DEVICE thread of 2019 (digest-001-004 R-PL2).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from mmlint.changes.change import PatchView
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD6

_PERSON_TAGS = (
    "Signed-off-by", "Reviewed-by", "Acked-by", "Tested-by", "Reported-by", "Suggested-by", "Co-developed-by",
    "Reported-and-tested-by", "Cc",
)  # fmt: skip
_NO_COLON = re.compile(rf"({'|'.join(_PERSON_TAGS)})[ \t;,]+[^:]*<[^<>@\s]+@[^<>\s]+>\s*$", re.I)
_TAG = re.compile(r"([A-Za-z]+(?:-[A-Za-z]+)+|Cc|Fixes):\s*(.*)$")
_FIXES = re.compile(r"(commit )?[0-9a-f]{8,40} \(.+\)?$")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_MISSPELT = 0.84
_PARAGRAPHS = 2


def check(view: PatchView) -> Iterator[Hit]:
    """Report each line at the end of the changelog that looks like a trailer and is none."""
    if not view.files:
        return
    file = view.files[0]
    for line in _ending(view.body):
        problem = _problem(line)
        if problem:
            shown = line if len(line) <= 50 else line[:47] + "..."
            yield Hit(min(file.added, default=1), f"trailer `{shown}`: {problem}", anchor=line, path=file.path)


def _ending(body: str) -> list[str]:
    """The lines of the last paragraphs, unindented ones only."""
    paragraphs = re.split(r"\n\s*\n", body.split("\n---", 1)[0].strip("\n"))
    lines = "\n".join(paragraphs[-_PARAGRAPHS:]).splitlines()
    return [line.rstrip() for line in lines if line[:1].strip()]


def _problem(line: str) -> str:
    if _NO_COLON.match(line):
        return "the colon after the tag is missing"
    tag = _TAG.match(line)
    if tag is None:
        return ""
    name, value = tag[1], tag[2].strip()
    known = next((t for t in _PERSON_TAGS if t.lower() == name.lower()), None)
    if name.lower() == "fixes":
        return "" if _FIXES.match(value) else 'write `Fixes: <12 digits of the commit> ("title")`'
    if known is None:
        near = difflib.get_close_matches(name, _PERSON_TAGS, 1, _MISSPELT) if "-" in name else []
        return f"did you mean `{near[0]}:`?" if near and _ADDRESS.search(value) else ""
    if known != "Cc" and not _ADDRESS.search(value) and "syzbot" not in value.lower():
        return "no mail address"
    return ""


RULE = Rule(
    code="PAT102",
    name="malformed-trailer",
    summary="a trailer of the changelog cannot be read by tools",
    severity=Severity.INFO,
    confidence=Confidence.HIGH,
    since="0.1",
    check_patch=check,
    partial=True,
    scenario=ZD6,
)
