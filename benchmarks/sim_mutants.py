"""Break the simulator's model one operation at a time and see whether some scenario notices.

    python benchmarks/sim_mutants.py            # all mutants, a table, and the killed share
    python benchmarks/sim_mutants.py gup fork   # only mutants whose name contains one of the words

A mutant is one replacement in one module of `mmlint.sim`. It is killed when some scenario on some variant does not
come to its expected outcome, or a good variant no longer reaches its `sometimes`. Survivors known to be equivalent
(they only cost time) are explained in sim_mutants_list.py and leave the share. Exit status 1 below 95 %.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import time
from types import CodeType

from sim_mutants_list import EQUIVALENT, MUTANTS

TIMEOUT = 120
NEAR = {
    "model.fault": ("swapping", "reuse", "early_copy"),
    "model.gup": ("fast_gup", "gup_callers", "pins_more"),
    "model.reclaim": ("swapping", "references"),
    "model.ksm": ("reuse",),
    "model.migrate": ("hmm",),
    "model.tlb": ("translations", "hmm"),
    "model.dax": ("dax",),
    "model.zonedev": ("zone_device", "device_private"),
    "model.lru": ("references", "hmm", "device_private"),
    "model.protect": ("protection",),
    "model.walk": ("locking",),
    "locks": ("locking",),
}
"""Scenario modules to ask first, by mutated module: who is near notices soonest."""


def patched(module: str, old: str, new: str) -> None:
    """Make the import of `module` compile the changed text. The old text must occur."""
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        if fullname != module:
            return original(self, fullname)
        source = self.get_source(fullname) or ""
        if old not in source:
            raise SystemExit(f"{module}: mutant text not found: {old!r}")
        return compile(source.replace(old, new, 1), self.path, "exec")

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def first_difference(module: str) -> str:
    """The first scenario and variant that notices, or an empty string. Crashes of the model count."""
    from mmlint.sim.scenarios import MODULES, all_scenarios

    near = NEAR.get(module, ())
    for scenario in sorted(all_scenarios(), key=lambda s: MODULES[s.id] not in near):
        for variant in scenario.variants:
            try:
                outcome = scenario.explore(variant.name, max_states=6_000)
            except Exception as error:
                return f"{scenario.id} {variant.name}: {type(error).__name__}"
            if outcome.kind != variant.expect:
                return f"{scenario.id} {variant.name}: {outcome.kind} instead of {variant.expect}"
            if variant.name == scenario.good and (outcome.unreached or outcome.schedules < 2):
                return f"{scenario.id} {variant.name}: does not reach its situation"
    return ""


def run(module: str, old: str, new: str) -> str:
    """One mutant in a process of its own: who noticed, or an empty string."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        import signal

        signal.alarm(TIMEOUT)
        patched(f"mmlint.sim.{module}", old, new)
        os.write(writer, first_difference(module).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"did not end in {TIMEOUT} s"
    if os.WEXITSTATUS(status):
        raise SystemExit(f"mutant of {module} could not be applied")
    return answer


def main(words: list[str]) -> int:
    """Run the mutants and print the table."""
    chosen = [m for m in MUTANTS if not words or any(word in m[0] for word in words)]
    killed = equivalent = 0
    for name, module, old, new in chosen:
        start = time.monotonic()
        answer = run(module, old, new)
        killed += bool(answer)
        equivalent += not answer and EQUIVALENT.get(name, "").startswith("equivalent")
        note = answer or f"SURVIVES  {EQUIVALENT.get(name, '')}"
        print(f"{name:<40} {time.monotonic() - start:5.1f} s  {note}", flush=True)
    share = 100 * killed / max(1, len(chosen) - equivalent)
    print(f"{killed} of {len(chosen)} mutants killed, {equivalent} of the others change no verdict: {share:.1f} %")
    return 0 if share >= 95 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
