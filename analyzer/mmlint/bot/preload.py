"""Imported once by the server process that children are forked from, so that none of them pays for it."""

from __future__ import annotations

import mmlint.api
import mmlint.bot.analyse
import mmlint.bot.reading
import mmlint.inputs.fragments
import mmlint.output.mail
import mmlint.output.markdown
from mmlint.rule import known, load

__all__ = ["mmlint"]

load()
known()
