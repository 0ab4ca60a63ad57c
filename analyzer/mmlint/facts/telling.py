"""What the name of a call tells: that it prints, traces, asserts or counts and changes nothing else; that it undoes."""

from __future__ import annotations

import re

_PRINTS = re.compile(
    r"^trace_|^pr_|^[a-z\d]+_(err|info|notice|alert|crit|emerg|log)(_(once|ratelimited))?$"
    r"|(^|_)(printk?|printf|dbg|debug|logger)(_|$)|(^|_)warn"
)
_ASSERTS = re.compile(r"(^|_)(WARN|BUG|ASSERT|assert|lockdep)|(^|_)might_(sleep|fault|alloc)")
_UNDOES = re.compile(r"(^|_)(put|putback|free|release|unlock|undo|rollback|cancel|abort|restore|unpin|drop)(_|$)")
_COUNTS = re.compile(r"(^|_)(count|stats?|events?)(_|$)")


def tells(name: str) -> bool:
    """Whether a function or macro of this name only says something: a message, a trace point, an assertion."""
    return _PRINTS.search(name) is not None or _ASSERTS.search(name) is not None


def keeps_count(name: str) -> bool:
    """Whether a function of this name keeps statistics."""
    return _COUNTS.search(name) is not None


def undoes(name: str) -> bool:
    """Whether a function of this name gives something back or takes a step back."""
    return _UNDOES.search(name) is not None
