"""What only a process of its own shows: start-up, pipes, signals, an empty stderr."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mmlint import __version__

from tests.cli.conftest import BAD

MMLINT = [sys.executable, "-m", "mmlint"]


def cpu_seconds(*words: str) -> float:
    """User and system time of a run; the least of three, because the machine has other work."""
    best = []
    for _ in range(3):
        before = os.times()
        subprocess.run([*MMLINT, *words], capture_output=True, check=False)
        after = os.times()
        spent = after.children_user - before.children_user + after.children_system - before.children_system
        best.append(spent)
    return min(best)


def test_version_is_quick_and_right() -> None:
    assert subprocess.check_output([*MMLINT, "--version"], text=True) == f"mmlint {__version__}\n"
    assert cpu_seconds("--version") < 0.2


def test_check_of_one_file_starts_quickly(tree: Path) -> None:
    assert cpu_seconds("check", "mm/bad.c") < 0.6


def test_a_reader_that_goes_away_is_no_error(tree: Path) -> None:
    (tree / "mm/many.c").write_text("".join(BAD.replace("grab", f"grab{n}") for n in range(300)), encoding="utf-8")
    run = subprocess.Popen(
        [*MMLINT, "check", "mm/many.c"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tree, text=True
    )
    assert run.stdout is not None
    assert run.stderr is not None
    run.stdout.readline()
    run.stdout.close()
    assert run.stderr.read() == ""
    assert run.wait(timeout=60) == 1
    run.stderr.close()


def test_ctrl_c_while_reading_ends_at_once_without_a_traceback(tree: Path) -> None:
    run = subprocess.Popen(
        [*MMLINT, "check", "-", "-v"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tree
    )
    assert run.stderr is not None
    while b"rules run" not in run.stderr.readline():
        pass
    run.send_signal(signal.SIGINT)
    _, stderr = run.communicate(timeout=20)
    assert run.returncode == 130
    assert stderr == b"mmlint: interrupted\n"


def test_an_ignored_ctrl_c_stays_ignored(tree: Path) -> None:
    command = f"trap '' INT; exec {sys.executable} -m mmlint check - -v"
    run = subprocess.Popen(
        ["sh", "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tree
    )
    assert run.stderr is not None
    while b"rules run" not in run.stderr.readline():
        pass
    run.send_signal(signal.SIGINT)
    stdout, stderr = run.communicate(BAD.encode(), timeout=20)
    assert run.returncode == 1, stderr
    assert b":9:6" in stdout
    assert b"interrupted" not in stderr


DROPS = """
import signal, sys
from mmlint import __main__, api

class Dying:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

check_file = api.check_file
def dropping(*args):
    Dying()
    return check_file(*args)

api.check_file = dropping
sys.argv[1:] = ["check", "mm/bad.c", "mm/good.c"]
__main__.main()
"""


def test_ctrl_c_in_a_finaliser_ends_the_run(tree: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DROPS], capture_output=True, cwd=tree, check=False, text=True)
    assert "Exception ignored" in done.stderr
    assert done.returncode == 130
    assert "bad.c" in done.stdout
    assert "interrupted" in done.stderr


def test_text_that_the_locale_cannot_show(tree: Path) -> None:
    (tree / "mm/ü.c").write_text(BAD, encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    done = subprocess.run([*MMLINT, "check", "mm/ü.c"], capture_output=True, cwd=tree, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.isascii()
    assert b"mm/\\xc3\\xbc.c:9:6" in done.stdout
