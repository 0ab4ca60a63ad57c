"""The scenarios. `from mmlint.sim.scenarios import S12` loads the module of S12 when something asks for part of it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mmlint.sim.scenario import Scenario

MODULES: dict[str, str] = {
    name: module
    for module, names in {
        "pins": "S1 S2 S3 S21 S33 S8 S28 S32",
        "early_copy": "S12 S13 S14 S15 S16 S17 S18 RT1",
        "reuse": "S10 S11 S35",
        "pins_more": "S4 S5 S6 S7 S9 S19 S20 S22 S25 S27 S29 S30 S31 S34 S36 S37",
        "forced_cow": "S23 S24 S26",
        "translations": "NOTIF1 BATCH1",
        "swapping": "SWAP1 SWAP2 UFFD1 SOFT1 EXCL1 EXCL2 PIN1 CW5",
        "gup_callers": "GUPLOCK1 FORCE1 GATE1 TRUNC2",
        "protection": "CW1 CW2 CW3 CW4 CW6 CW7 CW8",
        "dax": "DX1 DX2 DX3 DX4 DX5 DX6 DX7",
        "hmm": "HM1 HM2 HM3 HM4 HM5 HM6 HM7 HM8 HM9 HM10 HM11 HM12",
        "zone_device": "ZD0 ZD1 ZD2 ZD3 ZD4 ZD5 ZD6 ZD7 ZD8 ZD9 ZD17 ZD18 ZD19",
        "device_private": "ZD10 ZD11 ZD12 ZD13 ZD14 ZD15 ZD16",
        "fast_gup": "FG1 FG2 FG3 FG4 FG5 FG6 FG7 FG8 FG9 FG10 FG11 FG12 FG13",
        "locking": "LK1 LK2 LK3 LK4 LK5 LK6 NUL1 WALK1",
        "references": "RAW1 LEAK1 LEAK2 UAF1 PUT1 MIX1 ZERO1 FRZ1 DIRTY1 DIRTY2 TAIL1 ERRP1 RETRY1 CHARGE1 ISO1 TRUNC1",
    }.items()
    for name in names.split()
}


class _Late(Scenario):
    """A scenario of which the id is known; the rest is taken from its module when one part of it is asked for."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise AttributeError(name)
        whole = _load(self.id)
        for part in self.__dataclass_fields__:
            object.__setattr__(self, part, getattr(whole, part))
        return getattr(whole, name)


def __getattr__(name: str) -> Scenario:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    late = object.__new__(_Late)
    object.__setattr__(late, "id", name)
    return late


def _load(name: str) -> Scenario:
    found: Scenario = getattr(import_module(f"{__name__}.{MODULES[name]}"), name)
    return found


def all_scenarios() -> tuple[Scenario, ...]:
    """Every scenario, in the order of the table."""
    return tuple(_load(name) for name in MODULES)


def find(word: str) -> Scenario | None:
    """The scenario with this id (any case) or name."""
    by_id = next((name for name in MODULES if name.lower() == word.lower()), None)
    if by_id is not None:
        return __getattr__(by_id)
    return next((scenario for scenario in all_scenarios() if scenario.name == word), None)
