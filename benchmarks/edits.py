"""Take protocol steps out of real functions, and do harmless things to the same code: `edits.py TREE [--list]`.

Every edit is made by a mutator that knows C and the step tables, nothing of a single function: a removed, weakened or
swapped step must be reported by a PAT rule in that function, a harmless change must not be. `--kind remove-check` runs
one mutator, `--per-kind N` bounds how many functions each one edits (spread over the files by a fixed seed).
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import to_finding
from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.finding import Finding, Severity
from mmlint.inputs.tree import FolderTree, OverlayTree
from mmlint.patches import changed_lines
from mmlint.rule import load

if TYPE_CHECKING:
    from tree_sitter import Node

FILES = (
    "mm/memory.c", "mm/huge_memory.c", "mm/hugetlb.c", "mm/gup.c", "mm/ksm.c", "mm/khugepaged.c", "mm/rmap.c",
    "mm/mremap.c", "mm/mprotect.c", "mm/migrate.c", "mm/migrate_device.c", "mm/userfaultfd.c", "mm/vmscan.c",
    "mm/swapfile.c", "mm/madvise.c", "mm/memory-failure.c", "mm/page_idle.c", "mm/compaction.c", "fs/proc/task_mmu.c",
)  # fmt: skip
BAIL = re.compile(rb"\b(goto|return|continue|break)\b")
Span = tuple[int, int, bytes]
CHECKS = frozenset({"pinned", "pte_same", "expected_count", "freeze", "seq", "interval_retry", "revalidate"})


@dataclass(frozen=True)
class Edit:
    """Replacements (start, end, new bytes) inside the slice of one function."""

    kind: str
    function: Function
    spans: tuple[Span, ...]
    what: str

    def apply(self) -> bytes:
        """The text of the file after the edit."""
        source = self.function.source
        text = source.file.text
        for start, end, new in sorted(self.spans, reverse=True):
            text = text[: source.start_byte + start] + new + text[source.start_byte + end :]
        return text


def nodes(function: Function, *types: str) -> Iterator[Node]:
    """The nodes of these types, outermost first."""
    work = [function.source.body]
    while work:
        node = work.pop(0)
        if node.type in types:
            yield node
        work = list(node.named_children) + work


def text(function: Function, node: Node) -> bytes:
    """The original bytes of a node."""
    return function.source.source(node)


def line_span(function: Function, node: Node) -> tuple[int, int]:
    """The slice offsets of the whole lines a statement stands on."""
    whole = function.text
    start = whole.rfind(b"\n", 0, node.start_byte) + 1
    end = whole.find(b"\n", node.end_byte)
    return start, (end if end >= 0 else len(whole) - 1) + 1


def callee(node: Node, function: Function) -> str:
    """The name of a call expression's callee."""
    name = node.child_by_field_name("function")
    return text(function, name).decode() if name is not None and name.type == "identifier" else ""


def calls(function: Function, node: Node) -> list[str]:
    """The callees below a node."""
    found, work = [], [node]
    while work:
        each = work.pop()
        if each.type == "call_expression":
            found.append(callee(each, function))
        work += each.named_children
    return found


def is_check(function: Function, node: Node) -> bool:
    """Whether a condition calls a guard of the classes whose loss is always a bug."""
    guards = function.tables.guards
    return any(name in guards and guards[name].class_ in CHECKS for name in calls(function, node))


def bails(function: Function, node: Node) -> bool:
    """Whether an `if` without `else` leaves in its body."""
    body = node.child_by_field_name("consequence")
    if body is None or node.child_by_field_name("alternative") is not None:
        return False
    return BAIL.search(text(function, body)) is not None and not text(function, node).startswith(b"scoped_")


def condition(node: Node) -> Node | None:
    """What stands in the parentheses of an `if`."""
    head = node.child_by_field_name("condition")
    inner = [c for c in head.named_children if c.type != "comment"] if head is not None else []
    return inner[0] if len(inner) == 1 else None


def unhinted(function: Function, node: Node) -> Node:
    """The condition inside `likely()` or `unlikely()`."""
    while node.type == "call_expression" and callee(node, function) in ("likely", "unlikely"):
        arguments = node.child_by_field_name("arguments")
        if arguments is None or len(arguments.named_children) != 1:
            return node
        node = arguments.named_children[0]
    while node.type == "parenthesized_expression" and len(node.named_children) == 1:
        node = node.named_children[0]
    return node


# ------------------------------------------------------------------- steps taken away


