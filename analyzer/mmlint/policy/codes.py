"""The POL findings: about the user's silencers, not about kernel code, so no scenario stands behind them."""

from __future__ import annotations

from typing import Literal

from mmlint.frozen import dataclass


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """A check of the policy itself, selected and levelled like a rule; always a warning by default."""

    code: str
    name: str
    summary: str
    doc: str
    status: Literal["stable"] = "stable"


USELESS = PolicyRule(
    "POL101",
    "useless-suppression",
    "an ignore or suppression silences nothing",
    "The finding it was written for is gone, so it would only hide the next one: take it out. Reported only for rules "
    "that ran, for files that were analysed whole, and for files that are gone from a folder that was checked.",
)
EXPIRED = PolicyRule(
    "POL102",
    "expired-suppression",
    "a suppression is past its `until` day and silences nothing any more",
    "Mend the code, take the entry out, or give it a new day and a reason that says why it needs one.",
)
UNREASONED = PolicyRule(
    "POL103",
    "unreasoned-ignore",
    "an inline ignore names no rule or gives no reason, and has no effect",
    "Write `/* mmlint: ignore[CODE] reason */`: the code keeps other findings visible, the reason is for who reads it "
    "next.",
)
POLICY_RULES = (USELESS, EXPIRED, UNREASONED)


def find(word: str) -> PolicyRule | None:
    """The policy rule with this code or name, or None."""
    return next((rule for rule in POLICY_RULES if word in (rule.code, rule.name)), None)
