"""REF121 used-behind-scope: a pointer read out of a thing is used behind the block whose end gives the thing up.

## What it does
Follows what `CLASS(kind, variable)` and `__free(...)` give up at the end of their block. Where a pointer that was
declared outside gets a member of such a thing and is looked into or handed on behind the block, the use is reported.

## Why it matters
The reference is put where the block ends, at a brace that nobody reads as a call. What it kept alive (the mount and the
dentry of a file, the mm of a task) may be gone by the next line.

## Bad
```c
if (!name) {
        CLASS(fd, f)(dfd);
        mnt = fd_file(f)->f_path.mnt;
}
err = mnt_want_write(mnt);
```

## Good
```c
if (!name) {
        CLASS(fd, f)(dfd);
        path = fd_file(f)->f_path;
        path_get(&path);
}
err = mnt_want_write(path.mnt);
```

## Limits
Members only: what a call returns may be a reference of its own. A pointer on which any reference is taken in the
function is left alone. Nothing on mm/, fs/, kernel/ and io_uring/ of 6.12.

## Sources
include/linux/cleanup.h; include/linux/file.h; a review of two system calls on inode attributes.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.behindscope import behind_scope
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import UAF1


def check(function: Function) -> Iterator[Hit]:
    """Report the first use of each pointer behind the block."""
    for found in behind_scope(function):
        steps = (
            function.step(found.read.line, f"`{found.name}` is read out of `{found.thing}`"),
            function.step(found.end.line, f"the end of the block gives `{found.thing}` up"),
        )
        message = (
            f"`{found.name}` is used behind the block whose end gives up `{found.thing}`, which it was read out of"
        )
        yield function.hit(found.use, message, steps=steps, anchor=f"{found.name} of {found.thing}")


RULE = Rule(
    code="REF121",
    name="used-behind-scope",
    summary="a pointer read out of a thing is used behind the block whose end gives the thing up",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(behind_scope,),
    check=check,
    tokens=("CLASS", "__free"),
    shape=r"(?m)^[ \t]{2,}.*\b(?:CLASS|__free)\(",
    partial=True,
    scenario=UAF1,
)
