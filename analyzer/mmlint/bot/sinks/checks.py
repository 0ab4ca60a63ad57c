"""Checks on the patches in Patchwork."""

from __future__ import annotations

from typing import Any

from mmlint.bot.config import PatchworkConfig
from mmlint.bot.patchwork import Patchwork
from mmlint.bot.sinks import SendError
from mmlint.bot.web import WebError
from mmlint.settings import SettingsError


class Checks:
    """Posts a check for a patch unless it stands there already, so that none is posted twice."""

    certain = True

    def __init__(self, config: PatchworkConfig) -> None:
        self._config = config
        self._server = Patchwork(config.url, config.secret)

    def send(self, key: str, target: str, payload: dict[str, Any], now: float) -> None:
        """Post the check in the payload on the patch whose Message-ID is `target`."""
        check = {name: value for name, value in payload["check"].items() if value}
        try:
            patch = self._server.find_patch(target, self._config.project)
            if patch is None:
                raise SendError("the project does not have this patch yet")
            number = int(patch["id"])
            if not any(_same(there, check) for there in self._server.checks(number)):
                self._server.add_check(number, check)
        except WebError as error:
            final = error.status in (400, 401, 403, 404, 405)
            raise SendError(str(error), temporary=not final) from None
        except SettingsError as error:
            raise SendError(str(error)) from None
        except (KeyError, TypeError, ValueError):
            raise SendError("the server's answer does not follow the API", temporary=False) from None


def _same(there: dict[str, Any], check: dict[str, Any]) -> bool:
    return all(there.get(name) == check.get(name) for name in ("context", "state", "description"))
