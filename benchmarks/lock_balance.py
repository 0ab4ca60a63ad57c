"""List the functions of mm/ that the lock analysis does not bring to every return: `lock_balance.py TREE [FOLDER...]`.

Judges each function that may change locks, by what is held, or released of the caller's, at its returns:

  balanced   nothing is left at any return
  promised   what is left is what its annotation, name, result type (vm_fault_t: mmap_lock), `locked` parameter or the
             tables promise, or what it hands to its caller
  unknown    a part of it is not read, has too many states, or a callee's effect is not told by its result
  left       something is left that nothing promises

and says in one line for each of the last two why. `--callers` also lists those that are unknown by a callee alone.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmlint.facts.function import Function
from mmlint.facts.locks import contract
from mmlint.facts.locks.held import Held
from mmlint.facts.locks.locks import lock_effects, locks
from mmlint.facts.locks.lockwords import is_api, may_change_locks
from mmlint.facts.program import Program
from mmlint.inputs.tree import FolderTree

_DROPPER = re.compile(r"unlock|(^|_)(end|put|release|finish|exit|leave|stop|done|drop|resume|enable|unfreeze)(_|\d|$)")


@dataclass(frozen=True)
class Verdict:
    """What a function is judged to be, and why."""

    function: Function
    kind: str
    reason: str = ""
    inherited: bool = False

    def __str__(self) -> str:
        return f"{self.kind:8} {self.function.path}:{self.function.line} {self.function.name}: {self.reason}"


def judge(function: Function) -> Verdict:
    if function.source.damaged or function.cfg.truncated:
        return Verdict(function, "unknown", "a part of it is not read")
    facts = locks(function)
    if facts.flow.overflow:
        return Verdict(function, "unknown", "more states than are followed")
    left = {held for _, prop, _, _ in facts.flow.returns for held in prop}
    if not left:
        return Verdict(function, "balanced")
    if all(promised(function, held) for held in left):
        return Verdict(function, "promised")
    odd = sorted({shown(held) for held in left if not promised(function, held)})
    if facts.uncertain:
        callees = sorted({callee.name for callee in untold(function)})
        by = f" (the effect of {', '.join(callees)} is not told by its result)" if callees else ""
        return Verdict(function, "unknown", ", ".join(odd) + by, bool(callees))
    return Verdict(function, "left", ", ".join(odd))


def promised(function: Function, held: Held) -> bool:
    """Whether annotation, name, tables, result or storage say that a lock goes out (or a caller's is released)."""
    tables, name = function.tables, function.name
    if held.gone:
        told = contract.annotated_dropper(function) or _DROPPER.search(name) is not None or name in tables.drops
        retry = held.kind in ("mmap_lock", "vma_lock") and "vm_fault_t" in function.source.returns
        return told or retry or (held.kind == "mmap_lock" and any("lock" in param for param in function.params))
    exits = [node for node, prop, _, _ in locks(function).flow.returns if held in prop]
    return (
        contract.named_taker(function)
        or name in tables.takes
        or contract.visible(function, held, exits, dropped=False)
        or contract.passed_on(function, held)
        or contract.caller_releases(function)
        or contract.twin_releases(function, held)
    )


def untold(function: Function) -> Iterator[Function]:
    """The callees whose effect on the locks their result does not tell."""
    for name in function.calls:
        told = name in function.tables.takes or name in function.tables.drops or is_api(function.tables, name)
        if name and not told:
            callee = function.program.resolve(name, function.path)
            if callee is not None and callee is not function and any(e.uncertain for e in lock_effects(callee)):
                yield callee


def shown(held: Held) -> str:
    what = f"{held.kind} {held.key}".strip()
    return f"releases {what} of its caller" if held.gone else f"keeps {what} (line {held.line})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("tree", type=Path)
    arguments.add_argument("folders", nargs="*", default=["mm"])
    arguments.add_argument("--callers", action="store_true", help="list those unknown by a callee alone, too")
    options = arguments.parse_args()
    program = Program(FolderTree(options.tree))
    below = (path for folder in options.folders for path in (options.tree / folder).rglob("*.c"))
    files = sorted(path.relative_to(options.tree).as_posix() for path in below)
    functions = [function for path in files for function in program.functions(path)]
    verdicts = [judge(function) for function in functions if may_change_locks(function)]
    for verdict in verdicts:
        if verdict.reason and (options.callers or not verdict.inherited):
            print(verdict)
    counts = Counter(verdict.kind for verdict in verdicts)
    print(f"functions {len(functions)}, of which {len(verdicts)} may change locks")
    for kind in ("balanced", "promised", "left", "unknown"):
        count = counts[kind]
        print(f"{kind:9}{count:5}  {count / len(verdicts):6.1%} of these, {count / len(functions):.1%} of all")
    print(f"of the unknown, {sum(v.inherited for v in verdicts if v.kind == 'unknown')} by a callee alone")


if __name__ == "__main__":
    main()
