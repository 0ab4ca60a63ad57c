"""`mmlint` and `python -m mmlint`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; `--version` is answered without loading it."""
    if sys.argv[1:] == ["--version"]:
        from mmlint import __version__

        print(f"mmlint {__version__}")
        return
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    from mmlint.cli import app

    app(prog_name="mmlint")


if __name__ == "__main__":
    main()
