"""Regenerates what is made from the code: the settings' schema and table, the transcripts, and one page for each rule.

The schema, the table and the transcripts are kept in the repository; the rules' pages go to build/site/rules.
"""

import re
import sys
import tempfile
from pathlib import Path

from mmlint.output.page import page
from mmlint.policy.schema import markdown, schema_text
from mmlint.rule import FAMILIES, Rule, load
from mmlint.sim import commands

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT / "build" / "site"


def main() -> None:
    """Write everything."""
    sys.path.insert(0, str(ROOT))
    from tests.cli.transcript import replay

    write(ROOT / "analyzer/mmlint/settings.schema.json", schema_text())
    configuration = ROOT / "docs/configuration.md"
    table = r"(<!-- settings: .*? -->\n).*?(<!-- end -->)"
    text = re.sub(table, lambda m: m[1] + markdown() + m[2], configuration.read_text(encoding="utf-8"), flags=re.DOTALL)
    write(configuration, text)
    for name in ("README.md", "docs/tour.md"):
        with tempfile.TemporaryDirectory() as folder:
            write(ROOT / name, replay((ROOT / name).read_text(encoding="utf-8"), Path(folder)))
    for rule in load():
        write_page(rule)
    write(SITE / "rules" / "index.md", "".join(index()))


def write_page(rule: Rule) -> None:
    """The page of a rule, with the picture of its witness beside it."""
    picture = commands.show(rule.scenario.id, None, None, "svg")
    write(SITE / "rules" / f"{rule.name}.svg", picture)
    write(SITE / "rules" / f"{rule.name}.md", f"{page(rule)}\n![{rule.scenario.summary}]({rule.name}.svg)\n")


def index() -> list[str]:
    """The list of rules, by family."""
    rows = ["# Rules\n"]
    for letters, words in FAMILIES.items():
        rules = [rule for rule in load() if rule.family == letters]
        rows += [f"\n## {letters}: {words}\n\n"] if rules else []
        rows += [f"- [{rule.code} {rule.name}]({rule.name}.md): {rule.summary}\n" for rule in rules]
    return rows


def write(path: Path, text: str) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
