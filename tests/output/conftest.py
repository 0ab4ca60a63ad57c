import pytest
from mmlint.output import witness
from mmlint.output.witness import Turn, Witness


@pytest.fixture(autouse=True)
def recorded_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """The goldens show a witness of their own, so that a change of a scenario does not touch them."""
    played = (Turn("cpu0", "takes the page-table lock"), Turn("cpu0", "allocates, sleeps"), Turn("cpu1", "spins on it"))
    monkeypatch.setattr(witness, "_replay", lambda _scenario, _schedule: Witness(played, "sleeps while atomic"))
