"""PAT101 changelog-names-nothing: the changelog names a function that neither the tree nor the patch has.

## What it does
Takes every `name()` of the subject and the changelog and looks for it in the patch, in the files it touches, in their
folders, in mm/ and in include/linux. One that is nowhere, while a name that is nearly the same is in the files of the
patch, is reported.

## Why it matters
A changelog is read for years by people who search for the names in it. A name that was never there sends them astray,
and often shows that the text belongs to an older version of the patch.

## Bad
```
The callers of devm_memremap_page_release() hold the lock.
```

## Good
```
The callers of devm_memremap_pages_release() hold the lock.
```

## Limits
Only names with a near twin in the files of the patch (one part of the name differs by a letter or two): what is
somewhere else in the kernel, or was removed long ago, is not known. Needs a tree with the patches before this one.

## Sources
ZONE_DEVICE thread of 2019 (digest-001-004 R-PL1): `devm_memremap_page_release()`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from mmlint.changes.change import PatchView
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD6

_CALLED = re.compile(r"(?<![\w.>/-])([a-z_]\w{5,})\(\)")
_WORD = re.compile(rb"[A-Za-z_]\w{4,}")
_SHARED = ("include/linux", "mm")
_NEAR = 0.8
_LETTERS = 2


def check(view: PatchView) -> Iterator[Hit]:
    """Report each function name of the changelog that is nowhere and nearly the same as one that is there."""
    names = dict.fromkeys(_CALLED.findall(f"{view.subject}\n{view.body}"))
    if not names or not view.files:
        return
    here = {word.decode() for f in view.files for text in (f.before, f.after) for word in _WORD.findall(text)}
    for name in names:
        if name in here:
            continue
        twin = [other for other in here if abs(len(other) - len(name)) <= _LETTERS and _slip(name, other)]
        if twin and not _somewhere(view, name):
            file = view.files[0]
            yield Hit(
                line=min(file.added, default=1),
                message=f"the changelog names `{name}()`, which is nowhere; `{twin[0]}` is in the patch's files",
                anchor=f"changelog {name}",
                path=file.path,
            )


def _slip(name: str, other: str) -> bool:
    """Whether two names differ in one part only, by a letter or two behind its first: a slip of the pen."""
    mine, parts = name.split("_"), other.split("_")
    if len(mine) != len(parts):
        return False
    unequal = [(a, b) for a, b in zip(mine, parts, strict=True) if a != b]
    return len(unequal) == 1 and unequal[0][0][:1] == unequal[0][1][:1] and _near(*unequal[0])


def _near(a: str, b: str) -> bool:
    return min(len(a), len(b)) > _LETTERS and difflib.SequenceMatcher(None, a, b).ratio() >= _NEAR


def _somewhere(view: PatchView, name: str) -> bool:
    """Whether the name occurs in the folders of the patch's files or in the shared headers."""
    needle = re.compile(rb"\b" + name.encode() + rb"\b")
    tree = view.after.tree
    for folder in dict.fromkeys((*(f.path.rpartition("/")[0] for f in view.files), *_SHARED)):
        for file in tree.names(folder):
            if file.endswith((".c", ".h", ".S")) and needle.search(tree.read(f"{folder}/{file}") or b""):
                return True
    return False


RULE = Rule(
    code="PAT101",
    name="changelog-names-nothing",
    summary="the changelog names a function that neither the tree nor the patch has",
    severity=Severity.INFO,
    confidence=Confidence.MEDIUM,
    since="0.1",
    check_patch=check,
    scenario=ZD6,
)
