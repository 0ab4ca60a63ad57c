"""A rule on the state of the code that stands in for comparing rules: one cause, one finding."""

from __future__ import annotations

import json
from difflib import unified_diff
from pathlib import Path

import pytest
from mmlint.cli import app
from mmlint.rule import load
from typer.testing import CliRunner

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASES = {
    "PTL107": ("\tif (prealloc)\n\t\tput_page(prealloc);\n", ""),
    "PTL108": (
        "\t\tunlock_page(vmf->page);\n\t\twp_page_reuse(vmf);\n",
        "\t\twp_page_reuse(vmf);\n\t\tunlock_page(vmf->page);\n",
    ),
    "MIG102": ("pte_dirty(pteval))\n\t\tfolio_mark_dirty(folio);\n", "pte_dirty(pteval))\n\t\tcount_vm_event(1);\n"),
    "MIG103": ("\tif (pte_swp_soft_dirty(old_pte))\n\t\tpte = pte_mksoft_dirty(pte);\n", ""),
}


@pytest.mark.parametrize("code", CASES)
def test_a_removed_step_is_reported_once(code: str, tmp_path: Path) -> None:
    rule = next(rule for rule in load() if rule.code == code)
    good = (FIXTURES / f"{rule.code}-{rule.name}" / "good.c").read_text(encoding="utf-8")
    old, new = CASES[code]
    assert old in good
    tree = tmp_path / "mm"
    tree.mkdir()
    (tree / "x.c").write_text(good, encoding="utf-8")
    lines = good.splitlines(True), good.replace(old, new, 1).splitlines(True)
    diff = "".join(unified_diff(*lines, "a/mm/x.c", "b/mm/x.c"))
    words = ["patch", "-", "--tree", str(tmp_path), "--isolated", "--output", "json"]
    result = CliRunner().invoke(app, words, input=f"diff --git a/mm/x.c b/mm/x.c\n{diff}")
    found = [f["code"] for f in json.loads(result.stdout)["findings"] if f["origin"] == "new"]
    assert found == [code]


def test_rules_stand_in_for_comparing_rules_only() -> None:
    rules = {rule.code: rule for rule in load()}
    for rule in rules.values():
        assert not rule.instead_of or rule.check is not None, rule.code
        assert [code for code in rule.instead_of if rules[code].compare is None] == [], rule.code
