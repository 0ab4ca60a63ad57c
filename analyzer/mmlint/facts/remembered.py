"""Conditions that may be remembered along a path, because nothing but an assignment that is seen can change them."""

from __future__ import annotations

import re

from mmlint.facts.ir import Expr

_STABLE = re.compile(
    r"(folio_test_(anon|large|hugetlb|ksm|swapbacked|slab|swapcache)|folio_is_\w+|Page(Anon|Ksm|Huge|TransHuge|Compound|Tail|Head|HWPoison|SwapCache)"
    r"|is_\w+|vma_is_\w+|vma_(wants|has)_\w+|userfaultfd_\w+|IS_ENABLED|mm_\w*pte_lock\w*|thp_\w+|uffd_\w+|ptdesc_\w*shared"
    r"|gfpflags_allow_blocking|in_task|in_interrupt|irqs_disabled|in_atomic|pmd_trans_huge|pmd_devmap|is_swap_pmd|S_ISREG)$"
)
_SETTING = re.compile(
    r"(\w+_)?(enabled|disabled|available|supported)$|static_(branch|key)_\w+$|(boot_|static_)?cpu_has$"
)
"""Names of questions about how the machine is set up, when they are asked of nothing or of a constant."""
_CONSTANT = re.compile(r"[A-Z_][A-Z0-9_]*$")
ALIAS = "="
"""Begins the key of a fact that says for which condition a boolean stands."""
_COMPARES = frozenset({"==", "!=", "<", ">", "<=", ">="})


def is_remembered(call: Expr) -> bool:
    """Whether a call answers the same when it is asked again."""
    return _STABLE.match(call.value) is not None or is_setting(call)


def is_setting(call: Expr) -> bool:
    """Whether a call asks for a setting of the whole machine, so that caller and callee get the same answer."""
    return _SETTING.match(call.value) is not None and all(map(_is_constant, call.args))


def _is_constant(arg: Expr) -> bool:
    if arg.kind == "unary" and arg.value == "&":
        return arg.args[0].kind == "name"
    return arg.kind == "num" or (arg.kind == "name" and _CONSTANT.match(arg.value) is not None)


def is_stable(expr: Expr) -> bool:
    """Whether a condition may be remembered: nothing in it can change but by an assignment to a name it mentions."""
    return all(e.kind != "assign" and (e.kind != "call" or is_remembered(e)) for e in expr.walk())


def _asks_for_error(call: Expr) -> bool:
    return call.value == "IS_ERR" and len(call.args) == 1 and call.args[0].kind in ("name", "field")


def asked_for_error(condition: str) -> str:
    """What a condition that a boolean stands for asks whether it is an error pointer; nothing for another one."""
    return condition[len("IS_ERR(") : -1] if condition.startswith("IS_ERR(") else ""


def stands_for(value: Expr) -> str | None:
    """The condition (behind a `!` if it is negated) that a boolean with this value stands for, the variable that a copy
    is of; None for another value.

    Only conditions that are remembered under their own text (a comparison with a constant is about its operand), and
    the test for an error pointer.
    """
    negated = value.kind == "unary" and value.value == "!"
    inner = value.args[0] if negated else value
    if inner.kind == "binary":
        plain = inner.value == "&" or (inner.value in _COMPARES and all(arg.kind != "num" for arg in inner.args))
        known = plain and is_stable(inner)
    elif inner.kind == "name":
        known = not _CONSTANT.match(inner.value)
    else:
        known = inner.kind == "call" and ((is_remembered(inner) and is_stable(inner)) or _asks_for_error(inner))
    return f"{'!' if negated else ''}{inner.key}" if known else None
