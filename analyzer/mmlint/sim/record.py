"""Write `witnesses.json`: for each scenario the shortest schedule under which its bad variant breaks.

`python -m mmlint.sim.record` after a change of the model or of a scenario; the tests check that the file is current.
"""

from __future__ import annotations

import json
from pathlib import Path

from mmlint.sim.scenarios import all_scenarios


def record() -> dict[str, str]:
    """Scenario id to schedule, by exploring every bad variant."""
    return {scenario.id: scenario.explore("bad").schedule for scenario in all_scenarios()}


def text() -> str:
    """The content of the data file."""
    return json.dumps(record(), indent=0) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("witnesses.json").write_text(text(), encoding="utf-8")
