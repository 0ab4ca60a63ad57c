"""How a thing that a function gives up somewhere may stand, and what its life in the function was."""

from __future__ import annotations

import re
from dataclasses import field
from typing import NamedTuple

from mmlint.facts.cfg import Node
from mmlint.facts.ir import Expr
from mmlint.facts.things import Thing
from mmlint.facts.wayout import Way
from mmlint.frozen import dataclass

_PART = re.compile(r"\[| \+ ")
"""An element of an array, or what begins with one: each release is about another part of it."""

NOTHING, GIVEN, HELD, TWICE, PASSED, LOST = -1, 0, 1, 2, 3, 4
"""Never taken (or known to be NULL), given up, held, held with one reference more, handed on, held in freed memory."""


class State(NamedTuple):
    """How a thing stands, and what the function's result was last set to. `alone`: since an own reference was taken of
    what somebody else holds, a lock was dropped, and the other may have let go. `counted`: the variable by which the
    thing is given up has not been set to something else since the thing was taken.
    """

    level: int
    code: str
    alone: bool = False
    counted: bool = True


@dataclass(slots=True)
class Life:
    """One thing in one function. `exits` holds the levels on each way out, with a node to show; `kept_at` the lines and
    results of the ways out that keep it; `lost` the assignments that overwrite it while it is held; `late` its uses
    behind the release, by text; `idle` the releases that are handed a count or pointer known to be nothing, by text;
    `again` the releases of what was given up or handed on already, `unheld` those that it is held at on no way;
    `cleared` the assignments of NULL where it is held on all ways.
    `taken`: the function itself takes it.
    """

    thing: Thing
    releases: list[tuple[Node, Expr]]
    exits: dict[Way, dict[int, Node]] = field(default_factory=dict)
    kept_at: set[tuple[int, str]] = field(default_factory=set)
    lost: list[Node] = field(default_factory=list)
    late: dict[str, Node] = field(default_factory=dict)
    idle: dict[str, Node] = field(default_factory=dict)
    taken: bool = False
    again: list[Node] = field(default_factory=list)
    unheld: list[Node] = field(default_factory=list)
    cleared: list[Node] = field(default_factory=list)

    @property
    def in_parts(self) -> bool:
        """Whether it is an array given up by its elements."""
        return any(_PART.search(arg.key) for _, call in self.releases for arg in call.args)

    @property
    def levels(self) -> dict[Way, set[int]]:
        """How it may be left on each way out."""
        return {way: set(found) for way, found in self.exits.items()}

    @property
    def held(self) -> set[Way]:
        """The ways out on which it is still held."""
        return {way for way, levels in self.exits.items() if HELD in levels or TWICE in levels}
