"""What a function says to a callee in a structure of its own, and what a patch makes it say otherwise or not at all."""

from __future__ import annotations

import re

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import Comparison, comparison
from mmlint.facts.function import Function, fact
from mmlint.facts.ir import Expr
from mmlint.facts.steps import Act, performed
from mmlint.frozen import dataclass

_NOTHING = frozenset({"NULL", "0", "false"})
_VALUE = re.compile(r"(struct|union) [^*]*$")
Said = dict[tuple[str, str], list[Expr]]
"""By variable and member: what it is set to."""


@dataclass(frozen=True, slots=True)
class Option:
    """`call` (of after) gets `variable`, of which `member` was `was` before the patch, and is `now`; "": not set."""

    call: Act
    variable: str
    member: str
    was: str
    now: str


def changed_options(change: FunctionChange) -> list[Option]:
    """The member that a patch sets no more, or to true where it said false, if it is the only one."""
    compared = comparison(change)
    if compared is None or change.patch.partial or change.named_elsewhere or compared.before.name != change.name:
        return []
    old, new = _said(compared.before), _said(compared.after)
    other = {variable for variable, _ in new.keys() - old.keys()}
    found = []
    for (variable, member), places in old.items():
        if any(value.line in compared.lines for value in places):
            continue
        if (variable, member) not in new and (variable in other or _sets(compared.after, f"{variable}->{member}")):
            continue
        now = new.get((variable, member), [])
        was, told = {value.key for value in places}, {value.key for value in now}
        denied = was == {"false"} and told == {"true"}
        if len(was) != 1 or not (denied or not (now or was & _NOTHING)):
            continue
        call = _told(compared, variable, member)
        if call is not None and not _retired(change, member) and not _filled_anew(compared, variable):
            found.append(Option(call, variable, member, min(was), min(told, default="")))
    return found if len(found) == 1 else []


def _sets(function: Function, key: str) -> bool:
    return any(node.sets(key) for node in function.cfg.order)


@fact
def _said(function: Function) -> Said:
    """The members of the function's own structures that it sets, in initialisers and by assignment."""
    own = {node.name for node in function.cfg.nodes if node.kind == "decl" and _VALUE.match(node.type)}
    found: Said = {}
    for node in function.cfg.order if own else ():
        for op, expr in node.events:
            if op != "assign" or expr.value != "=" or expr.args[0].root not in own:
                continue
            target, value = expr.args
            if target.kind == "field" and target.args[0].kind == "name":
                found.setdefault((target.root, target.value), []).append(value)
            for pair in value.args if target.kind == "name" and value.kind == "init" else ():
                if pair.kind == "init" and pair.value and len(pair.args) == 1:
                    found.setdefault((target.value, pair.value), []).append(pair.args[0])
    return found


def _told(compared: Comparison, variable: str, member: str) -> Act | None:
    """The call, on both sides, that gets the structure, and whose body, or that of a callback, goes by the member."""
    after = compared.after
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or now.word != act.word or act.expr.kind != "call" or now.expr.value != now.word:
            continue
        if not any(_address_of(arg, variable) for arg in now.expr.args):
            continue
        names = [now.word, *(arg.value for arg in now.expr.args if arg.kind == "name")]
        callees = [after.program.resolve(name, after.path) for name in names]
        if any(member in performed(callee) for callee in callees if callee not in (None, after)):
            return now
    return None


def _filled_anew(compared: Comparison, variable: str) -> bool:
    """Whether the patch adds something else that may fill the structure: a call that gets it, an assignment of it."""
    calls = (act.expr for act in compared.added if act.expr.kind == "call")
    if any(_address_of(arg, variable) for call in calls for arg in call.args):
        return True
    nodes = (n for n in compared.after.cfg.order if n.line not in compared.standing and n.kind != "decl")
    return any(op == "assign" and expr.args[0].key == variable for node in nodes for op, expr in node.events)


def _address_of(arg: Expr, variable: str) -> bool:
    return arg.kind == "unary" and arg.value == "&" and arg.args[0].key == variable


def _retired(change: FunctionChange, member: str) -> bool:
    """Whether other functions of the patch, or its headers, speak of the member less than before."""
    word = re.compile(rb"\b" + member.encode() + rb"\b")
    sides = [(other.before.text, other.after.text if other.after else b"") for other in change.others if other.before]
    sides += [(f.before, f.after) for f in change.patch.files if f is not change.file]
    return any(len(word.findall(new)) < len(word.findall(old)) for old, new in sides)
