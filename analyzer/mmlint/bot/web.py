"""HTTP with bounds: sizes, times, one host, and no credential in what goes wrong."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import IO
from urllib.parse import urlsplit

from mmlint import __version__

_TIMEOUT = 60.0
_AGENT = f"mmlint-bot/{__version__}"


class WebError(RuntimeError):
    """A request that did not succeed. `status` is 0 without an answer; `sent` says that it may have had its effect."""

    def __init__(self, message: str, status: int = 0, sent: bool = False) -> None:
        super().__init__(message)
        self.status, self.sent = status, sent


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to the host that was asked for: tokens do not travel."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        """The request to follow with, if the place is the same host and scheme, or its safe one."""
        old, new = urlsplit(req.full_url), urlsplit(newurl)
        if new.hostname != old.hostname or new.scheme not in (old.scheme, "https"):
            raise urllib.error.HTTPError(req.full_url, code, "redirect to another host", None, None)  # type: ignore[arg-type]
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


_opener = urllib.request.build_opener(_SameHost)


def request(
    url: str, limit: int, *, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[bytes, Mapping[str, str]]:
    """(body, headers) of a GET, or of a POST with `data`; at most `limit` bytes. Raises `WebError`."""
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.hostname}{parts.path}"
    if parts.scheme not in ("http", "https") or parts.username or parts.password:
        raise WebError(f"{shown}: only http and https, without a password in the address")
    asked = urllib.request.Request(url, data=data, headers={"User-Agent": _AGENT, **(headers or {})})  # noqa: S310
    try:
        with _opener.open(asked, timeout=_TIMEOUT) as answer:
            body: bytes = answer.read(limit + 1)
            found = {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        raise WebError(f"{shown}: server says {error.code}", error.code, sent=error.code >= 500) from None
    except urllib.error.URLError as error:
        reason = error.reason if isinstance(error.reason, str) else type(error.reason).__name__
        raise WebError(f"{shown}: no connection ({reason})") from None
    except (OSError, HTTPException, ValueError) as error:
        raise WebError(f"{shown}: {type(error).__name__}", sent=True) from None
    if len(body) > limit:
        raise WebError(f"{shown}: answer of more than {limit} bytes")
    return body, found
