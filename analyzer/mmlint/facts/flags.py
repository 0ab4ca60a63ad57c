"""Which flags a value holds: gfp masks and FOLL_* flags through locals, `|=`, `&= ~`, ternaries and parameters.

A `FlagSet` says what is set on every path (`must`), what may be set (`may`), which parameters are ored in, and whether
something unknown is. Unknown stays unknown: a caller must not read it as absent.
"""

from __future__ import annotations

import re
from dataclasses import replace

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.frozen import dataclass

_FLAG = re.compile(r"(__)?GFP_[A-Z0-9_]+$|FOLL_[A-Z_]+$")
_PASS_THROUGH = {"current_gfp_context": 0, "mapping_gfp_constraint": 1, "READ_ONCE": 0, "limit_gfp_mask": 0}


@dataclass(frozen=True, slots=True)
class FlagSet:
    """Flags of a value. `params` are the function's parameter positions ored into it; `fields` names struct fields."""

    must: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()
    params: frozenset[int] = frozenset()
    unknown: bool = False

    @property
    def exact(self) -> bool:
        """Whether nothing but the flags in `may` can be set."""
        return not self.unknown and not self.params

    def union(self, other: FlagSet) -> FlagSet:
        """The value of `a | b`."""
        return FlagSet(
            self.must | other.must, self.may | other.may, self.params | other.params, self.unknown or other.unknown
        )

    def either(self, other: FlagSet) -> FlagSet:
        """The value on one of two paths."""
        return FlagSet(
            self.must & other.must, self.may | other.may, self.params | other.params, self.unknown or other.unknown
        )

    def without(self, gone: frozenset[str]) -> FlagSet:
        """The value of `a & ~gone`."""
        return replace(self, must=self.must - gone, may=self.may - gone)


UNKNOWN = FlagSet(unknown=True)
ZERO = FlagSet()
Env = dict[str, FlagSet]


@fact
def environments(function: Function) -> dict[int, Env]:
    """The flags that each local variable holds before each node, by node id."""
    start = {name: FlagSet(params=frozenset((i,))) for i, name in enumerate(function.params) if name}
    before: dict[int, Env] = {function.cfg.entry.id: start}
    order = function.cfg.order
    changed = True
    rounds = 0
    while changed and rounds < 12:
        changed = False
        rounds += 1
        for node in order:
            env = before.get(node.id)
            if env is None:
                continue
            after = _after(node, env)
            for target, _ in node.succ:
                old = before.get(target.id)
                new = dict(after) if old is None else _join(old, after)
                if new != old:
                    before[target.id] = new
                    changed = True
    return before


def _join(a: Env, b: Env) -> Env:
    if a == b:
        return a
    return {
        name: a[name].either(b[name]) if name in a and name in b else a.get(name, b.get(name, UNKNOWN))
        for name in {*a, *b}
    }


def _after(node: Node, env: Env) -> Env:
    for op, expr in node.events:
        if op == "assign":
            target, source = expr.args
            if target.kind not in ("name", "field"):
                continue
            value = evaluate(source, env)
            old = env.get(target.key, UNKNOWN)
            env = dict(env)
            if expr.value == "=":
                env[target.key] = value
            elif expr.value == "|=":
                env[target.key] = old.union(value)
            elif expr.value == "&=" and source.kind == "unary" and source.value == "~":
                env[target.key] = old.without(evaluate(source.args[0], env).may)
            else:
                env[target.key] = UNKNOWN
        elif op == "call":
            taken = [a.args[0].key for a in expr.args if a.kind == "unary" and a.value == "&" and a.args[0].key in env]
            if taken:
                env = {k: UNKNOWN if k in taken else v for k, v in env.items()}
        elif op == "update" and expr.args[0].key in env:
            env = {**env, expr.args[0].key: UNKNOWN}
    return env


def evaluate(expr: Expr, env: Env) -> FlagSet:
    """The flags of an expression in an environment."""
    kind = expr.kind
    if kind == "name":
        if _FLAG.match(expr.value):
            only = frozenset((expr.value,))
            return FlagSet(only, only)
        return env.get(expr.value, ZERO if expr.value in ("NULL", "false") else UNKNOWN)
    if kind == "num":
        return ZERO if expr.value.rstrip("uUlL") in ("0", "0x0") else UNKNOWN
    if kind == "field":
        return env.get(expr.key, UNKNOWN)
    if kind == "binary" and expr.value in ("|", "+"):
        return evaluate(expr.args[0], env).union(evaluate(expr.args[1], env))
    if kind == "binary" and expr.value == "&" and expr.args[1].kind == "unary" and expr.args[1].value == "~":
        return evaluate(expr.args[0], env).without(evaluate(expr.args[1].args[0], env).may)
    if kind == "cond":
        return evaluate(expr.args[1], env).either(evaluate(expr.args[2], env))
    if kind == "assign" and expr.value == "=":
        return evaluate(expr.args[1], env)
    if kind == "call" and expr.value in _PASS_THROUGH and len(expr.args) > _PASS_THROUGH[expr.value]:
        return evaluate(expr.args[_PASS_THROUGH[expr.value]], env)
    return UNKNOWN


def flags_at(function: Function, node: Node, expr: Expr) -> FlagSet:
    """The flags of `expr` where `node` is evaluated."""
    if expr.kind == "name" and _FLAG.match(expr.value):
        return evaluate(expr, {})
    return evaluate(expr, environments(function).get(node.id, {}))


def reclaims(function: Function, flags: FlagSet) -> bool | None:
    """Whether a gfp mask allows direct reclaim, so that the allocation may sleep; None when it is not known.

    On a mask that differs by path the answer is None: the path that takes the lock may be the one without reclaim.
    """
    table = function.tables.gfp
    masks = [table[f] for f in flags.may if f in table]
    if any(m.name in flags.must and m.reclaim for m in masks):
        return True
    if not flags.exact:
        return None
    if any(m.reclaim for m in masks):
        return None
    return False
