"""What a scenario is: a story in kernel terms, a way to set it up, variants, and what each variant must come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmlint.sim.explore import Outcome, Probe
    from mmlint.sim.world import World

HOLDS = "holds"


@cache
def witnesses() -> dict[str, str]:
    """The recorded schedules by scenario id, read from the generated data file once."""
    import json
    from importlib.resources import files

    data: dict[str, str] = json.loads(files("mmlint.sim").joinpath("witnesses.json").read_text(encoding="utf-8"))
    return data


@cache
def kernels_shown() -> dict[str, list[str]]:
    """By scenario name, the kernel releases on which it was shown: whole they hold, with the guard out they break.

    Read once from the data file that the kernel lab writes (docs/lab.md).
    """
    import json
    from importlib.resources import files

    data: dict[str, list[str]] = json.loads(files("mmlint.sim").joinpath("shown.json").read_text(encoding="utf-8"))
    return data


@dataclass(frozen=True, slots=True)
class Variant:
    """One kernel behaviour a scenario runs on. `expect` is `holds` or the oracle that breaks."""

    name: str
    policy: Any
    expect: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A frozen value; nothing runs until `explore` is called.

    `build(world, policy)` sets up the objects, tasks and oracles; its docstring is the story, with its sources.
    `bad` and `good` name the variants a rule points at. `sometimes` are situations that the good variant must reach,
    or it proves nothing: names of marks the model sets, or name and probe.
    """

    id: str
    name: str
    summary: str
    build: Callable[[World, Any], None]
    variants: tuple[Variant, ...]
    bad: str
    good: str
    sometimes: tuple[str | tuple[str, Probe], ...] = ()
    hypothesis: bool = False

    @property
    def story(self) -> str:
        """The docstring text: what happens, in kernel terms, with document and line or commit."""
        return cleandoc(self.build.__doc__ or "")

    @property
    def schedule(self) -> str:
        """The recorded interleaving under which the bad variant breaks."""
        return witnesses().get(self.id, "")

    @property
    def shown_on(self) -> tuple[str, ...]:
        """The kernel releases on which the scenario was shown; empty where it was not."""
        return tuple(kernels_shown().get(self.name, ()))

    @property
    def test(self) -> str:
        """The pytest id that explores the bad variant."""
        return f"tests/sim/test_scenarios.py::test_bad_breaks[{self.id}]"

    @property
    def command(self) -> str:
        """The command that replays the witness."""
        return f"mmlint sim {self.name} --schedule {self.schedule}"

    def variant(self, name: str | None = None) -> Variant:
        """A variant by name; `bad` (also the default) and `good` are accepted. Raises KeyError."""
        wanted = {None: self.bad, "bad": self.bad, "good": self.good}.get(name, name)
        for variant in self.variants:
            if variant.name == wanted:
                return variant
        raise KeyError(wanted)

    def world(self, variant: str | None = None) -> World:
        """A fresh world of a variant, before its first step."""
        from mmlint.sim.world import World

        world = World()
        self.build(world, self.variant(variant).policy)
        return world

    def explore(self, variant: str | None = None, max_states: int = 60_000) -> Outcome:
        """All interleavings of a variant. Raises `mmlint.sim.explore.BoundError`."""
        from mmlint.sim.explore import explore

        chosen = self.variant(variant).name
        wanted = [(item, None) if isinstance(item, str) else item for item in self.sometimes]
        return explore(lambda: self.world(chosen), wanted, max_states)
