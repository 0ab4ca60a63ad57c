"""`mmlint` and `python -m mmlint`."""

from __future__ import annotations

import gc
import sys

from mmlint.interrupt import listen

UNUSABLE, INTERRUPTED = 2, 130

# What a run builds lives until it ends and has next to no cycles (35,000 of the objects of mm/): a search of half a
# million objects for some takes 0.2 s.
_YOUNG_OBJECTS = 2_000_000


def main() -> None:
    """Run the command line; `--version` and plain uses of `check` and `patch` are answered without loading typer."""
    words = sys.argv[1:]
    if words == ["--version"]:
        from mmlint import __version__

        print(f"mmlint {__version__}")
        return
    listen()
    gc.set_threshold(_YOUNG_OBJECTS, 50, 100)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    from mmlint.rule import RuleError

    try:
        _run(words)
    except RuleError as error:
        print(f"mmlint: {error}", file=sys.stderr)
        sys.exit(UNUSABLE)
    except KeyboardInterrupt:
        print("mmlint: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    finally:
        gc.freeze()  # what Python would search for cycles once more on its way out


def _run(words: list[str]) -> None:
    if not (words and _fast(words)):
        from mmlint.cli import app

        app(prog_name="mmlint")


def _fast(words: list[str]) -> bool:
    """Run a plain `check` or `patch`; False leaves the arguments to typer."""
    from mmlint.commands import analyse
    from mmlint.commands.fast import read

    if words[0] == "check" and (check := read(analyse.Check, words[1:])) is not None:
        analyse.check(check)
    elif words[0] == "patch" and (patch := read(analyse.Patch, words[1:])) is not None:
        analyse.patch(patch)
    else:
        return False
    return True


if __name__ == "__main__":
    main()
