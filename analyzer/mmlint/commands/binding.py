"""A typer command made of declared options and a function that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from mmlint.commands.complete import OPTIONS
from mmlint.commands.options import Choice

_Given = TypeVar("_Given", bound=Choice)


def bind(kind: type[_Given], function: Callable[[_Given], None]) -> Callable[..., None]:
    """The command `function` with the options that `kind` declares."""
    hints = get_type_hints(kind)
    parameters = []
    for item in fields(kind):
        about = item.metadata
        metavar = about["metavar"] or None
        names = about["names"]
        info: Any
        if names is None:
            info = typer.Argument(help=about["help"], metavar=metavar)
        else:
            spelled = names or ("--" + item.name.replace("_", "-"),)
            complete = OPTIONS.get(item.name)
            info = typer.Option(*spelled, help=about["help"], metavar=metavar, autocompletion=complete)
        parameters.append(
            inspect.Parameter(
                item.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=item.default,
                annotation=Annotated[hints[item.name], info],
            )
        )

    def command(**given: Any) -> None:
        function(kind(**given))

    command.__doc__ = function.__doc__
    command.__name__ = function.__name__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
