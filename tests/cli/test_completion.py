"""Shell completion: what the shells are given, and bash with the script that it is given."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def complete(*words: str) -> list[str]:
    """What mmlint answers bash for the last of the words."""
    environment = {
        **os.environ,
        "_MMLINT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(("mmlint", *words)),
        "COMP_CWORD": str(len(words)),
    }
    command = [sys.executable, "-m", "mmlint"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("che",), {"check"}),
        (("check", "--stdin"), {"--stdin-filename"}),
        (("check", "--output", "js"), {"json", "json-v1", "jsonl"}),
        (("check", "--select", "PTL101"), {"PTL101"}),
        (("check", "--fail-on", ""), {"error", "warning", "info"}),
        (("rule", "PTL10"), {"PTL101"}),
        (("rule", "sleep-u"), {"sleep-under-ptl"}),
        (("sim", "alloc-under"), {"alloc-under-ptl-reclaims-into-it"}),
        (("config", "min"), {"min-confidence"}),
        (("baseline", ""), {"write", "update", "diff"}),
    ],
)
def test_what_is_offered(words: tuple[str, ...], offered: set[str]) -> None:
    assert offered <= set(complete(*words))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script(shell: str) -> None:
    environment = {**os.environ, "_MMLINT_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-m", "mmlint"]
    script = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "_MMLINT_COMPLETE" in script


@pytest.mark.skipif(shutil.which("bash") is None or not (BIN / "mmlint").exists(), reason="needs bash and the command")
def test_bash_completes_with_the_script_it_gets() -> None:
    program = """
        eval "$(_MMLINT_COMPLETE=source_bash mmlint)"
        complete -p mmlint
        COMP_WORDS=(mmlint check --fail-on w) COMP_CWORD=3
        _mmlint_completion mmlint
        echo "offered: ${COMPREPLY[*]}"
    """
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "offered: warning"
    assert done.stderr == ""
