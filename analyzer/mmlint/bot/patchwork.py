"""What the bot needs of the REST API of Patchwork (version 1.2 and later): series, patches, checks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mmlint.bot.config import Secret
from mmlint.bot.web import WebError, request

VERSION = "1.2"
_LIMIT = 32 << 20
_PAGE = 100
_MAX_PAGES = 50
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


class Patchwork:
    """A Patchwork, by the address of its root."""

    def __init__(self, url: str, secret: Secret | None = None) -> None:
        self._root, self._secret = url.rstrip("/"), secret
        self._origin = urlsplit(self._root)[:2]

    def series_since(self, project: str, since: str) -> Iterator[dict[str, Any]]:
        """Series of a project that came after a time (ISO 8601), the oldest first."""
        query = {"project": project, "order": "date", "per_page": str(_PAGE)} | ({"since": since} if since else {})
        yield from self._pages(f"series/?{urlencode(query)}")

    def patch(self, number: int) -> dict[str, Any]:
        """One patch in full."""
        return self._object(f"patches/{number}/")

    def find_patch(self, message_id: str, project: str) -> dict[str, Any] | None:
        """The patch of a mail; None when the project does not have it (yet)."""
        query = {"msgid": message_id} | ({"project": project} if project else {})
        for row in self._list(f"patches/?{urlencode(query)}")[0]:
            return row
        return None

    def checks(self, number: int) -> list[dict[str, Any]]:
        """The checks of a patch."""
        return list(self._pages(f"patches/{number}/checks/"))

    def add_check(self, number: int, check: dict[str, Any]) -> None:
        """Post a check: state, context, description, target_url."""
        token = self._secret.reveal() if self._secret else ""
        headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}
        request(self._url(f"patches/{number}/checks/"), _LIMIT, data=json.dumps(check).encode(), headers=headers)

    def mbox(self, url: str) -> bytes:
        """The mbox behind a URL that the API gave, which must lead to this very Patchwork. Raises `WebError`."""
        if urlsplit(url)[:2] != self._origin:
            raise WebError(f"{self._root}: names an mbox on another host")
        return request(url, _LIMIT)[0]

    def _url(self, rest: str) -> str:
        return f"{self._root}/api/{VERSION}/{rest}"

    def _pages(self, rest: str) -> Iterator[dict[str, Any]]:
        for _ in range(_MAX_PAGES):
            rows, following = self._list(rest)
            yield from rows
            if not following:
                return
            rest = following

    def _list(self, rest: str) -> tuple[list[dict[str, Any]], str]:
        url = rest if rest.startswith("http") else self._url(rest)
        if urlsplit(url)[:2] != self._origin:
            raise WebError(f"{self._root}: names a next page on another host")
        body, headers = request(url, _LIMIT)
        found = self._decoded(body)
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise WebError(f"{self._root}: not a list of objects where the API has one")
        following = _NEXT.search(headers.get("link", ""))
        return found, following[1] if following else ""

    def _object(self, rest: str) -> dict[str, Any]:
        found = self._decoded(request(self._url(quote(rest, safe="/?=&")), _LIMIT)[0])
        if not isinstance(found, dict):
            raise WebError(f"{self._root}: not an object where the API has one")
        return found

    def _decoded(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise WebError(f"{self._root}: answers with something that is not JSON") from None
