"""Shared by the XML formats: elements as text, with everything XML 1.0 cannot hold spelled out."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from mmlint.output.text import plain

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'


def element(
    name: str, attributes: dict[str, str | int], children: list[str] | None = None, text: str = ""
) -> list[str]:
    """The lines of an element; children are lines of their own, indented."""
    opened = name + "".join(f" {key}={quoteattr(plain(str(value)))}" for key, value in attributes.items())
    if children:
        return [f"<{opened}>", *("  " + child for child in children), f"</{name}>"]
    if text:
        return [f"<{opened}>{escape(text)}</{name}>"]
    return [f"<{opened}/>"]


def document(root: list[str]) -> str:
    """The file."""
    return "\n".join([HEAD, *root]) + "\n"
