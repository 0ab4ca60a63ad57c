"""Locks by the name of the member or variable that they are, whatever object they lie in."""

from __future__ import annotations

import re

from mmlint.facts.cfg import Node
from mmlint.facts.function import Function
from mmlint.facts.locks.held import Prop
from mmlint.facts.locks.locks import locks


def under(function: Function, node: Node, lock: str) -> bool:
    """Whether a lock of that name is held whenever a node is reached."""
    states = locks(function).flow.states(node)
    return bool(states) and all(holds(prop, lock) for prop in states)


def holds(prop: Prop, lock: str) -> bool:
    """Whether a lock of that name, a variable's or a member's, is held in a state."""
    return any(not h.gone and re.search(rf"(?<!\w){re.escape(lock)}$", h.key) for h in prop)
