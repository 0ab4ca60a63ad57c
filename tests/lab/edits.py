"""Taking one guard out of a kernel: edits as anchors and replacements, in two renderings.

*Switched*: the text that is built. Each edit is behind a switch that user space throws, so one kernel is the whole one
and, with a switch thrown, each of the broken ones. *Plain*: the edit as a developer would have made it, for the linter.
Both keep every line where it was, so a line that the kernel's own report names is the line of the finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WINDOW = re.compile(r"lab_window\([^)]*\); ")
HEADER = "mmlint_lab.h"
SWITCH_C = "mm/mmlint_lab.c"

LAB_HEADER = """\
#ifndef MMLINT_LAB_H
#define MMLINT_LAB_H
/* The switch of the lab: which edit is in force, and which address has its races widened, in every kernel alike. */
extern char mmlint_lab_edit[];
extern unsigned long mmlint_lab_address;
extern int mmlint_lab_equal(const char *name);
extern void mmlint_lab_wait(void);
#define lab_on(name) (mmlint_lab_edit[0] && mmlint_lab_equal(name))
#define lab_window(address) \\
	do { \\
		if (mmlint_lab_address && mmlint_lab_address == (unsigned long)(address)) \\
			mmlint_lab_wait(); \\
	} while (0)
#endif
"""

LAB_SOURCE = """\
#include <linux/delay.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/mmlint_lab.h>

#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "mmlint_lab."

char mmlint_lab_edit[64];
module_param_string(edit, mmlint_lab_edit, sizeof(mmlint_lab_edit), 0644);
unsigned long mmlint_lab_address;
module_param_named(address, mmlint_lab_address, ulong, 0644);
static unsigned int mmlint_lab_ms = 300;
module_param_named(ms, mmlint_lab_ms, uint, 0644);

int mmlint_lab_equal(const char *name)
{
	return !strcmp(mmlint_lab_edit, name);
}

void mmlint_lab_wait(void)
{
	mdelay(mmlint_lab_ms);
}
"""


class EditError(Exception):
    """An edit does not fit the tree: one line with file, function and what was looked for."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In `function` of `file`, the `nth` occurrence of `whole` becomes `broken`.

    `kind` says what `whole` is: an `expression`, a `statement` (`broken` may be several, or `;` for none), or a
    `window`: the place after the statement `whole` where the lab waits, in every kernel alike; `broken` is the address.
    """

    file: str
    function: str
    whole: str
    broken: str
    kind: str = "expression"
    nth: int = 0


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int


def _body(text: str, function: str, file: str) -> _Span:
    """From the function's name at its definition to the closing brace in column 0; the longest one with that name."""
    spans = []
    for match in re.finditer(rf"^[\w\s*]*?\b{re.escape(function)}\(", text, re.MULTILINE):
        brace = re.compile(r"^\{", re.MULTILINE).search(text, match.start())
        semicolon = text.find(";", match.start())
        end = re.compile(r"^\}", re.MULTILINE).search(text, match.start())
        if brace and end and brace.start() < semicolon:
            spans.append(_Span(match.start(), end.end()))
    if not spans:
        raise EditError(f"{file}: no function {function}; the lab knows the trees named in docs/lab.md")
    return max(spans, key=lambda span: span.end - span.start)


def locate(text: str, edit: Edit) -> _Span:
    """Where the anchor of an edit is. Raises `EditError`."""
    body = _body(text, edit.function, edit.file)
    before = r"(?<!\w)" if re.match(r"\w", edit.whole) else ""
    after = r"(?!\w)" if re.search(r"\w$", edit.whole) else ""
    pattern = before + r"\s+".join(re.escape(word) for word in edit.whole.split()) + after
    found = list(re.compile(pattern).finditer(text, body.start, body.end))
    if len(found) <= edit.nth:
        raise EditError(f"{edit.file}: {edit.function} has no `{edit.whole}` number {edit.nth + 1}")
    return _Span(found[edit.nth].start(), found[edit.nth].end())


def _same_height(old: str, new: str) -> str:
    """`new` on as many lines as `old`."""
    return new + "\n" * (old.count("\n") - new.count("\n"))


def plain(text: str, edits: Iterable[Edit]) -> str:
    """The file as a developer would have broken it. Windows are left out."""
    places = [(locate(text, edit), edit) for edit in edits if edit.kind != "window"]
    for span, edit in sorted(places, key=lambda place: -place[0].start):
        text = (
            text[: span.start]
            + _same_height(text[span.start : span.end], _WINDOW.sub("", edit.broken))
            + text[span.end :]
        )
    return text


def _switched(old: str, choices: Sequence[tuple[str, Edit]]) -> str:
    kinds = {edit.kind for _, edit in choices}
    if len(kinds) > 1:
        raise EditError(f"{choices[0][1].file}: `{old}` is edited as {' and as '.join(sorted(kinds))}")
    flat = " ".join(old.split())
    if kinds == {"window"}:
        return f"{{ {flat} lab_window({choices[0][1].broken}); }}"
    new = flat
    for name, edit in choices:
        if edit.kind == "statement":
            window = "".join(_WINDOW.findall(edit.broken))
            new = f'if (lab_on("{name}")) {{ {edit.broken} }} else {{ {window}{new} }}'
        else:
            new = f'(lab_on("{name}") ? ({edit.broken}) : ({new}))'
    return _same_height(old, new)


def switched(text: str, edits: Iterable[tuple[str, Edit]]) -> str:
    """The file with all edits of all mutations behind their switches. Raises `EditError` where two overlap."""
    groups: dict[tuple[int, int], list[tuple[str, Edit]]] = {}
    for name, edit in edits:
        span = locate(text, edit)
        groups.setdefault((span.start, span.end), []).append((name, edit))
    limit = len(text)
    for (start, end), choices in sorted(groups.items(), reverse=True):
        if end > limit:
            raise EditError(f"{choices[0][1].file}: two edits overlap at `{choices[0][1].whole}`")
        text = text[:start] + _switched(text[start:end], choices) + text[end:]
        limit = start
    return _include(text)


def _include(text: str) -> str:
    """The switch's header, on the first blank line that stands before an #include, so that no line moves."""
    return re.sub(r"\n\n#include", f"\n#include <linux/{HEADER}>\n#include", text, count=1)
