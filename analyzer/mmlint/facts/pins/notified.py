"""MMU notifiers of a driver: who is told when a mapping changes may hold its pages without a pin."""

from __future__ import annotations

from mmlint.facts.function import Function, fact

_METHODS = ("invalidate", "invalidate_range_start")
_SUBJECTS = ("mmu_interval_notifier", "mmu_notifier")


@fact
def folder_notifier(function: Function) -> Function | None:
    """The callback that the function's folder gives to an MMU notifier; None where it has none."""
    program, folder = function.program, function.path.rpartition("/")[0]
    given = program.initialisers(folder)
    for method in _METHODS:
        for path, name in given.get(method, ()):
            for callback in program.named(path, name):
                first = callback.source.params[0].type_text if callback.source.params else ""
                if any(subject in first.split() for subject in _SUBJECTS):
                    return callback
    return None
