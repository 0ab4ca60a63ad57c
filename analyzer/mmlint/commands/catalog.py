"""`rules`, `rule`, `sims`, `sim`, `config`, `facts`, `doctor`: what there is, and why."""

from __future__ import annotations

import json
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import typer

from mmlint.commands import complete
from mmlint.commands.run import CLEAN, FOUND, UNUSABLE, complain_of, emit, fail
from mmlint.nearest import nearest


def rules(
    family: Annotated[str | None, typer.Argument(help="Only this family, such as PTL.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array.")] = False,
) -> None:
    """List the rules by family."""
    from mmlint.policy.codes import POLICY_RULES
    from mmlint.rule import FAMILIES, load

    if family is not None and family.upper() not in (*FAMILIES, "POL"):
        fail(f"rules {family}: no such family{nearest(family, FAMILIES) or '; one of ' + ', '.join(FAMILIES)}")
    wanted = [rule for rule in load() if family is None or rule.family == family.upper()]
    if as_json:
        emit(json.dumps([_object(rule) for rule in wanted], indent=2) + "\n")
        return
    width = max(len(name) for name in [*(rule.name for rule in wanted), *(rule.name for rule in POLICY_RULES)])
    lines = []
    for letters, group in groupby(wanted, key=lambda rule: rule.family):
        lines += [f"{letters}  {FAMILIES[letters]}"]
        lines += [
            f"  {rule.code}  {rule.name.ljust(width)}  {rule.severity.value:7}  {rule.summary}"
            + (" (preview)" if rule.status == "preview" else "")
            for rule in group
        ]
        lines.append("")
    if family is None or family.upper() == "POL":
        lines.append("POL  suppressions")
        lines += [f"  {rule.code}  {rule.name.ljust(width)}  warning  {rule.summary}" for rule in POLICY_RULES]
        lines.append("")
    emit("\n".join(lines))


