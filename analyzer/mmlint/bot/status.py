"""The status page: one HTML file without scripts, and the metrics beside it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from mmlint import __version__
from mmlint.bot.config import Config
from mmlint.bot.metrics import text as metrics
from mmlint.bot.sinks.files import write_whole
from mmlint.bot.state import State
from mmlint.bot.summary import when
from mmlint.bot.survey import Survey, survey
from mmlint.finding import Simulation
from mmlint.output.text import plain
from mmlint.output.witness import witness

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """body{font:15px/1.45 sans-serif;max-width:72em;margin:1em auto;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse;margin:.5em 0}td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}
th{border-bottom:1px solid #888}code,pre{font:13px/1.4 monospace}article{border-top:1px solid #ccc;padding:.4em 0}
.error{color:#a00}.warning{color:#850}.dim{color:#666}h3{margin:.4em 0}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.error{color:#f77}.warning{color:#eb5}.dim{color:#999}}
"""


def write(state: State, config: Config, now: float) -> None:
    """Write `index.html` and `metrics.prom` into the folder for them."""
    folder = Path(config.status)
    folder.mkdir(parents=True, exist_ok=True)
    seen = survey(state)
    write_whole(folder / ".index.tmp", folder / "index.html", page(seen, config, now).encode("utf-8", "replace"))
    write_whole(folder / ".metrics.tmp", folder / "metrics.prom", metrics(seen).encode())


def page(seen: Survey, config: Config, now: float) -> str:
    """The whole page."""
    dry = " Dry run: nothing is sent." if config.replies.dry_run else ""
    mails = {row["series"]: row for row in seen.effects}
    rows = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mmlint bot</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>',
        f"<h1>mmlint bot</h1><p>mmlint {escape(__version__)}, {when(now)} UTC.{dry}</p>",
        *_counts(seen),
        "<h2>Series</h2>",
        *(row for each in seen.series for row in _series(each, mails.get(each["key"]))),
        "</body></html>",
    ]
    return "".join(row + "\n" for row in rows)


def _text(text: object) -> str:
    return escape(plain(str(text)))


def _counts(seen: Survey) -> list[str]:
    verdicts = [(label, f"{value:g}") for name, label, value in seen.counters if name == "series"]
    mails = [(label, f"{value:g}") for name, label, value in seen.counters if name == "mails"]
    queue = [(name, str(count)) for name, count in sorted(seen.queue.items()) if name != "done"]
    effects = [(f"{kind} {name}", str(count)) for (kind, name), count in sorted(seen.outbox.items())]
    latency = [("median", f"{seen.quantile(0.5):.1f} s"), ("95 %", f"{seen.quantile(0.95):.1f} s")]
    tables = (("Mails", mails), ("Verdicts", verdicts), ("Queue", queue), ("Outbox", effects), ("Latency", latency))
    return [row for title, pairs in tables for row in _table(title, pairs)]


def _table(title: str, pairs: list[tuple[str, str]]) -> list[str]:
    rows = [f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in pairs]
    return [f'<table><tr><th colspan="2">{title}</th></tr>', *(rows or ["<tr><td>none</td></tr>"]), "</table>"]


def _series(row: dict[str, Any], mail: dict[str, Any] | None) -> list[str]:
    result = row["result"]
    version = f"v{row['version']} " if row["version"] > 1 else ""
    kind = "fixup: " if row["kind"] == "fixup" else ""
    verdict = row["verdict"] or row["state"]
    rows = [
        f'<article id="{_text(row["key"])}"><h3>{kind}{version}{_text(row["title"])}</h3>',
        f"<p>{_text(row['sender'])}, {when(row['stamp'])}: <b>{_text(verdict)}</b>",
    ]
    if result:
        took = f"{row['decided'] - row['last']:.1f} s after its last mail, {result['seconds']:.1f} s of analysis"
        rows.append(f"on {_text(result['base'])}, patches: {len(result['subjects'])}; {took}.")
    if row["reason"]:
        rows.append(f'<span class="dim">{_text(row["reason"])}</span>')
    if mail is not None:
        rows.append(f"Mail: {_text(mail['state'])}, due {when(mail['due'])} UTC. {_text(mail['reason'])}")
    rows.append("</p>")
    for finding in result.get("findings", ()):
        rows += _finding(finding)
    notes = [f"<li>{_text(note)}</li>" for note in result.get("notes", ())]
    rows += ["<details><summary>Notes</summary><ul>", *notes, "</ul></details>"] if notes else []
    return [*rows, "</article>"]


def _finding(finding: dict[str, Any]) -> list[str]:
    where = f" in {_text(finding['function'])}()" if finding["function"] else ""
    rows = [
        f'<p><b class="{_text(finding["severity"])}">{_text(finding["code"])}</b> {_text(finding["message"])}<br>',
        f"{_text(finding['path'])}:{finding['line']}{where}, {_text(finding['severity'])}, "
        f"{_text(finding['confidence'])} confidence</p>",
    ]
    rows += ["<ol>", *(f"<li>{_text(step)}</li>" for step in finding["steps"]), "</ol>"] if finding["steps"] else []
    simulation = Simulation(**finding["simulation"])
    played = witness(simulation)
    if played.turns:
        rows += ["<details><summary>An interleaving that breaks</summary><table><tr><th>CPU</th><th>Step</th></tr>"]
        rows += [f"<tr><td>{_text(turn.cpu)}</td><td>{_text(turn.text)}</td></tr>" for turn in played.turns]
        rows += [f"</table><p>{_text(played.verdict)}</p><p><code>{_text(simulation.command)}</code></p></details>"]
    return rows
