"""The page in a real browser: it loads without a complaint, filters, and steps a proof."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from mmlint.audit.page import render
from mmlint.output import Context

from tests.audit.conftest import Run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROBE = """
<script>
"use strict";
const failed = [];
addEventListener("error", (event) => failed.push(event.message));
addEventListener("securitypolicyviolation", (event) => failed.push(event.violatedDirective));
addEventListener("load", () => {
  const form = document.querySelector("form");
  const shown = () => [...document.querySelectorAll("article")].filter((each) => !each.hidden).length;
  const told = { all: shown() };
  form.elements.text.value = "fs/proc";
  form.dispatchEvent(new Event("input"));
  told.searched = shown();
  form.elements.text.value = "";
  form.elements.severity.value = "info";
  form.dispatchEvent(new Event("input"));
  told.infos = shown();
  form.elements.severity.value = "";
  form.dispatchEvent(new Event("input"));
  told.again = shown();
  const proof = document.querySelector("section");
  const ahead = () => proof.querySelectorAll("tr.ahead").length;
  const [back, step] = proof.querySelectorAll("button");
  told.turns = proof.querySelectorAll("tr.turn").length;
  told.ahead = [ahead()];
  for (const button of [step, step, back]) { button.click(); told.ahead.push(ahead()); }
  for (let left = told.turns; left > 1; left -= 1) { step.click(); }
  told.ahead.push(ahead());
  told.failed = failed;
  document.body.dataset.told = JSON.stringify(told);
});
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_works(run: Run, tmp_path: Path) -> None:
    report = run(select=("ALL",)).report
    text = render(report, Context("audit"))
    page = tmp_path / "page.html"
    page.write_text(text.replace("<style>", PROBE + "<style>", 1), encoding="utf-8")
    assert CHROMIUM is not None
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=20000"]
    done = subprocess.run(
        [
            CHROMIUM,
            *words,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--enable-logging=stderr",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'data-told="([^"]*)"', done.stdout)
    assert found is not None, done.stderr[-2000:]
    told = json.loads(html.unescape(found[1]))
    places = [finding.path for finding in report.findings]
    assert told["all"] == told["again"] == len(places)
    assert told["searched"] == sum("fs/proc" in path for path in places) > 0
    assert told["infos"] == sum(finding.severity.value == "info" for finding in report.findings)
    turns = told["turns"]
    assert told["ahead"] == [0, turns - 1, turns - 2, turns - 1, 0]
    assert told["failed"] == []
    assert "CONSOLE" not in done.stderr
