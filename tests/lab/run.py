"""The kernel lab: builds a kernel with switches, boots it whole and broken, compares with the simulator.

    python tests/lab/run.py                       everything, then docs/lab.md
    python tests/lab/run.py --pair fork-guard     the pairs whose name has that in it; nothing is written
    python tests/lab/run.py --patch FILE --scenario NAME    the programs of a scenario on a tree with a patch

Needs gcc, flex, bison, bc, libelf-dev, libssl-dev, qemu-system-x86 and linux-source-6.12. Everything made goes to
~/.cache/mmlint-lab (or $MMLINT_LAB) and is never made twice for the same key; it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT)]

from tests.lab import judge, tree  # noqa: E402
from tests.lab.cache import LabError  # noqa: E402
from tests.lab.edits import EditError  # noqa: E402
from tests.lab.experiment import Boot  # noqa: E402
from tests.lab.model import scenario_of  # noqa: E402
from tests.lab.pairs import PAIRS, Pair  # noqa: E402
from tests.lab.report import write  # noqa: E402
from tests.lab.stock import stock_images  # noqa: E402

VERSION = "6.12"
WHOLE_RUNS = 3


class Clock:
    """Says what is done, with the seconds since the start."""

    def __init__(self) -> None:
        self.started = time.monotonic()

    def __call__(self, text: str) -> None:
        """One line of progress."""
        print(f"[{time.monotonic() - self.started:5.0f} s] {text}", flush=True)


def judged(pairs: list[Pair], image: Path, symbols: Path, say: Clock) -> list[judge.Judged]:
    """Every pair: the whole kernel in one boot for all programs, the broken ones in a boot each."""
    programs = tuple(dict.fromkeys(pair.program for pair in PAIRS))
    say(f"the whole kernel runs {len(programs)} programs")
    intact = Boot(image, programs, runs=WHOLE_RUNS).console().read_text(encoding="utf-8")
    results = []
    for number, pair in enumerate(pairs, 1):
        text = Boot(image, (pair.program,), pair.mutation, pair.runs).console().read_text(encoding="utf-8")
        result = judge.judge(pair, intact, text, symbols)
        results.append(result)
        say(
            f"{number}/{len(pairs)} {pair.scenario} {pair.mutation}: whole {result.whole.outcome} (model "
            f"{result.model_whole}), broken {result.broken.outcome} (model {result.model_broken})"
            + ("" if result.agrees else ": DISAGREES")
        )
    return results


def patched(patch: Path, scenario: str, version: str, say: Clock) -> int:
    """The programs of a scenario on a tree with a patch: 0 if all hold, 1 if one breaks."""
    identifier = scenario_of(scenario).id
    programs = tuple(dict.fromkeys(pair.program for pair in PAIRS if pair.scenario == identifier))
    if not programs:
        known = " ".join(sorted({pair.scenario for pair in PAIRS}))
        raise LabError(f"the lab has no program for {scenario}; it has some for {known}")
    image, _ = tree.kernel(version, say, patch)
    text = Boot(image, programs, runs=WHOLE_RUNS).console().read_text(encoding="utf-8")
    outcomes = {program: judge.whole(text, program) for program in programs}
    for program, seen in outcomes.items():
        say(f"{program}: {seen.outcome} ({seen.seen})")
    return int(any(seen.outcome == judge.BREAKS for seen in outcomes.values()))


def main() -> int:
    """0 if the model agrees with every kernel, 1 if not, 2 if the lab cannot run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernel", default=VERSION, help="release of the linux-source package")
    parser.add_argument("--pair", default="", help="only pairs whose name contains this; writes nothing")
    parser.add_argument("--patch", type=Path, help="a patch to build instead of the lab's edits")
    parser.add_argument("--scenario", help="with --patch: the scenario to run, by id or name")
    options = parser.parse_args()
    if bool(options.patch) != bool(options.scenario):
        parser.error("--patch and --scenario go together")
    say = Clock()
    try:
        tree.check_tools()
        if options.patch:
            return patched(options.patch, options.scenario, options.kernel, say)
        image, symbols = tree.kernel(options.kernel, say)
        chosen = [pair for pair in PAIRS if options.pair in pair.name]
        results = judged(chosen, image, symbols, say)
        if not options.pair:
            write(ROOT, options.kernel, results, stock_images(say), say)
    except (LabError, EditError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"lab: no scenario {error}; mmlint sims lists them", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"lab: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lab: stopped; what is made is kept, the next run goes on from there", file=sys.stderr)
        return 130
    return int(not all(result.agrees for result in results))


if __name__ == "__main__":
    sys.exit(main())
