"""PAT103 one-config-arm: a function's signature changed in one arm of a preprocessor pair only.

## What it does
A function that a file defines more than once, under different conditions (the real one under `CONFIG_X`, the stub in
the `#else`), had the same parameters everywhere before the patch and has not after it.

## Why it matters
The build of the other configuration breaks, and it is the one that the author does not use.

## Bad
```diff
 #ifdef CONFIG_MMU_NOTIFIER
-void flush_secondary(struct mm_struct *mm);
+void flush_secondary(struct mm_struct *mm, unsigned long addr) { ... }
 #else
 static inline void flush_secondary(struct mm_struct *mm) { }
```

## Good
```diff
 #else
-static inline void flush_secondary(struct mm_struct *mm) { }
+static inline void flush_secondary(struct mm_struct *mm, unsigned long addr) { }
```

## Limits
Only arms in one file, and only the number and the types of parameters. Architectures that each have their own
definition are not compared. By hunks alone the arms are those that the tables know of in mm's headers.

## Sources
Proposed fork-event counter of 2020 (digest-000 E3); digest-001-004 R-PL6; review rule RR-105.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from mmlint.changes.change import FileText, PatchView
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S19


def check(view: PatchView) -> Iterator[Hit]:
    """Report each function whose arms had the same parameters before and have not after."""
    for file in view.files:
        if file.old_path is None or file.new_path is None:
            continue
        if view.partial:
            yield from _shown_arms(view, file)
        before, after = _arms(view.before.functions(file.old_path)), _arms(view.after.functions(file.new_path))
        for name, arms in after.items():
            old = before.get(name, [])
            if len(arms) < 2 or len(old) != len(arms) or len(_signatures(arms)) < 2 or len(_signatures(old)) > 1:
                continue
            changed = [arm for arm in arms if _signature(arm) not in _signatures(old)]
            left = [arm for arm in arms if arm not in changed]
            if changed and left:
                other = left[0]
                yield Hit(
                    changed[0].line,
                    f"`{name}` changed its parameters here but not under `{other.source.condition or 'no condition'}`",
                    anchor=f"{name} arms",
                    path=file.path,
                    steps=(other.step(other.line, "the arm with the old parameters"),),
                )


def _shown_arms(view: PatchView, file: FileText) -> Iterator[Hit]:
    """The functions known to have two arms of which the hunks show and change one: the other stays as it is."""
    for change in view.changes:
        row = view.tables.two_arms.get(change.name)
        before, after = change.before, change.after
        if row is None or row.path != file.path or change.file is not file or before is None or after is None:
            continue
        sides = [[f for f in side.program.functions(file.path) if f.name == change.name] for side in (before, after)]
        if all(len(side) == 1 for side in sides) and _signature(before) != _signature(after):
            told = f"`{change.name}` changed its parameters here, and its other arm is not in the patch"
            step = after.step(after.line, f"`{file.path}` defines it for kernels with and without a configuration")
            yield Hit(after.line, told, anchor=f"{change.name} arms", path=file.path, steps=(step,))


def _arms(functions: tuple[Function, ...]) -> dict[str, list[Function]]:
    found: dict[str, list[Function]] = defaultdict(list)
    for function in functions:
        if function.source.condition:
            found[function.name].append(function)
    return found


def _signature(function: Function) -> tuple[str, ...]:
    return tuple(param.type_text for param in function.source.params)


def _signatures(functions: list[Function]) -> set[tuple[str, ...]]:
    return {_signature(function) for function in functions}


RULE = Rule(
    code="PAT103",
    name="one-config-arm",
    summary="a function's signature changed in one arm of a preprocessor pair only",
    severity=Severity.WARNING,
    confidence=Confidence.HIGH,
    since="0.1",
    check_patch=check,
    partial=True,
    scenario=S19,
)
