"""Bars: findings by subsystem, one bar for each release."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mmlint.output.text import plain

_LABEL, _LENGTH, _THICK, _GAP = 300, 420, 14, 8


def bars(releases: Sequence[str], rows: Sequence[tuple[str, Sequence[int]]]) -> str:
    """An SVG picture of counts: each row has a name and a count for each release. Empty without rows."""
    if not rows:
        return ""
    most = max(max(counts) for _, counts in rows) or 1
    step = _THICK * len(releases) + _GAP
    height = step * len(rows) + 24
    parts = [f'<svg class="plot" viewBox="0 0 {_LABEL + _LENGTH + 60} {height}" role="img" aria-label="by subsystem">']
    for place, release in enumerate(releases):
        parts.append(f'<text class="r{place}" x="{_LABEL + 120 * place}" y="12">{escape(plain(release))}</text>')
    for number, (name, counts) in enumerate(rows):
        top = 24 + number * step
        parts.append(f'<text x="{_LABEL - 8}" y="{top + 11}" text-anchor="end">{escape(plain(name)[:44])}</text>')
        for place, count in enumerate(counts):
            y, long = top + place * _THICK, round(_LENGTH * count / most)
            parts.append(f'<rect class="r{place}" x="{_LABEL}" y="{y}" width="{long}" height="{_THICK - 2}"/>')
            parts.append(f'<text x="{_LABEL + long + 6}" y="{y + 11}">{count}</text>')
    return "".join([*parts, "</svg>"])
