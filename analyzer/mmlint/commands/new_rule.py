"""`mmlint new-rule`: the three files of a new rule, ready to be filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from mmlint.commands.pack import PACKAGE, files
from mmlint.commands.run import emit, fail
from mmlint.nearest import nearest
from mmlint.rule import FAMILIES

_MODULE = '''"""{code} {name}: {summary}.

## What it does
Says what is reported, at which place, and which path or value makes it so.

## Why it matters
Says what breaks at run time, for whom, and why tests do not see it.

## Bad
```c
the_function(folio);
```

## Good
```c
the_other_function(folio);
```

## Limits
Says what is not seen, and what looks the same and is accepted.

## Sources
Document and line, commit, or list message.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import {scenario}


def check(function: Function) -> Iterator[Hit]:
    """Report each call of `the_function`."""
    for _, call in function.calls.get("the_function", ()):
        yield function.hit(call, "`the_function` is called")


RULE = Rule(
    code="{code}",
    name="{name}",
    summary="{summary}",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="{since}",
    check=check,
    tokens=("the_function",),
    scenario={scenario},
    status="preview",
)
'''
_BAD = """// SPDX-License-Identifier: GPL-2.0
/* {code}: {summary}. Written for this fixture, in kernel style. */

static void bad(struct folio *folio)
{{
	the_function(folio);	/* want {code} "the_function" */
}}
"""
_GOOD = """// SPDX-License-Identifier: GPL-2.0
/* {code}: the same, mended: nothing may be reported here. */

static void good(struct folio *folio)
{{
	the_other_function(folio);
}}
"""


def new_rule(
    code: Annotated[str, typer.Argument(help="The code, such as PTL130.")],
    name: Annotated[str, typer.Argument(help="The bad pattern in words with hyphens, such as sleep-in-walk.")],
    summary: Annotated[str, typer.Argument(help="One line: what is wrong with it.")],
    scenario: Annotated[str, typer.Option(metavar="ID", help="The scenario that proves it; `mmlint sims` lists them.")],
    directory: Annotated[Path, typer.Option(help="The root of the repository.")] = Path(),
    pack: Annotated[
        str | None,
        typer.Option(metavar="PACKAGE", help="Write it for a rule pack of one's own, and the pack around it."),
    ] = None,
) -> None:
    """Write the skeletons of a rule, its bad.c and its good.c.

    With --pack it goes into a package of one's own, which mmlint finds once it is installed; what the package needs
    is written where it is missing.
    """
    from mmlint import __version__

    _refuse(code, name, scenario, pack)
    words = {
        "code": code,
        "name": name,
        "summary": summary.rstrip("."),
        "scenario": scenario,
        "since": ".".join(__version__.split(".")[:2]),
    }
    place = Path(pack) if pack else Path("rules", "mmlint_rules", code[:3].lower())
    rule_file = directory / place / f"{name.replace('-', '_')}.py"
    folder = directory / "fixtures" / f"{code}-{name}"
    for path, text in ((rule_file, _MODULE), (folder / "bad.c", _BAD), (folder / "good.c", _GOOD)):
        _write(path, text.format(**words))
    for inner, text in files(pack).items() if pack else ():
        if not (directory / inner).exists():
            _write(directory / inner, text)


def _refuse(code: str, name: str, scenario: str, pack: str | None) -> None:
    """One clear line on what cannot be."""
    from mmlint.rule import load
    from mmlint.sim.scenarios import MODULES

    families = ", ".join(FAMILIES)
    if not re.fullmatch(rf"({'|'.join(FAMILIES)})[1-9]\d\d", code):
        fail(f"new-rule {code}: a code is a family and three digits, such as PTL130; families: {families}")
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name):
        fail(f"new-rule {name}: a name is two or more words in lower case with hyphens, and names the bad pattern")
    if scenario not in MODULES:
        fail(f"new-rule --scenario {scenario}: no such scenario{nearest(scenario, MODULES)}; `mmlint sims` lists them")
    taken = next((rule for rule in load() if code == rule.code or name == rule.name), None)
    if taken is not None:
        fail(f"new-rule: {code} {name}: taken by {taken.code} {taken.name} in {taken.module}")
    if pack is not None and not PACKAGE.fullmatch(pack):
        fail(f"new-rule --pack {pack}: a package is words in lower case with underscores, such as my_rules")


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        fail(f"{path}: is there already; nothing is overwritten")
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    emit(f"wrote {path}\n")
