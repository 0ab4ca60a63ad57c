"""A trace as one HTML file that can be stepped forward and back, without anything from the network."""

from __future__ import annotations

import json
from html import escape

from mmlint.sim.output.text import document
from mmlint.sim.scenario import Scenario
from mmlint.sim.trace import Trace

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>%(title)s</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root { color-scheme: light dark; --line: #8884; --hot: #0a7d5c; --bad: #b3261e; --now: #3b6fd422 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; margin: 0 }
p { max-width: 48rem } pre { white-space: pre-wrap; font: inherit; max-width: 48rem }
table { border-collapse: collapse; font: 13px ui-monospace, Menlo, Consolas, monospace; width: 100%% }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
tr.now { background: var(--now) } tr.later { opacity: .35 } td.n { width: 2rem; opacity: .6 }
.bar { position: sticky; top: 0; background: Canvas; padding: .6rem 0; display: flex; gap: .5rem; align-items: center }
button { font: inherit; padding: .2rem .8rem } .changed { color: var(--hot); font-weight: 600 }
.verdict { color: var(--bad); font-weight: 600 } .two { display: grid; grid-template-columns: 3fr 2fr; gap: 2rem }
@media (max-width: 60rem) { .two { grid-template-columns: 1fr } }
</style></head><body>
<h1 id="name"></h1><p id="summary"></p>
<details><summary>The story</summary><pre id="story"></pre></details>
<div class="bar"><button id="first">first</button><button id="back">back</button><button id="next">next</button>
<button id="last">last</button><span id="where"></span></div>
<p class="verdict" id="verdict" role="status"></p>
<div class="two"><table id="steps"></table><table id="state"></table></div>
<script type="application/json" id="data">%(data)s</script>
<script>
const d = JSON.parse(document.getElementById("data").textContent), at = id => document.getElementById(id);
let now = 0;
const cell = (row, text, cls) => { const c = row.insertCell(); c.textContent = text; if (cls) c.className = cls; };
at("name").textContent = d.scenario + "  " + d.name + "  (" + d.variant + ")";
at("summary").textContent = d.summary; at("story").textContent = d.story;
const head = at("steps").createTHead().insertRow();
["", ...d.tasks].forEach(t => { const h = document.createElement("th"); h.textContent = t; head.append(h); });
const body = at("steps").createTBody();
d.steps.forEach((s, i) => { const r = body.insertRow(); cell(r, i + 1, "n");
  d.tasks.forEach(t => cell(r, t === s.task ? s.action : "")); r.onclick = () => show(i + 1); });
function show(n) {
  now = Math.max(0, Math.min(d.steps.length, n));
  [...body.rows].forEach((r, i) => r.className = i + 1 === now ? "now" : i + 1 > now ? "later" : "");
  const state = new Map(Object.entries(d.start)), hot = new Set();
  d.steps.slice(0, now).forEach((s, i) => s.changes.forEach(c => {
    state.set(c.what, c.after); if (i + 1 === now) hot.add(c.what); }));
  at("state").replaceChildren();
  const t = at("state").createTBody();
  state.forEach((v, k) => { const r = t.insertRow(); cell(r, k); cell(r, v, hot.has(k) ? "changed" : ""); });
  at("where").textContent = "step " + now + " of " + d.steps.length;
  at("verdict").textContent = now === d.steps.length ? d.verdict || "nothing is broken on this schedule" : "";
}
at("first").onclick = () => show(0); at("last").onclick = () => show(d.steps.length);
at("back").onclick = () => show(now - 1); at("next").onclick = () => show(now + 1);
addEventListener("keydown", e => { if (e.key === "ArrowRight") show(now + 1);
  if (e.key === "ArrowLeft") show(now - 1); });
show(0);
</script></body></html>
"""


def page(scenario: Scenario, trace: Trace) -> str:
    """The document. The data is JSON with `<` escaped, so no text can end the script element."""
    data = json.loads(document(scenario, trace))
    safe = json.dumps(data).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return PAGE % {"title": escape(f"{scenario.id} {scenario.name}"), "data": safe}
