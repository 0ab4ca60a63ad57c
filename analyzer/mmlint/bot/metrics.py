"""The bot's figures as Prometheus text, for a scraper or the textfile collector of node_exporter."""

from __future__ import annotations

from mmlint.bot.state import State
from mmlint.bot.survey import Survey, survey

_COUNTERS = {
    "mails": ("mmlint_bot_mails_total", "kind", "Mails taken in."),
    "series": ("mmlint_bot_series_total", "verdict", "Series by what became of them."),
    "patches": ("mmlint_bot_patches_total", "verdict", "Patches analysed."),
    "effects": ("mmlint_bot_effects_total", "effect", "Mails, checks and comments by outcome."),
    "dropped": ("mmlint_bot_dropped_total", "reason", "Replies that were decided and then not sent."),
    "stops": ("mmlint_bot_stops_total", "scope", "Stop words heeded."),
    "source_errors": ("mmlint_bot_source_errors_total", "source", "Sources that could not be read."),
    "analysis_seconds": ("mmlint_bot_analysis_seconds_total", "", "Seconds spent on analysis."),
}


def render(state: State) -> str:
    """All of them."""
    return text(survey(state, rows=0))


def text(seen: Survey) -> str:
    """The figures of a survey."""
    rows: list[str] = []
    for key, (name, label, about) in _COUNTERS.items():
        rows += [f"# HELP {name} {about}", f"# TYPE {name} counter"]
        found = [(value, amount) for kind, value, amount in seen.counters if kind == key]
        rows += [f"{name}{_labels(**({label: value} if label else {}))} {amount:g}" for value, amount in found]
    rows += ["# HELP mmlint_bot_queue Series by state.", "# TYPE mmlint_bot_queue gauge"]
    rows += [f"mmlint_bot_queue{_labels(state=name)} {count}" for name, count in sorted(seen.queue.items())]
    rows += ["# HELP mmlint_bot_outbox Effects by kind and state.", "# TYPE mmlint_bot_outbox gauge"]
    rows += [
        f"mmlint_bot_outbox{_labels(kind=kind, state=name)} {count}"
        for (kind, name), count in sorted(seen.outbox.items())
    ]
    rows += [
        "# HELP mmlint_bot_latency_seconds From the last mail of a series to its verdict, of the latest series.",
        "# TYPE mmlint_bot_latency_seconds summary",
    ]
    rows += [f'mmlint_bot_latency_seconds{{quantile="{q}"}} {seen.quantile(q):.3f}' for q in (0.5, 0.95)]
    rows += [f"mmlint_bot_latency_seconds_sum {sum(seen.latency):.3f}"]
    rows += [f"mmlint_bot_latency_seconds_count {len(seen.latency)}"]
    return "".join(row + "\n" for row in rows)


def _labels(**labels: str) -> str:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in labels.items()]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