def remove_check(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`if (check) bail;` is deleted."""
    for node in nodes(function, "if_statement"):
        head = condition(node)
        if head is None or not bails(function, node) or not is_check(function, head):
            continue
        if unhinted(function, head).type != "binary_expression" or b"&&" not in text(function, head) + text(
            function, head
        ):
            yield text(function, head).decode(), ((*line_span(function, node), b""),)


def remove_term(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """One term of a `||` that bails, or of a `&&` that goes on, is deleted."""
    for node in nodes(function, "if_statement"):
        head = condition(node)
        if head is None:
            continue
        core = unhinted(function, head)
        if core.type != "binary_expression":
            continue
        operator = text(function, core.child_by_field_name("operator") or core)
        if operator not in (b"||", b"&&") or (operator == b"||") != bails(function, node):
            continue
        left, right = core.child_by_field_name("left"), core.child_by_field_name("right")
        if left is None or right is None:
            continue
        for gone, kept in ((left, right), (right, left)):
            if is_check(function, gone):
                yield text(function, gone).decode(), ((core.start_byte, core.end_byte, text(function, kept)),)


def _statements(function: Function, names: frozenset[str], assigned: bool = False) -> Iterator[tuple[str, Node]]:
    for node in nodes(function, "expression_statement"):
        inner = node.named_children[0] if node.named_children else None
        if inner is None:
            continue
        if assigned and inner.type == "assignment_expression":
            inner = inner.child_by_field_name("right")
        if inner is not None and inner.type == "call_expression" and callee(inner, function) in names:
            yield callee(inner, function), node


def _remove_call(names: Callable[[Function], frozenset[str]], assigned: bool = False) -> Mutator:
    def mutate(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
        for name, node in _statements(function, names(function), assigned):
            parent = node.parent
            if parent is not None and parent.type == "compound_statement":
                yield name, ((*line_span(function, node), b""),)
            elif parent is not None and parent.type == "if_statement":
                yield name, ((*line_span(function, parent), b""),)

    return mutate


def weaken(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A call is exchanged for a weaker one of the same order."""
    steps = function.tables.steps
    for node in nodes(function, "call_expression"):
        name = callee(node, function)
        place = node.child_by_field_name("function")
        for row in steps.stronger.values():
            if place is None or row.only or not row.scenario or name not in row.calls:
                continue
            weaker = [w for w in row.calls[row.calls.index(name) + 1 :] if steps.weakened(name, w) and w != "nothing"]
            if weaker and weaker[0].isidentifier():
                yield f"{name} -> {weaker[0]}", ((place.start_byte, place.end_byte, weaker[0].encode()),)
                break


def flush_after_unlock(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A flush statement changes places with the unlock that follows it."""
    flushes = frozenset(n for n, row in function.tables.flushes.items() if row.sync and not row.clears)
    drops = frozenset({"pte_unmap_unlock", "spin_unlock"})
    block: Node | None
    for name, node in _statements(function, flushes):
        block = node if node.parent is not None and node.parent.type == "compound_statement" else node.parent
        following = block.next_named_sibling if block is not None else None
        if block is None or following is None or following.type != "expression_statement":
            continue
        if any(c in drops for c in calls(function, following)):
            a, b = line_span(function, block), line_span(function, following)
            whole = function.text
            yield name, ((a[0], b[1], whole[b[0] : b[1]] + whole[a[0] : a[1]]),)


# ---------------------------------------------------------------------- harmless


def _checks(function: Function) -> Iterator[tuple[Node, Node]]:
    guards = function.tables.guards
    for node in nodes(function, "if_statement"):
        head = condition(node)
        if head is None or text(function, node).startswith((b"scoped_", b"#")):
            continue
        if any(name in guards for name in calls(function, head)):
            yield node, head


def swap_operands(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`a || b` becomes `b || a`."""
    for _, head in _checks(function):
        core = unhinted(function, head)
        left, right = core.child_by_field_name("left"), core.child_by_field_name("right")
        if core.type == "binary_expression" and left is not None and right is not None:
            operator = text(function, core.child_by_field_name("operator") or core)
            if operator in (b"||", b"&&", b"==", b"!=") and b"\n" not in text(function, core):
                new = text(function, right) + b" " + operator + b" " + text(function, left)
                yield text(function, core).decode(), ((core.start_byte, core.end_byte, new),)


def de_morgan(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`a || b` becomes `!(!(a) && !(b))`."""
    for _, head in _checks(function):
        core = unhinted(function, head)
        left, right = core.child_by_field_name("left"), core.child_by_field_name("right")
        if core.type == "binary_expression" and left is not None and right is not None:
            operator = text(function, core.child_by_field_name("operator") or core)
            if operator in (b"||", b"&&"):
                other = b"&&" if operator == b"||" else b"||"
                new = b"!(!(" + text(function, left) + b") " + other + b" !(" + text(function, right) + b"))"
                yield text(function, core).decode(), ((core.start_byte, core.end_byte, new),)


def split_or(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`if (a || b) bail;` becomes two tests."""
    for node, head in _checks(function):
        core = unhinted(function, head)
        body = node.child_by_field_name("consequence")
        left, right = core.child_by_field_name("left"), core.child_by_field_name("right")
        if body is None or left is None or right is None or not bails(function, node):
            continue
        if core.type == "binary_expression" and text(function, core.child_by_field_name("operator") or core) == b"||":
            parts = [b"if (" + text(function, side) + b")\n\t\t" + text(function, body) for side in (left, right)]
            yield text(function, core).decode(), ((node.start_byte, node.end_byte, b"\n\t".join(parts)),)


def hint(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`if (x)` becomes `if (unlikely(x))`, a hint is taken away."""
    for _, head in _checks(function):
        core = unhinted(function, head)
        new = text(function, core) if core is not head else b"unlikely(" + text(function, head) + b")"
        yield text(function, head).decode(), ((head.start_byte, head.end_byte, new),)


def through_variable(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """`if (check(x)) bail;` becomes `verdict = check(x); if (verdict) bail;`."""
    for node, head in _checks(function):
        core = unhinted(function, head)
        if core.type != "call_expression" or node.parent is None or node.parent.type != "compound_statement":
            continue
        spans = (
            (node.start_byte, node.start_byte, b"verdict = " + text(function, core) + b";\n\t"),
            (head.start_byte, head.end_byte, b"verdict"),
        )
        yield text(function, head).decode(), spans


def into_helper(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A condition moves into a new function."""
    for _, head in _checks(function):
        core = unhinted(function, head)
        words = list(dict.fromkeys(re.findall(rb"(?<![\w>.])[a-z_]\w*(?!\s*\(|\w)", text(function, core))))
        if b"->" in text(function, core) and len(words) > 4:
            continue
        params = b", ".join(b"void *" + w for w in words)
        helper = b"static bool edited_helper(" + params + b")\n{\n\treturn " + text(function, core) + b";\n}\n\n"
        call = b"edited_helper(" + b", ".join(words) + b")"
        yield text(function, head).decode(), ((0, 0, helper), (core.start_byte, core.end_byte, call))


def rename_variable(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A local variable or parameter gets another name."""
    for param in function.source.params:
        if not param.name or len(param.name) < 3:
            continue
        pattern = re.compile(rb"(?<![\w>.])" + param.name.encode() + rb"(?!\w)")
        spans = tuple((m.start(), m.end(), b"renamed_" + param.name.encode()) for m in pattern.finditer(function.text))
        yield param.name, spans


def statements_into_helper(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A call that is a step moves into a new function together with the statement before it."""
    steps = function.tables.steps
    names = frozenset(
        word for row in steps.by_name.values() if row.role in ("sync", "mark", "release") for word in row.calls
    )
    for name, node in _statements(function, names):
        before = node.prev_named_sibling
        if before is None or before.type != "expression_statement" or node.named_children[0].type != "call_expression":
            continue
        body = text(function, before) + b"\n\t" + text(function, node)
        words = list(dict.fromkeys(re.findall(rb"(?<![\w>.])[a-z_]\w*(?!\s*\(|\w)", body)))
        if b"=" in text(function, before):
            continue
        params = b", ".join(b"void *" + w for w in words)
        helper = b"static void edited_helper(" + params + b")\n{\n\t" + body + b"\n}\n\n"
        call = b"edited_helper(" + b", ".join(words) + b");"
        yield name, ((0, 0, helper), (before.start_byte, node.end_byte, call))


def same_call(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A call is exchanged for one that does the same."""
    steps = function.tables.steps
    for node in nodes(function, "call_expression"):
        name, place = callee(node, function), node.child_by_field_name("function")
        others = sorted(w for w in steps.equals(name) if w != name and w.isidentifier())
        if others and place is not None:
            yield f"{name} -> {others[0]}", ((place.start_byte, place.end_byte, others[0].encode()),)


def log_between(function: Function) -> Iterator[tuple[str, tuple[Span, ...]]]:
    """A statistics line changes places with the step before it."""
    names = frozenset(word for row in function.tables.steps.by_name.values() for word in row.calls)
    for name, node in _statements(function, names):
        after = node.next_named_sibling
        if after is None or after.type != "expression_statement" or node.parent is None:
            continue
        if node.parent.type == "compound_statement" and re.match(
            rb"(count_vm|inc_mm|dec_mm|add_mm|mm_inc|trace_)", text(function, after)
        ):
            a, b, whole = line_span(function, node), line_span(function, after), function.text
            yield name, ((a[0], b[1], whole[b[0] : b[1]] + whole[a[0] : a[1]]),)


Mutator = Callable[[Function], Iterator[tuple[str, tuple[Span, ...]]]]


def _role(*roles: str) -> Callable[[Function], frozenset[str]]:
    def names(function: Function) -> frozenset[str]:
        rows = function.tables.steps.by_name.values()
        return frozenset(w for row in rows if row.role in roles and row.scenario for w in row.calls)

    return names


def _rule(rule: str) -> Callable[[Function], frozenset[str]]:
    def names(function: Function) -> frozenset[str]:
        rows = function.tables.steps.by_name.values()
        return frozenset(
            w for row in rows if row.rule == rule and row.scenario for w in row.calls if w not in function.tables.guards
        )

    return names


def _flushes(function: Function) -> frozenset[str]:
    return frozenset(n for n, row in function.tables.flushes.items() if row.sync and not row.clears)


BAD: dict[str, Mutator] = {
    "remove-check": remove_check,
    "remove-term": remove_term,
    "remove-flush": _remove_call(_flushes),
    "remove-notifier": _remove_call(_rule("PAT109")),
    "remove-release": _remove_call(_rule("PAT110")),
    "remove-carry": _remove_call(_rule("PAT111"), assigned=True),
    "remove-mark": _remove_call(_rule("PAT112")),
    "weaken": weaken,
    "flush-after-unlock": flush_after_unlock,
}
GOOD: dict[str, Mutator] = {
    "swap-operands": swap_operands,
    "de-morgan": de_morgan,
    "split-or": split_or,
    "hint": hint,
    "through-variable": through_variable,
    "into-helper": into_helper,
    "rename-variable": rename_variable,
    "statements-into-helper": statements_into_helper,
    "same-call": same_call,
    "reordered": log_between,
}


def edits(program: Program, kind: str, mutator: Mutator, most: int) -> list[Edit]:
    """At most `most` edits of one kind, at most two for a function, the same ones every time."""
    found: list[Edit] = []
    for path in FILES:
        for function in program.functions(path):
            if function.source.damaged:
                continue
            here = [Edit(kind, function, spans, what) for what, spans in mutator(function)]
            found += random.Random(function.name).sample(here, min(2, len(here)))
    random.Random(kind).shuffle(found)
    return found[:most]


def check(edit: Edit, base: Program, *, undo: bool = False) -> list[Finding]:
    """What the PAT rules say of an edit, or of the patch that takes it back."""
    path = edit.function.path
    before, after = edit.function.source.file.text, edit.apply()
    other = Program(OverlayTree(base.tree, {path: after}), base, frozenset((path,)))
    old, new = (other, base) if undo else (base, other)
    if undo:
        before, after = after, before
    added, removed = changed_lines(before, after)
    file = FileText(path, path, path, before, after, added, removed)
    view = PatchView("edit", "", old, new, (file,))
    view.changes.extend(pair_functions(file, view))
    rules = [rule for rule in load() if rule.family == "PAT" and rule.status == "stable"]
    found = [
        to_finding(rule, hit, path, change.name)
        for rule in rules
        if rule.compare is not None
        for change in view.changes
        for hit in rule.compare(change)
    ]
    return [f for f in found if f.severity is not Severity.INFO]


def main() -> None:
    """Run and print recall by kind and false alarms by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree")
    parser.add_argument("--kind", default="")
    parser.add_argument("--per-kind", type=int, default=25)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    base = Program(FolderTree(options.tree))
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for word, mutators, undo in (("recall", BAD, False), ("false on undoing", BAD, True), ("false", GOOD, False)):
        for kind, mutator in mutators.items():
            if options.kind and kind != options.kind:
                continue
            started = time.monotonic()
            chosen = edits(base, kind, mutator, options.per_kind)
            reported = 0
            for edit in chosen:
                found = check(edit, base, undo=undo)
                if word == "recall":
                    found = [f for f in found if f.function == edit.function.name]
                reported += bool(found)
                if options.list and bool(found) != (word == "recall"):
                    said = "; ".join(f"{f.code}:{f.line} {f.message}" for f in found) or "silent"
                    print(f"    {edit.function.path} {edit.function.name}: {edit.what[:90]!r}: {said}")
            totals[word][0] += reported
            totals[word][1] += len(chosen)
            each = (time.monotonic() - started) / max(1, len(chosen))
            print(f"{word}, {kind}: {reported} of {len(chosen)}, {each:.2f} s each", flush=True)
    for word, (reported, total) in totals.items():
        print(f"{word}: {reported} of {total} = {reported / max(1, total):.3f}")


if __name__ == "__main__":
    main()
