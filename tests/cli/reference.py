"""The generated part of docs/api.md: every public name of the modules that others may build on."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from types import ModuleType

MODULES = ("mmlint.api", "mmlint.policy.discovery", "mmlint.finding", "mmlint.rule", "mmlint.testing")
MARKS = re.compile(r"(<!-- reference: .*? -->\n).*?(<!-- end -->)", re.DOTALL)


def reference() -> str:
    """Markdown: signature and meaning of each name, by module."""
    rows = []
    for name in MODULES:
        module = importlib.import_module(name)
        rows += [f"### {name}\n", f"{_first(module)}\n"]
        for word, value in _public(module):
            rows += [f"```python\n{_declared(word, value)}\n```\n", f"{inspect.getdoc(value)}\n"]
    return "\n".join(rows) + "\n"


def _public(module: ModuleType) -> Iterator[tuple[str, object]]:
    for word, value in vars(module).items():
        mine = getattr(value, "__module__", "") == module.__name__
        if mine and not word.startswith("_") and (inspect.isfunction(value) or inspect.isclass(value)):
            yield word, value


def _first(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _declared(word: str, value: object) -> str:
    if inspect.isclass(value) and issubclass(value, Enum):
        return f"class {word}: {', '.join(str(member.value) for member in value)}"
    if inspect.isclass(value) and (issubclass(value, Exception) or getattr(value, "_is_protocol", False)):
        return f"class {word}"
    assert callable(value)
    text = re.sub(r"(?<=: |> )'([^']*)'", r"\1", str(inspect.signature(value)))
    text = text.removesuffix(" -> None") if inspect.isclass(value) else text
    text = re.sub(r"<factory>|<\w+\.\w+: '?(\w+)'?>", r"...", text)
    head = "class " if inspect.isclass(value) else ""
    if len(text) > 90:
        inner = re.sub(r", (?=\*?\w+[:,=)]|\*,)", ",\n    ", text[1 : text.rindex(")")])
        text = f"(\n    {inner},\n){text[text.rindex(')') + 1 :]}"
    return f"{head}{word}{text}"
