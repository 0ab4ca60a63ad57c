"""What may become worse for a thing that a function holds."""

from __future__ import annotations

from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.things import Thing
from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """What became worse for a thing at `node`. `release` is a call that gives it up (or, `untaken`, took it).

    It is `kept` on a way out, `lost` in a new assignment, used `late`, given up `again`, with an `idle` count, by
    another `door` or `fewer` times; or one more reference of it is `untaken`, or `swapped` for one of another kind.
    """

    how: str
    thing: Thing
    node: Node
    release: Expr | None
    text: str = ""
