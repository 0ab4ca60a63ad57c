"""Makes a virtual environment with this project in it, on a machine that has only Python 3.11 or newer.

    python3 .ci/environment.py FOLDER [EXTRA]

Debian and others split `ensurepip` off the interpreter. Then the interpreter's own pip or uv installs into the folder.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (3, 11)
REMEDY = "install python3-venv (Debian, Ubuntu), python3-pip or uv, then try again"


def main() -> None:
    """Make the environment and install the project in it; one line says what is wrong if that fails."""
    if sys.version_info < NEEDED:
        sys.exit(f"mmlint needs Python 3.11 or newer; this is {sys.version.split()[0]}: set PYTHON=/path/to/python3")
    folder = Path(sys.argv[1])
    extra = f"[{sys.argv[2]}]" if len(sys.argv) > 2 else ""
    python = folder / "bin" / "python"
    if not python.exists() and not works([sys.executable, "-m", "venv", "--without-pip", str(folder)]):
        if not shutil.which("uv"):
            sys.exit(f"this Python cannot make virtual environments: {REMEDY}")
        subprocess.run(["uv", "venv", "--quiet", "--python", sys.executable, str(folder)], check=True)
    done = subprocess.run([*installer(python), "--quiet", "--editable", f"{ROOT}{extra}"], check=False)
    if done.returncode:
        sys.exit(f"installing into {folder} failed; the lines above say why (it needs a package index)")


def installer(python: Path) -> list[str]:
    """A command that installs into the environment of `python`, whatever this machine has."""
    quiet = "--disable-pip-version-check"
    if works([str(python), "-m", "pip", "--version"]) or works([str(python), "-m", "ensurepip"]):
        return [str(python), "-m", "pip", quiet, "install"]
    if works([sys.executable, "-m", "pip", "--python", str(python), "--version"]):
        return [sys.executable, "-m", "pip", "--python", str(python), quiet, "install"]
    if shutil.which("uv"):
        return ["uv", "pip", "install", "--python", str(python)]
    sys.exit(f"this Python has no pip: {REMEDY}")


def works(command: list[str]) -> bool:
    """Whether the command succeeds; what it says does not matter."""
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    main()
