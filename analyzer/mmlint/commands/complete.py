"""What a shell offers for an argument or the value of an option."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from mmlint.finding import Confidence, Severity
from mmlint.output import ALIASES, WRITERS
from mmlint.settings import PRESETS, keys

Complete = Callable[[str], list[tuple[str, str]]]


def rules(incomplete: str) -> list[tuple[str, str]]:
    """Codes, and names once one is begun, with their summaries."""
    from mmlint.policy.codes import POLICY_RULES
    from mmlint.rule import known

    rules = [(rule.code, rule.name, rule.summary) for rule in known()]
    rules += [(rule.code, rule.name, rule.summary) for rule in POLICY_RULES]
    found = [(code, summary) for code, _, summary in rules if code.startswith(incomplete)]
    return found or [(name, summary) for _, name, summary in rules if name.startswith(incomplete)]


def scenarios(incomplete: str) -> list[tuple[str, str]]:
    """Scenarios by id or name, and rules, which stand for theirs."""
    from mmlint.sim.scenarios import all_scenarios

    ids = [(each.id, each.summary) for each in all_scenarios() if each.id.startswith(incomplete)]
    names = [(each.name, each.summary) for each in all_scenarios() if incomplete and each.name.startswith(incomplete)]
    return [*ids, *names, *rules(incomplete)]


def settings(incomplete: str) -> list[tuple[str, str]]:
    """The keys of mmlint.toml."""
    return [(name, item.metadata["doc"]) for name, item in keys().items() if name.startswith(incomplete)]


def _formats(incomplete: str) -> list[tuple[str, str]]:
    known = {name: writer.summary for name, writer in WRITERS.items()}
    known |= {alias: f"as {name} is today" for alias, name in ALIASES.items()}
    return [(name, about) for name, about in known.items() if name.startswith(incomplete)]


def _words(words: Iterable[str]) -> Complete:
    return lambda incomplete: [(word, "") for word in words if word.startswith(incomplete)]


OPTIONS: dict[str, Complete] = {
    "output": _formats,
    "select": rules,
    "extend_select": rules,
    "ignore": rules,
    "min_confidence": _words(Confidence),
    "fail_on": _words(Severity),
    "preset": _words(PRESETS),
    "color": _words(("auto", "always", "never")),
}
"""By the option's name."""
