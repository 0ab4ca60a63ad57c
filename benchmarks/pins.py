"""Bring old bugs about references and pins back into real drivers, file systems and mm: `pins.py TREE [--list]`.

Each edit is a slip that reviews of such code name: FOLL_LONGTERM left out, `put_page` for `unpin_user_page`, a release
missing on an error path, pages kept beyond the call, `_refcount` by hand, a page touched after its put. It is checked
as a patch, with every stable rule: a warning or an error in the edited function counts as found, one anywhere
else as new elsewhere. A mutator knows C and the tables, nothing of a single function.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edits import Edit, Mutator, Span, bails, callee, calls, condition, line_span, nodes, text
from mmlint.changes.change import FileText, PatchView, pair_functions
from mmlint.engine import check_patch
from mmlint.facts.function import Function
from mmlint.facts.program import Program
from mmlint.finding import Finding, Severity
from mmlint.inputs.tree import FolderTree, OverlayTree
from mmlint.patches import changed_lines
from mmlint.rule import Rule, load

if TYPE_CHECKING:
    from tree_sitter import Node

FOLDERS = ("arch", "drivers", "fs", "io_uring", "mm", "net", "virt")
OWN = ("mm/gup.c", "mm/gup_test.c", "mm/swap.c")
"""Where pins and references are made: what its functions do is what others rely on."""
USES = re.compile(rb"\b(pin_user_pages?|get_user_pages?|pin_user_pages_\w+|get_user_pages_\w+)\s*\(")
COUNTS = re.compile(rb"\b(get_page|put_page|folio_get|folio_put|folio_try_get|get_page_unless_zero)\s*\(")
LONGTERM = re.compile(rb"\s*\|\s*FOLL_LONGTERM\b|\bFOLL_LONGTERM\s*\|\s*")
WORD = re.compile(rb"[A-Za-z_]\w*")
PUTS = frozenset({"put_page", "folio_put", "unpin_user_page"})
GUP = re.compile(r"(get|pin)_user_pages\w*$")
Spans = Iterator[tuple[str, tuple[Span, ...]]]


def statements(function: Function) -> Iterator[tuple[Node, Node]]:
    """(statement, call) of the statements that are one call each."""
    for node in nodes(function, "expression_statement"):
        if node.named_children and node.named_children[0].type == "call_expression":
            yield node, node.named_children[0]


def arguments(function: Function, call: Node) -> list[bytes]:
    """The arguments of a call, as written."""
    found = call.child_by_field_name("arguments")
    return [text(function, arg) for arg in found.named_children if arg.type != "comment"] if found is not None else []


def line(function: Function, statement: Node, new: bytes = b"") -> Span:
    """A statement's lines replaced; one that is the whole body of an `if` or a loop leaves an empty one."""
    if statement.parent is not None and statement.parent.type == "compound_statement":
        start, end = line_span(function, statement)
        return (start, end, b"\t" + new + b"\n" if new else b"")
    return (statement.start_byte, statement.end_byte, new or b";")


def renamed(call: Node, name: bytes) -> Span:
    """A call by another name."""
    place = call.child_by_field_name("function") or call
    return (place.start_byte, place.end_byte, name)


def taken(function: Function) -> set[bytes]:
    """The local variables that get a page from a call that hands one out with a reference."""
    found: set[bytes] = set()
    for node in nodes(function, "assignment_expression", "init_declarator"):
        left = node.child_by_field_name("left") or node.child_by_field_name("declarator")
        right = node.child_by_field_name("right") or node.child_by_field_name("value")
        if left is not None and right is not None and right.type == "call_expression":
            rows = function.tables.takes_resource.get(callee(right, function), ())
            if any(row.resource == "folio reference" and row.holder == "result" for row in rows):
                found.add(text(function, left).lstrip(b"* "))
    return found


# ------------------------------------------------------------------------ pins


def drop_longterm(function: Function) -> Spans:
    """FOLL_LONGTERM is left out."""
    for node in nodes(function, "expression_statement", "declaration", "if_statement", "return_statement"):
        here = text(function, node)
        if node.type == "if_statement":
            head = node.child_by_field_name("condition")
            node, here = (head, text(function, head)) if head is not None else (node, b"")
        new = LONGTERM.sub(b"", here)
        if new == here:
            new = re.sub(rb"\bFOLL_LONGTERM\b", b"0", here)
        if new != here and b"FOLL_LONGTERM" not in new and b"&" not in here.replace(b"&&", b""):
            yield here.decode(), ((node.start_byte, node.end_byte, new),)


