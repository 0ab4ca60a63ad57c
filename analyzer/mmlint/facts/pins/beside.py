"""What the folder of a function does with pins."""

from __future__ import annotations

import re

from mmlint.facts.function import Function, fact

UNPINS = re.compile(rb"\bunpin_(user|folio)|\b\w+_unpin\w*\s*\(|FOLL_PIN\b")
"""What gives pins back, and wrappers that by their name do."""
PINS = re.compile(rb"\bpin_(user|folio)|\bmemfd_pin_|\biov_iter_extract|\bfolio_add_pin|FOLL_PIN\b|BIO_PAGE_PINNED")
"""What takes pins, or says that they are taken."""
_GETS = re.compile(rb"\bget_user_pages|\biov_iter_get_pages")


@fact
def unpins_beside(function: Function) -> bool:
    """Whether something in the folder unpins."""
    return _says(function, UNPINS)


@fact
def only_gets_beside(function: Function) -> bool:
    """Whether something in the folder takes plain references by GUP, and nothing there takes pins."""
    return _says(function, _GETS) and not _says(function, PINS)


def _says(function: Function, words: re.Pattern[bytes]) -> bool:
    folder = function.path.rpartition("/")[0]
    return any(words.search(text) for _, text in function.program.texts(folder))
