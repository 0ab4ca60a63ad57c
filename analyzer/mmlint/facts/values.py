"""What is known of a value on a path: zero, non-zero, negative, a small constant, an error pointer, a valid pointer.

Facts map the canonical text of an lvalue (or of a condition without side effects) to one abstract value:
`"0"`, another integer, `"!0"`, `"<0"`, `">0"`, `">=0"`, `"<=0"`, `"ok"` (neither NULL nor an error pointer), `"err"`
(an error pointer), `"!err"`, `"bad"` (NULL or an error pointer). Facts are immutable: every change makes a new dict.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache, reduce

from mmlint.facts.ir import Expr
from mmlint.facts.remembered import ALIAS, asked_for_error, is_remembered, is_stable
from mmlint.facts.symbols import but, either, same, symbol

Facts = Mapping[str, str]
EMPTY: Facts = {}

_ERRNO = re.compile(r"E[A-Z][A-Z0-9]+$")
_ZERO = {"0": True, "!0": False, "<0": False, ">0": False, "ok": False, "err": False}
_NEGATIVE = {"0": False, "<0": True, ">0": False, ">=0": False, "ok": False}
_ERROR = {"0": False, "ok": False, "err": True, "!err": False}


def is_zero(value: str | None) -> bool | None:
    """Whether the value is zero or NULL; None when unknown."""
    if value is None:
        return None
    return _ZERO.get(value, False if value.lstrip("-").isdigit() else None)


def counts_nothing(value: str | None) -> bool:
    """Whether the value is known to be zero or an error code."""
    return value in ("0", "<=0") or bool(is_negative(value))


def is_negative(value: str | None) -> bool | None:
    """Whether the value is below zero; None when unknown."""
    if value is None:
        return None
    if value.lstrip("-").isdigit():
        return value.startswith("-")
    return _NEGATIVE.get(value)


def is_error(value: str | None) -> bool | None:
    """Whether the value is an error pointer; None when unknown."""
    if value is None:
        return None
    return _ERROR.get(value)


def evaluate(expr: Expr, facts: Facts) -> str | None:
    """The abstract value of an expression, or None."""
    handler = _EVALUATE.get(expr.kind)
    return handler(expr, facts) if handler is not None else None


def _eval_num(expr: Expr, _: Facts) -> str | None:
    text = expr.value.rstrip("uUlL")
    try:
        return str(int(text, 0))
    except ValueError:
        return str(int(text, 8)) if text.isdigit() and text.startswith("0") and not set(text) & set("89") else None


def _eval_name(expr: Expr, facts: Facts) -> str | None:
    name = expr.value
    constant = _constant(name)
    if constant is not None and constant[0] != "$":
        return constant
    known = facts.get(name)
    return known if known is not None else constant or _by_alias(name, facts)


@lru_cache(maxsize=65536)
def _constant(name: str) -> str | None:
    """The value of a name that is not a variable."""
    if name in ("NULL", "false"):
        return "0"
    if name == "true":
        return "1"
    return ">0" if _ERRNO.match(name) else symbol(name)


def _by_alias(name: str, facts: Facts) -> str | None:
    """The value of a boolean that was given a condition, where the condition is known by now."""
    condition = facts.get(f"{ALIAS}{name}")
    if condition is None:
        return None
    asked = condition.removeprefix("!")
    target = asked_for_error(asked)
    no = _negation(is_error(facts.get(target))) if target else is_zero(facts.get(asked))
    return _truth(no if condition.startswith("!") else _negation(no))


def _negation(known: bool | None) -> bool | None:
    return None if known is None else not known


def _eval_lvalue(expr: Expr, facts: Facts) -> str | None:
    return facts.get(expr.key)


def _eval_call(expr: Expr, facts: Facts) -> str | None:
    known = facts.get(f"#{id(expr)}")
    if known is not None:
        return known
    name, args = expr.value, expr.args
    if name in ("ERR_PTR", "ERR_CAST"):
        return "err"
    if args and name in ("IS_ERR", "IS_ERR_VALUE", "IS_ERR_OR_NULL", "PTR_ERR", "PTR_ERR_OR_ZERO"):
        value = evaluate(args[0], facts)
        if name in ("IS_ERR", "IS_ERR_VALUE"):
            return _truth(is_error(value))
        if name == "IS_ERR_OR_NULL":
            return "1" if value in ("0", "err", "bad") else "0" if value == "ok" else None
        error = is_error(value)
        if error is False:
            return "0" if name == "PTR_ERR_OR_ZERO" else ">=0"
        return "<0" if error else None
    return facts.get(expr.key) if is_remembered(expr) else None


def _truth(known: bool | None) -> str | None:
    return None if known is None else "1" if known else "0"


def _eval_unary(expr: Expr, facts: Facts) -> str | None:
    op, arg = expr.value, expr.args[0]
    if op == "!":
        zero = is_zero(evaluate(arg, facts))
        return _truth(zero)
    if op == "-":
        value = evaluate(arg, facts)
        if value == ">0":
            return "<0"
        if value is not None and value.isdigit():
            return value if value == "0" else f"-{value}"
        return None
    if op == "&":
        return "ok"
    if op.endswith(("++", "--")):
        return facts.get(f"#{id(expr)}")
    return facts.get(expr.key)


def _eval_binary(expr: Expr, facts: Facts) -> str | None:
    if facts:
        known = facts.get(expr.key)
        if is_zero(known) is not None:
            return known
        known = facts.get(expr.opposite)
        if is_zero(known) is not None:
            return _truth(is_zero(known))
    left, right = evaluate(expr.args[0], facts), evaluate(expr.args[1], facts)
    op = expr.value
    if op in ("==", "!="):
        same = _same(left, right)
        return None if same is None else _truth(same == (op == "=="))
    if right == "1" and op in ("<", ">="):
        op, right = ("<=", "0") if op == "<" else (">", "0")
    if op == "<=" and right == "0" and left is not None and (left == ">0" or (left.isdigit() and left != "0")):
        return "0"
    if op == "<" and right == "0":
        return _truth(is_negative(left))
    if op == ">=" and right == "0":
        negative = is_negative(left)
        return None if negative is None else _truth(not negative)
    if op == ">" and right == "0" and (is_zero(left) or is_negative(left)):
        return "0"
    if op == ">" and right == "0" and left is not None and (left == ">0" or left.isdigit()):
        return "1"
    if op == "<=" and right == "0" and (is_zero(left) or is_negative(left)):
        return "1"
    if op == "|" and (is_zero(left) is False or is_zero(right) is False):
        return "!0"
    if op == "&" and (is_zero(left) or is_zero(right)):
        return "0"
    return _eval_shift(op, left, right)


def _eval_shift(op: str, left: str | None, right: str | None) -> str | None:
    """As many pages as an order has are more than none."""
    if op == "<<" and left is not None and (left == ">0" or (left.isdigit() and left != "0")):
        return ">0"
    return "1" if op == "<" and left == "0" and right == ">0" else None


def _same(left: str | None, right: str | None) -> bool | None:
    if left is None or right is None:
        return None
    if left == right and (left.lstrip("-").isdigit()):
        return True
    if left[0] == "$":
        return same(left, right)
    for a, b in ((left, right), (right, left)):
        if is_zero(a) and is_zero(b) is False:
            return False
        if is_negative(a) and is_negative(b) is False:
            return False
    if left.lstrip("-").isdigit() and right.lstrip("-").isdigit():
        return left == right
    return None


def _eval_cond(expr: Expr, facts: Facts) -> str | None:
    test, *arms = expr.args
    ways = ((arm, refine(test, outcome, facts)) for arm, outcome in zip(arms, (True, False), strict=True))
    found = [evaluate(arm, known) for arm, known in ways if known is not None]
    return reduce(join_value, found) if found else None


_EVALUATE: dict[str, Callable[[Expr, Facts], str | None]] = {
    "num": _eval_num,
    "name": _eval_name,
    "str": lambda _expr, _facts: "ok",
    "field": _eval_lvalue,
    "index": _eval_lvalue,
    "call": _eval_call,
    "unary": _eval_unary,
    "binary": _eval_binary,
    "cond": _eval_cond,
    "assign": lambda expr, facts: evaluate(expr.args[1], facts) if expr.value == "=" else None,
    "comma": lambda expr, facts: evaluate(expr.args[-1], facts) if expr.args else None,
}


def join_value(a: str | None, b: str | None) -> str | None:
    """The most that holds for both."""
    if a is None or b is None or a == b:
        return a if a == b else None
    if a[0] == "$":
        return either(a, b)
    if is_negative(a) and is_negative(b):
        return "<0"
    if is_zero(a) is False and is_zero(b) is False:
        if is_error(a) is False and is_error(b) is False:
            return "ok"
        return "!0"
    if is_negative(a) is False and is_negative(b) is False and "ok" not in (a, b):
        return ">=0"
    if {a, b} <= {"0", "err", "bad"}:
        return "bad"
    return "<=0" if counts_nothing(a) and counts_nothing(b) else None


def join(a: Facts, b: Facts) -> Facts:
    """What is known on both paths."""
    if a is b:
        return a
    if len(b) < len(a):
        a, b = b, a
    if a.items() <= b.items():
        return a
    out: dict[str, str] = {}
    for key, value in a.items():
        other = b.get(key)
        joined = value if other == value else join_value(value, other)
        if joined is not None:
            out[key] = joined
    return out


def with_fact(facts: Facts, key: str, value: str | None) -> Facts:
    """Facts with one key set (or removed)."""
    if facts.get(key) == value:
        return facts
    out = dict(facts)
    if value is None:
        out.pop(key, None)
    else:
        out[key] = value
    return out


def without(facts: Facts, keys: list[str]) -> Facts:
    """Facts without these keys."""
    if not keys:
        return facts
    out = dict(facts)
    for key in keys:
        out.pop(key, None)
    return out


def refine(expr: Expr, outcome: bool, facts: Facts) -> Facts | None:
    """Facts after the condition came out as `outcome`; None where it cannot."""
    zero = is_zero(evaluate(expr, facts))
    if zero is not None:
        if zero == outcome:
            return None
        return facts
    kind = expr.kind
    if kind in ("name", "field", "index") or (kind == "unary" and expr.value == "*"):
        return _both(expr.key, outcome, with_fact(facts, expr.key, _nonzero(facts.get(expr.key)) if outcome else "0"))
    if kind == "unary" and expr.value == "!":
        return refine(expr.args[0], not outcome, facts)
    if kind == "call":
        return _refine_call(expr, outcome, facts)
    if kind == "binary":
        return _refine_binary(expr, outcome, facts)
    return facts


def _both(name: str, outcome: bool, facts: Facts) -> Facts:
    """Facts with the condition that a boolean stands for as well."""
    condition = facts.get(f"{ALIAS}{name}")
    if condition is None:
        return facts
    asked, outcome = condition.removeprefix("!"), outcome != condition.startswith("!")
    target = asked_for_error(asked)
    if target:
        return with_fact(facts, target, _error_or_not(outcome, facts.get(target)))
    return with_fact(facts, asked, "!0" if outcome else "0")


def _error_or_not(outcome: bool, known: str | None) -> str:
    return "err" if outcome else "ok" if known in ("!0", "ok") else "!err"


def _nonzero(known: str | None) -> str:
    return {None: "!0", ">=0": ">0", "<=0": "<0", "!err": "ok", "bad": "err"}.get(known, known) or "!0"


def _refine_call(expr: Expr, outcome: bool, facts: Facts) -> Facts | None:
    if expr.value in ("IS_ERR", "IS_ERR_OR_NULL") and expr.args:
        target = expr.args[0]
        if target.kind == "assign":
            target = target.args[0]
        known = facts.get(target.key)
        value = _error_or_not(outcome, known) if expr.value == "IS_ERR" else "bad" if outcome else "ok"
        return with_fact(facts, target.key, value)
    if is_remembered(expr):
        return _of_copies(expr, "1" if outcome else "0", with_fact(facts, expr.key, "1" if outcome else "0"))
    return facts


def _of_copies(expr: Expr, value: str, facts: Facts) -> Facts:
    """Facts with the same answer for the variables that were given what the call was asked about."""
    named = {arg.key for arg in expr.args if arg.kind == "name"}
    for key in [k for k, of in facts.items() if k[0] == ALIAS and of in named]:
        facts = with_fact(facts, renamed(expr.key, facts[key], key.removeprefix(ALIAS)), value)
    return facts


@lru_cache(maxsize=4096)
def renamed(key: str, old: str, new: str) -> str:
    """The key of a fact about another variable."""
    return re.sub(rf"(?<![\w.>]){re.escape(old)}\b", new, key)


_MIRROR = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "==": "==", "!=": "!="}


def _refine_binary(expr: Expr, outcome: bool, facts: Facts) -> Facts | None:
    op, (left, right) = expr.value, expr.args
    if op not in _MIRROR:
        return with_fact(facts, expr.key, "!0" if outcome else "0") if op == "&" and is_stable(expr) else facts
    constant = evaluate(right, facts)
    if constant is None and evaluate(left, facts) is not None:
        left, right, op = right, left, _MIRROR[op]
        constant = evaluate(right, facts)
    if constant == "1" and op in ("<", ">="):
        op, constant = ("<=", "0") if op == "<" else (">", "0")
    if not outcome:
        op = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}[op]
    target = left.args[0] if left.kind == "assign" else left
    if target.kind not in ("name", "field", "index", "unary", "call"):
        constant = None
    value = _implied(op, constant, facts.get(target.key)) if constant is not None else None
    if value is not None and target.kind == "call":
        return facts
    if value is not None:
        facts = with_fact(facts, target.key, value)
        if constant is not None and constant.lstrip("-").isdigit():
            return facts
    if is_stable(expr):
        return with_fact(facts, expr.key, "1" if outcome else "0")
    return facts


def _implied(op: str, constant: str | None, known: str | None) -> str | None:
    if op == "==":
        return constant
    if op == "!=" and constant and constant[0] == "$" and known:
        return but(known, constant)
    if constant != "0":
        return None
    if op == "!=":
        return _nonzero(known)
    if op in ("<=", ">="):
        return "0" if known == ("<=0" if op == ">=" else ">=0") else f"{op}0"
    return f"{op}0" if op in ("<", ">") else None