def put_for_unpin(function: Function) -> Spans:
    """A pin is given back as a plain reference."""
    other = {"unpin_user_page": b"put_page", "unpin_user_pages": b"release_pages"}
    for node in nodes(function, "call_expression"):
        name = callee(node, function)
        if name in other:
            yield f"{name} -> {other[name].decode()}", (renamed(node, other[name]),)


def get_for_pin(function: Function) -> Spans:
    """Pages are taken by get_user_pages and unpinned."""
    if b"FOLL_LONGTERM" in function.text or not any(name.startswith("unpin_user_page") for name in function.calls):
        return
    for node in nodes(function, "call_expression"):
        name = callee(node, function)
        if name.startswith("pin_user_pages"):
            yield name, (renamed(node, name.replace("pin_", "get_", 1).encode()),)


def skip_release(function: Function) -> Spans:
    """One of the releases of a function that takes what it releases is left out."""
    t = function.tables
    takes = {row.resource for name in function.calls for row in t.takes_resource.get(name, ())}
    for node, call in statements(function):
        rows = t.gives_resource.get(callee(call, function), ())
        if any(row.resource in takes and row.resource in RELEASED for row in rows):
            yield text(function, node).decode(), (line(function, node),)


RELEASED = frozenset({"page pin", "folio reference", "pagemap reference"})


def drop_dirty(function: Function) -> Spans:
    """Pages that were written are unpinned without being marked dirty."""
    for node, call in statements(function):
        args = arguments(function, call)
        if callee(call, function) == "unpin_user_pages_dirty_lock" and len(args) == 3 and args[2] in (b"true", b"1"):
            new = b"unpin_user_pages(" + args[0] + b", " + args[1] + b");"
            yield text(function, node).decode(), (line(function, node, new),)


def keep_beyond(function: Function) -> Spans:
    """Pages pinned for the call are stored in an object, and the release of its file gives them back."""
    if b"FOLL_LONGTERM" in function.text or not any(GUP.match(name) for name in function.calls):
        return
    owner = next((p for p in function.source.params if p.name and "struct" in p.type_text and "*" in p.type_text), None)
    if owner is None or "vm_area_struct" in owner.type_text:
        return
    name, kind = owner.name.encode(), owner.type_text.encode()
    for node, call in statements(function):
        args = arguments(function, call)
        unpins = callee(call, function) in ("unpin_user_pages", "unpin_user_pages_dirty_lock")
        if unpins and WORD.fullmatch(args[0]) and not _on_error(node):
            store = name + b"->edited_pages = " + args[0] + b";\n\t" + name + b"->edited_nr = " + args[1] + b";"
            release = RELEASE.replace(b"OWNER", kind).replace(b"NAME", name)
            yield text(function, node).decode(), ((0, 0, release), line(function, node, store))


RELEASE = b"""static int edited_release(struct inode *inode, struct file *file)
{
	OWNER NAME = file->private_data;

	unpin_user_pages(NAME->edited_pages, NAME->edited_nr);
	return 0;
}

static const struct file_operations edited_fops = {
	.release = edited_release,
};

"""


def _on_error(node: Node) -> bool:
    """Whether a statement stands in a branch that leaves the function, or behind its successful return."""
    here: Node | None = node
    while here is not None and here.type != "function_definition":
        around = here.parent
        if around is not None and around.type == "compound_statement":
            last = around.named_children[-1].type
            branch = around.parent is not None and around.parent.type == "if_statement"
            earlier = around.named_children[: around.named_children.index(here)]
            if (branch and last in LEAVES) or any(each.type == "return_statement" for each in earlier):
                return True
        here = around
    return False


LEAVES = frozenset({"goto_statement", "return_statement"})


def under_spinlock(function: Function) -> Spans:
    """Pages are taken inside a spinlock."""
    for node in nodes(function, "expression_statement"):
        names = [c for c in calls(function, node) if GUP.match(c) and not c.endswith("_only")]
        if names and node.parent is not None and node.parent.type == "compound_statement":
            new = b"spin_lock(&edited_lock);\n\t" + text(function, node) + b"\n\tspin_unlock(&edited_lock);"
            yield names[0], ((node.start_byte, node.end_byte, new),)


