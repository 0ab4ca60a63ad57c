"""Results of calls that a patch returns as they are, where a failure led to a release before (PAT115)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmlint.changes.change import FunctionChange
from mmlint.changes.compare import comparison
from mmlint.facts.function import Function, call_targets
from mmlint.facts.reach import reach
from mmlint.facts.steps import Act
from mmlint.facts.things import Thing, given
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Unreleased:
    """`call` (after the patch) is returned; where it failed `release` gave `thing` up, which the call is handed."""

    call: Act
    release: Act
    thing: Thing


def unreleased(change: FunctionChange) -> Unreleased | None:
    """The first such call, in a patch that changes nobody else, who could give the thing up now."""
    compared = comparison(change)
    if compared is None or change.patch.partial or any(change.others):
        return None
    for act in compared.old:
        now = compared.pairs.get(id(act))
        if now is None or act.expr.kind != "call" or now.node.kind != "return" or act.node.kind == "return":
            continue
        for release, thing in _on_failure(compared.before, compared.old, act):
            if any(e.key == thing.key for arg in now.expr.args for e in arg.walk()):
                return Unreleased(now, release, thing)
    return None


def released_on_failure(change: FunctionChange, thing: Thing) -> bool:
    """Whether a call that got the thing was returned as it is, and a release of it is made now where the call fails."""
    compared = comparison(change)
    if compared is None:
        return False
    returned = [act for act in compared.old if act.expr.kind == "call" and act.node.kind == "return"]
    tested = [now for act in returned if (now := compared.pairs.get(id(act))) is not None]
    return any(
        found == thing
        for now in tested
        if now.node.kind != "return"
        for _, found in _on_failure(compared.after, compared.new, now)
    )


def _on_failure(function: Function, acts: Iterable[Act], act: Act) -> Iterator[tuple[Act, Thing]]:
    """What is given up where a test of the result of a call, as it is, says that the call failed, and not else."""
    order, target = reach(function), call_targets(function).get(id(act.expr))
    failed = {target.key, f"{target.key} < 0", f"{target.key} != 0"} if target is not None else set()
    tests = [n for n in order.order if n.kind == "branch" and n.expr is not None and n.expr.key in failed]
    tests = [test for test in tests if order.before(act.node, test)]
    for release in acts:
        if any(order.chosen(test, release.node) is True for test in tests):
            yield from ((release, thing) for thing in given(function, release.word, release.expr))
