"""docs/lab.md and the list of scenarios shown on a kernel: written from the results, never by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mmlint.sim.scenario import HOLDS

from tests.lab import judge, linter, tree
from tests.lab.experiment import Boot
from tests.lab.model import scenario_of
from tests.lab.mutations import by_name
from tests.lab.pairs import PAIRS

PAGE = "docs/lab.md"
SHOWN = "analyzer/mmlint/sim/shown.json"
_MARKS = re.compile(r"(<!-- results -->\n).*(<!-- end -->)", re.DOTALL)

Results = Sequence[judge.Judged]


def write(root: Path, version: str, results: Results, stock: dict[str, Path], say: Callable[[str], None]) -> None:
    """Puts the tables into docs/lab.md and the shown scenarios into the simulator's data file."""
    source = tree.source(version)
    release = tree.release(source)
    say("the linter checks the edits as patches")
    said = {name: linter.findings(source, by_name()[name]) for name in dict.fromkeys(r.pair.mutation for r in results)}
    parts = [_summary(results, release), _pairs(results, said), _reports(results, said), _stock(stock, say)]
    page = root / PAGE
    text = page.read_text(encoding="utf-8")
    page.write_text(_MARKS.sub(lambda m: m[1] + "\n".join(parts) + m[2], text), encoding="utf-8")
    shown = sorted({scenario_of(result.pair.scenario).name for result in results if result.shows})
    (root / SHOWN).write_text(json.dumps({name: [release] for name in shown}, indent=1) + "\n", encoding="utf-8")
    say(f"wrote {PAGE} and {SHOWN}: {sum(r.agrees for r in results)} of {len(results)} pairs agree")


def _summary(results: Results, release: str) -> str:
    agree, shown = sum(r.agrees for r in results), sum(r.shows for r in results)
    scenarios = len({r.pair.scenario for r in results if r.shows})
    text = (
        f"{len(results)} pairs on {release}; in {agree} the model agrees with both kernels. {shown} of them show a "
        f"scenario ({scenarios} different ones): the whole kernel holds and the broken one breaks.\n"
    )
    odd = [f"- {r.pair.name}: {r.pair.note}\n" for r in results if not r.agrees]
    return text + ("\nDisagreements:\n\n" + "".join(odd) if odd else "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _head(*cells: str) -> str:
    return _row(*cells) + "|" + "---|" * len(cells) + "\n"


def _kernel(seen: judge.Observed) -> str:
    return f"{seen.outcome} {seen.count}/{seen.runs}" if seen.runs > 1 else seen.outcome


def _pairs(results: Results, said: dict[str, tuple[linter.Said, ...]]) -> str:
    table = "\n## Pairs\n\n" + _head(
        "Scenario", "Taken out", "Whole: model, kernel", "Broken: model, kernel", "Seen on the broken kernel", "Linter"
    )
    for r in results:
        codes = " ".join(dict.fromkeys(finding.code for finding in said[r.pair.mutation]))
        table += _row(
            f"{r.pair.scenario} {scenario_of(r.pair.scenario).name}",
            by_name()[r.pair.mutation].says,
            f"{r.model_whole}, {_kernel(r.whole)}",
            f"{r.model_broken}, {_kernel(r.broken)}" + ("" if r.agrees else " (disagrees)"),
            r.broken.seen + (f" ({r.pair.note})" if r.pair.note else ""),
            codes or "-",
        )
    return table


def _reports(results: Results, said: dict[str, tuple[linter.Said, ...]]) -> str:
    """Where the kernel's own complaint passes through the very function or line that the linter reports."""
    table = "\n## The kernel's own reports, and the linter's lines\n\n" + _head(
        "Edit", "The kernel says", "on the way through", "The linter says"
    )
    for r in results:
        findings = said[r.pair.mutation]
        if not findings or not (r.broken.places or r.pair.program.startswith("leaks")):
            continue
        lines = {finding.place for finding in findings}
        files = {place.partition(":")[0] for place in lines}
        passed = [p for p in r.broken.places if p in lines] or [p for p in r.broken.places if p.split(":")[0] in files]
        table += _row(
            r.pair.mutation,
            r.broken.seen,
            ", ".join(passed[:4]) or ("other files" if r.pair.report else "a counter"),
            "; ".join(f"{f.code} {f.place}" + (" (same line)" if f.place in passed else "") for f in findings),
        )
    return table


def _stock(images: dict[str, Path], say: Callable[[str], None]) -> str:
    programs = tuple(dict.fromkeys(pair.program for pair in PAIRS))
    table = "\n## Debian's own kernels, unmodified\n\n" + _head("Program", *images)
    texts = {}
    for name, image in images.items():
        say(f"stock kernel {name}")
        texts[name] = Boot(image, programs, runs=1).console().read_text(encoding="utf-8")
    for program in programs:
        table += _row(program, *(_short(judge.whole(text, program)) for text in texts.values()))
    return table


def _short(seen: judge.Observed) -> str:
    return seen.outcome if seen.outcome == HOLDS else f"{seen.outcome}: {seen.seen}"
