"""PAT131 one-word-exchanged: a function is what it was but for one word, and does something else.

## What it does
Compares the words of each function before and after the patch. One operator is another one (`&&` and `||`, `==` and
`!=`, `<` and `<=`, a `!` that comes or goes), `true` is `false`, `break` is `continue`, an error is no error, a jump
leads to another label and nothing tells which one is right, or a call that the tables know gets another variable of the
same type, or a constant for a parameter or variable of the function, or another constant for that which means all of
something (`WAKE_NEXT` for `WAKE_ALL`). Any call counts where the code says that the variable is the wrong one: the call
gets it twice now, it is where a safe walk goes on, it has no value yet, or nothing reads the other one any more; and so
does what is computed of a variable without a value. Nothing else in the function is different. A loop that counts by
the variable of the loop around it is reported, too, and so is a condition that holds whatever the flags are (`flags |
VM_WRITE`).

## Why it matters
Such a change is a mend or a slip, and a reviewer reads over it. `is_cow_mapping(flags) || pte_write(pte)` protects
other entries than `&&` did; `folio_put(src)` in the place of `folio_put(dst)` frees one that is in use and leaks the
other.

## Bad
```diff
-	if (is_cow_mapping(vma->vm_flags) && pte_write(pte))
+	if (is_cow_mapping(vma->vm_flags) || pte_write(pte))
```

## Good
```diff
-	if (!(folio && page))
+	if (!folio || !page)
```

## Limits
Silent where the function's callers or callees change in the same patch, and where another function loses the word,
too. A patch that says what it mends (`Fixes:`) is told at info: it may well be the mend.

## Sources
mm/memory.c __copy_present_ptes; Documentation/process/submitting-patches.rst (Fixes:).
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.edits.sameindex import shared_counter
from mmlint.changes.edits.slips import Slip, slip
from mmlint.changes.questions.alwaystrue import always_true
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import PUT1

from mmlint_rules.pat.lost import cut


def compare(change: FunctionChange) -> Iterator[Hit]:
    """Report the one word, or the counter that a loop shares with the one around it now."""
    found, shared = slip(change), shared_counter(change)
    severity = Severity.INFO if change.patch.mends else None
    if shared is not None and change.after is not None:
        node, name = shared
        message = f"`{name}` counts the loop around this one, too"
        yield change.after.hit(node, message, severity=severity, anchor=f"counter {name}")
    always = always_true(change)
    if always is not None and change.after is not None:
        message = f"`{cut(always.key)}` always holds"
        yield change.after.hit(always, message, severity=severity, anchor=f"always {always.key}")
        return
    if found is None or change.after is None or shared is not None:
        return
    yield change.after.hit(found.node, _says(found), severity=severity, anchor=f"word {found.was} {found.now}")


def _says(found: Slip) -> str:
    if found.call:
        return f"`{found.call}` gets `{found.now}`, no longer `{found.was}`"
    if found.was and found.now:
        return f"`{found.now}` stands here where `{found.was}` did"
    return f"`{found.was}` is gone here" if found.was else f"`{found.now}` is new here"


RULE = Rule(
    code="PAT131",
    name="one-word-exchanged",
    summary="a function is what it was but for one word, and does something else",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    compare=compare,
    last=True,
    by_steps=True,
    scenario=PUT1,
)
