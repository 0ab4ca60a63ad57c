"""Regenerates what is made from the code: schemas, the settings' table, the transcripts, the manual, the list of
modules, the rules' pages.

All of it is kept in the repository, and tests/cli/test_documents.py fails on what is stale.
"""

import re
import sys
import tempfile
from pathlib import Path

from mmlint.cli import app
from mmlint.commands.manual import manual
from mmlint.commands.pages import pages
from mmlint.output.schema import schema_text as report_schema
from mmlint.policy.schema import markdown, schema_text
from mmlint.rule import load

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write everything, and take away the pages of rules that are gone."""
    sys.path.insert(0, str(ROOT))
    from tests.cli.modules import modules
    from tests.cli.reference import MARKS, reference
    from tests.cli.transcript import DOCUMENTS, replay

    write(ROOT / "analyzer/mmlint/settings.schema.json", schema_text())
    write(ROOT / "analyzer/mmlint/report.schema.json", report_schema())
    write(ROOT / "docs/mmlint.1", manual(app))
    configuration = ROOT / "docs/configuration.md"
    table = r"(<!-- settings: .*? -->\n).*?(<!-- end -->)"
    text = re.sub(table, lambda m: m[1] + markdown() + m[2], configuration.read_text(encoding="utf-8"), flags=re.DOTALL)
    write(configuration, text)
    api = ROOT / "docs/api.md"
    write(api, MARKS.sub(lambda m: m[1] + reference() + m[2], api.read_text(encoding="utf-8")))
    write(ROOT / "docs/modules.md", modules())
    for name in DOCUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            write(ROOT / name, replay((ROOT / name).read_text(encoding="utf-8"), Path(folder)))
    found = {ROOT / "docs/rules" / name: text for name, text in pages(load()).items()}
    for path, text in found.items():
        write(path, text)
    for path in (ROOT / "docs/rules").rglob("*.*"):
        if path not in found:
            path.unlink()


def write(path: Path, text: str) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