def without_mmap_lock(function: Function) -> Spans:
    """The mmap lock around GUP is not taken."""
    if not {"get_user_pages", "pin_user_pages", "get_user_pages_remote", "pin_user_pages_remote"} & set(function.calls):
        return
    spans = tuple(
        line(function, node)
        for node, call in statements(function)
        if callee(call, function) in ("mmap_read_lock", "mmap_read_unlock")
    )
    if len(spans) > 1:
        yield "mmap_read_lock", spans


def pin_by_caller(function: Function) -> Spans:
    """A caller sets FOLL_PIN by itself."""
    for node in nodes(function, "call_expression"):
        if GUP.match(callee(node, function)):
            found = re.search(rb"\bFOLL_WRITE\b", text(function, node))
            if found:
                at = node.start_byte + found.start()
                yield callee(node, function), ((at, at, b"FOLL_PIN | "),)


# ------------------------------------------------------------------ references


def raw_count(function: Function) -> Spans:
    """The count is changed by hand."""
    by_hand = {
        "get_page": b"atomic_inc",
        "folio_get": b"atomic_inc",
        "put_page": b"atomic_dec",
        "folio_put": b"atomic_dec",
    }
    for node, call in statements(function):
        args, name = arguments(function, call), callee(call, function)
        if name in by_hand and len(args) == 1 and WORD.fullmatch(args[0]):
            new = by_hand[name] + b"(&" + args[0] + b"->_refcount);"
            yield text(function, node).decode(), ((node.start_byte, node.end_byte, new),)


def touch_after_put(function: Function) -> Spans:
    """The put changes places with the statement before it, which uses the page."""
    mine = taken(function)
    for node, call in statements(function):
        args, before = arguments(function, call), node.prev_named_sibling
        if callee(call, function) in PUTS and len(args) == 1 and args[0] in mine and before is not None:
            used = re.search(rb"\b(" + args[0] + rb"->\w+|\w+\(" + args[0] + rb"\b)", text(function, before))
            if (
                before.type == "expression_statement"
                and used
                and not text(function, before).startswith(args[0] + b" =")
            ):
                a, b, whole = line_span(function, before), line_span(function, node), function.text
                if a[1] <= b[0]:
                    yield text(function, before).decode(), ((a[0], b[1], whole[b[0] : b[1]] + whole[a[0] : a[1]]),)


def put_twice(function: Function) -> Spans:
    """The same reference is put twice."""
    mine = taken(function)
    for node, call in statements(function):
        args = arguments(function, call)
        inside = node.parent is not None and node.parent.type == "compound_statement"
        if callee(call, function) in PUTS and len(args) == 1 and args[0] in mine and inside:
            here = text(function, node)
            yield here.decode(), ((node.end_byte, node.end_byte, b"\n\t" + here),)


def _unchecked(function: Function, names: frozenset[str], other: dict[str, bytes]) -> Spans:
    for node in nodes(function, "if_statement"):
        head = condition(node)
        if head is None or not bails(function, node) or head.type != "unary_expression":
            continue
        inner = head.child_by_field_name("argument")
        if inner is not None and inner.type == "call_expression" and callee(inner, function) in names:
            name = other.get(callee(inner, function), callee(inner, function).encode())
            args = inner.child_by_field_name("arguments")
            new = name + (text(function, args) if args is not None else b"()") + b";"
            yield text(function, head).decode(), ((node.start_byte, node.end_byte, new),)


def unchecked_freeze(function: Function) -> Spans:
    """The result of a freeze is not looked at."""
    return _unchecked(function, frozenset({"page_ref_freeze", "folio_ref_freeze"}), {})


def get_for_try(function: Function) -> Spans:
    """A reference is taken for sure where it may only be tried."""
    other = {"get_page_unless_zero": b"get_page", "folio_try_get": b"folio_get"}
    return _unchecked(function, frozenset(other), other)


def split_test(function: Function) -> Spans:
    """A put that tells whether it was the last one becomes a put and a question."""
    other = {
        "put_page_testzero": (b"page_ref_dec", b"page_count"),
        "folio_put_testzero": (b"folio_ref_dec", b"folio_ref_count"),
        "page_ref_dec_and_test": (b"page_ref_dec", b"page_ref_count"),
    }
    for node in nodes(function, "if_statement"):
        head = condition(node)
        if head is None or head.type != "call_expression" or callee(head, function) not in other:
            continue
        if node.parent is not None and node.parent.type == "compound_statement":
            put, ask = other[callee(head, function)]
            of = b"(" + b", ".join(arguments(function, head)) + b")"
            spans = (
                (node.start_byte, node.start_byte, put + of + b";\n\t"),
                (head.start_byte, head.end_byte, b"!" + ask + of),
            )
            yield text(function, head).decode(), spans