def rule(
    code: Annotated[str | None, typer.Argument(help="A code or a name.", autocompletion=complete.rules)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every rule.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Explain a rule: what it does, why it matters, bad and good code, limits, sources, proof."""
    from mmlint.output.page import page, policy_page
    from mmlint.policy.codes import POLICY_RULES
    from mmlint.policy.codes import find as find_policy
    from mmlint.rule import find, load

    if every:
        if as_json:
            emit(json.dumps([_object(item) for item in load()], indent=2) + "\n")
        else:
            _show("\n\n".join(map(page, load())))
        return
    if code is None:
        fail("rule: name a code, or use --all; `mmlint rules` lists them")
    found = find(code.upper()) or find(code.lower())
    policy = find_policy(code.upper()) or find_policy(code.lower())
    if found is not None and as_json:
        emit(json.dumps(_object(found), indent=2) + "\n")
    elif found is not None:
        _show(page(found))
    elif policy is not None:
        _show(policy_page(policy))
    else:
        words = [word for item in load() for word in (item.code, item.name)]
        words += [word for item in POLICY_RULES for word in (item.code, item.name)]
        fail(f"rule {code}: no such rule{nearest(code, words) or '; `mmlint rules` lists them'}")


def _show(markdown: str) -> None:
    """Print Markdown, rendered where a person reads it."""
    if not sys.stdout.isatty():
        emit(markdown)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(markdown))


def _object(item: Any) -> dict[str, Any]:
    scenario = item.scenario
    return {
        "code": item.code,
        "name": item.name,
        "family": item.family,
        "summary": item.summary,
        "severity": item.severity.value,
        "confidence": item.confidence.value,
        "since": item.since,
        "status": item.status,
        "doc": item.doc,
        "simulation": {
            "scenario": scenario.id,
            "schedule": scenario.schedule,
            "test": scenario.test,
            "command": scenario.command,
        },
    }


def config(
    key: Annotated[str | None, typer.Argument(help="One setting.", autocompletion=complete.settings)] = None,
) -> None:
    """Explain the settings of mmlint.toml."""
    from mmlint.policy.schema import explain
    from mmlint.settings import keys

    if key is not None and key not in keys():
        fail(f"config {key}: no such setting{nearest(key, keys()) or '; `mmlint config` lists them'}")
    emit(explain(key))


def facts(
    place: Annotated[str, typer.Argument(metavar="PATH[:FUNCTION]", help="A C file, one function of it, or a patch.")],
    root: Annotated[str, typer.Option(metavar="DIR", help="The kernel tree that it belongs to.")] = ".",
    steps: Annotated[
        bool, typer.Option("--steps", help="Protocol steps: what guards what; of a patch, both sides.")
    ] = False,
) -> None:
    """Show what the analysis knows of a function: locks held at each line, flags, what callers see."""
    from mmlint.facts.program import Program
    from mmlint.facts.views.explain import explain, steps_of
    from mmlint.inputs.tree import FolderTree, TreeError

    path, _, function = place.partition(":")
    name = os.path.relpath(path, root)
    if Path(path).is_dir():
        fail(f"facts {path}: is a folder; name one C file of it")
    try:
        if not path.endswith((".c", ".h")):
            _facts_of_patch(place, root, steps)
            return
        show = steps_of if steps else explain
        emit(show(Program(FolderTree(root)), name, function or None) + "\n")
    except LookupError as error:
        fail(str(error.args[0]))
    except TreeError as error:
        fail(f"{error}; --root names the kernel tree")


def _facts_of_patch(patch: str, root: str, steps: bool) -> None:
    from mmlint.api import patch_facts

    text, errors = patch_facts(patch, root, steps=steps)
    emit(text)
    complain_of(errors)
    if errors:
        sys.exit(UNUSABLE)


def doctor(tree: Annotated[str, typer.Argument(metavar="TREE", help="A kernel tree.")]) -> None:
    """Compare the kernel API tables with a tree: what it lacks, what means something else, known bugs not found there.

    Exits 1 when they differ.
    """
    from mmlint.fit import diagnose
    from mmlint.inputs.tree import FolderTree
    from mmlint.kernel.doctor import report

    if not Path(tree).is_dir():
        fail(f"doctor {tree}: no such folder; name a kernel tree")
    found = diagnose(FolderTree(tree))
    for item in found:
        if item.check == "tree":
            fail(f"doctor {tree}: {item.message}")
    emit(report(tree, found) + "\n")
    sys.exit(FOUND if found else CLEAN)


def sims(
    matrix: Annotated[bool, typer.Option("--matrix", help="Which scenario breaks on which kernel variant.")] = False,
    rule: Annotated[str | None, typer.Option(metavar="CODE", help="Only what stands behind this rule.")] = None,
) -> None:
    """List the simulator's scenarios."""
    from mmlint.rule import find, load
    from mmlint.sim import commands

    if rule is not None:
        known = find(rule.upper()) or find(rule.lower())
        if known is None:
            fail(f"sims --rule {rule}: no such rule{nearest(rule.upper(), [each.code for each in load()])}")
        scenario = known.scenario
        emit(f"{scenario.id}  {scenario.name}  {scenario.summary}\n")
        return
    emit(commands.matrix() if matrix else commands.listing({each.code: [each.scenario.id] for each in load()}))


def sim(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A scenario's id or name, a rule's code or name, or a Python file with one.",
            autocompletion=complete.scenarios,
        ),
    ] = None,
    schedule: Annotated[str | None, typer.Option(metavar="STEPS", help="Replay this interleaving.")] = None,
    variant: Annotated[str | None, typer.Option(metavar="bad|good|NAME", help="The kernel variant.")] = None,
    form: Annotated[str, typer.Option("--format", metavar="text|json|svg|html", help="How to show it.")] = "text",
    every: Annotated[bool, typer.Option("--all", help="Explore all of them: the matrix of outcomes.")] = False,
) -> None:
    """Replay a scenario's recorded interleaving, one column for each CPU."""
    from mmlint.rule import find
    from mmlint.sim import commands

    if every or name is None:
        if name is not None or not every:
            fail("sim: name one scenario, or give --all for the matrix of outcomes; `mmlint sims` lists them")
        emit(commands.matrix())
        return
    known = find(name.upper()) or find(name.lower())
    word = known.scenario.id if known is not None else name
    try:
        emit(commands.show(word, variant, schedule, form).rstrip("\n") + "\n")
    except commands.SimError as error:
        fail(str(error))
