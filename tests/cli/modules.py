"""docs/modules.md: what each module of the analyzer is for, read off its docstring, and which rules ask it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """# Modules

Written by `make docs` from the first sentence of each module's docstring. What may import what is in
[architecture](architecture.md), what each rule finds in [rules](rules/README.md); the rules named here import the
module themselves.
"""
_FIRST = re.compile(r".+?(?=\.(?:\s|$)|$)", re.DOTALL)
_CODE = re.compile(r'\bcode="([A-Z]+[0-9]+)"')
_MANY = 12
"""Rules. What more of them ask is a common tool, and tells nothing of any."""


def modules() -> str:
    """Markdown: the modules by package. The simulator's scenarios have a page of their own."""
    askers = _askers()
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "analyzer/mmlint").rglob("*.py")):
        parts = path.relative_to(ROOT / "analyzer").with_suffix("").parts
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if doc and parts[:3] != ("mmlint", "sim", "scenarios"):
            name = "the package" if parts[-1] == "__init__" else f"`{parts[-1]}`"
            asked = ", ".join(askers[".".join(parts)])
            found[".".join(parts[:-1])].append(f"| {name} | {_sentence(doc)}{f' ({asked})' if asked else ''} |")
    tables = (f"## `{package}`\n\n| Module | |\n| --- | --- |\n" + "\n".join(rows) for package, rows in found.items())
    return "\n".join(f"{part}\n" for part in (HEAD.rstrip("\n"), *tables))


def _askers() -> dict[str, list[str]]:
    """By module: the codes of the rules that import it, none where many do."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "rules/mmlint_rules").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        code = _CODE.search(text)
        for node in ast.walk(ast.parse(text)) if code else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                found[node.module].append(code[1] if code else "")
    return defaultdict(list, {name: sorted(set(codes)) for name, codes in found.items() if len(set(codes)) <= _MANY})


def _sentence(doc: str) -> str:
    first = _FIRST.match(doc.partition("\n\n")[0])
    return " ".join(first[0].split()).replace("|", "\\|") if first else ""