PINS: dict[str, Mutator] = {
    "drop-longterm": drop_longterm,
    "put-for-unpin": put_for_unpin,
    "get-for-pin": get_for_pin,
    "skip-release": skip_release,
    "drop-dirty": drop_dirty,
    "keep-beyond": keep_beyond,
    "under-spinlock": under_spinlock,
    "without-mmap-lock": without_mmap_lock,
    "pin-by-caller": pin_by_caller,
}
REFERENCES: dict[str, Mutator] = {
    "raw-count": raw_count,
    "touch-after-put": touch_after_put,
    "put-twice": put_twice,
    "unchecked-freeze": unchecked_freeze,
    "get-for-try": get_for_try,
    "split-test": split_test,
}


def files(tree: str) -> tuple[list[str], list[str]]:
    """The files that call GUP, and those of mm, fs and block that count references."""
    pins, counts = [], []
    for folder in FOLDERS:
        for path in sorted(Path(tree, folder).rglob("*.c")):
            name = path.relative_to(tree).as_posix()
            data = path.read_bytes() if name not in OWN and "test" not in name else b""
            if USES.search(data):
                pins.append(name)
            if folder in ("mm", "fs") and COUNTS.search(data):
                counts.append(name)
    return pins, counts


def edits(program: Program, paths: list[str], mutators: dict[str, Mutator], most: int) -> dict[str, list[Edit]]:
    """At most `most` edits a kind, at most two a function, the same ones every time."""
    found: dict[str, list[Edit]] = {kind: [] for kind in mutators}
    for path in paths:
        for function in program.functions(path):
            for kind, mutator in mutators.items() if not function.source.damaged else ():
                here = [Edit(kind, function, spans, what) for what, spans in mutator(function)]
                found[kind] += random.Random(function.name).sample(here, min(2, len(here)))
    for kind, several in found.items():
        random.Random(kind).shuffle(several)
        del several[most:]
    return found


def check(edit: Edit, base: Program, rules: list[Rule]) -> list[Finding]:
    """What an edit brings, at warning and above."""
    path = edit.function.path
    before, after = edit.function.source.file.text, edit.apply()
    other = Program(OverlayTree(base.tree, {path: after}), base, frozenset((path,)))
    file = FileText(path, path, path, before, after, *changed_lines(before, after))
    view = PatchView("edit", "", base, other, (file,))
    view.changes.extend(pair_functions(file, view))
    return [f for f in check_patch(view, rules)[0] if f.severity is not Severity.INFO]


def main() -> None:
    """Run and print, for each kind, how many were found and what was said elsewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree")
    parser.add_argument("--kind", default="")
    parser.add_argument("--per-kind", type=int, default=20)
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    base = Program(FolderTree(options.tree))
    rules = [rule for rule in load() if rule.status == "stable"]
    pins, counts = files(options.tree)
    total = [0, 0, 0]
    for paths, mutators in ((pins, PINS), (counts, REFERENCES)):
        chosen = {kind: m for kind, m in mutators.items() if options.kind in ("", kind)}
        for kind, several in edits(base, paths, chosen, options.per_kind).items():
            started = time.process_time()
            reported = elsewhere = 0
            for edit in several:
                found = check(edit, base, rules)
                here = [f for f in found if f.function == edit.function.name]
                reported += bool(here)
                elsewhere += len(found) - len(here)
                if options.list and (not here or len(found) > len(here)):
                    said = "; ".join(f"{f.code}:{f.function}:{f.line} {f.message}" for f in found) or "silent"
                    print(f"    {edit.function.path} {edit.function.name}: {edit.what[:90]!r}: {said}")
            each = (time.process_time() - started) / max(1, len(several))
            print(f"{kind}: {reported} of {len(several)}, {elsewhere} elsewhere, {each:.2f} s each", flush=True)
            total = [a + b for a, b in zip(total, (reported, len(several), elsewhere), strict=True)]
    print(f"recall: {total[0]} of {total[1]} = {total[0] / max(1, total[1]):.3f}, {total[2]} elsewhere")


if __name__ == "__main__":
    main()
