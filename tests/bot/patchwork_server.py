"""A Patchwork that is driven by the description of its API: what that does not allow is an error on either side."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema  # type: ignore[import-untyped]

from tests.bot.letters import parsed

API = json.loads((Path(__file__).parent / "patchwork_api.json").read_text())
TOKEN = "a-token-of-the-test"
_PAGE = 2


def complaints(schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with a value."""
    whole = {**schema, "components": API["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(value)]


class FakePatchwork:
    """Keeps series of mails and the checks on them."""

    def __init__(self) -> None:
        self.series: list[dict[str, Any]] = []
        self.patches: dict[int, dict[str, Any]] = {}
        self.mboxes: dict[str, bytes] = {}
        self.checks: dict[int, list[dict[str, Any]]] = {}
        self.broken: list[str] = []
        self.fail = 0
        handler = type("Handler", (_Handler,), {"patchwork": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, mails: list[bytes], date: str, state: str = "new") -> None:
        """A series: its mails, the cover letter first if the subject says 0/n."""
        number = len(self.series) + 1
        rows = [self._embedded(raw) for raw in mails]
        cover = rows.pop(0) if " 0/" in rows[0]["name"] else None
        project = {"id": 1, "link_name": "linux-mm"}
        for row in rows:
            more = {"project": project, "state": state, "archived": False, "series": [], "check": "pending"}
            self.patches[row["id"]] = {**row, **more, "checks": f"{row['url']}checks/"}
            self.checks[row["id"]] = []
        self.series.append(
            {
                "id": number,
                "url": f"{self.url}/api/1.2/series/{number}/",
                "project": project,
                "name": rows[0]["name"],
                "date": date,
                "submitter": {},
                "version": 1,
                "total": len(rows),
                "received_total": len(rows),
                "received_all": True,
                "mbox": f"{self.url}/series/{number}/mbox/",
                "cover_letter": cover,
                "patches": rows,
            }
        )

    def _embedded(self, raw: bytes) -> dict[str, Any]:
        mail = parsed(raw)
        number = 100 + len(self.mboxes)
        path = f"/project/linux-mm/patch/{number}/mbox/"
        self.mboxes[path] = b"From patchwork Mon Mar  2 12:00:00 2026\n" + raw + b"\n"
        return {
            "id": number,
            "url": f"{self.url}/api/1.2/patches/{number}/",
            "msgid": str(mail["message-id"]),
            "date": "2026-03-02T12:00:00",
            "name": str(mail["subject"]),
            "mbox": self.url + path,
        }


class _Handler(BaseHTTPRequestHandler):
    patchwork: FakePatchwork

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("get")

    def do_POST(self) -> None:
        self._serve("post")

    def _serve(self, method: str) -> None:
        server, parts = self.patchwork, urlsplit(self.path)
        if server.fail:
            server.fail -= 1
            self._answer(503, b"busy")
            return
        if parts.path in server.mboxes:
            self._answer(200, server.mboxes[parts.path])
            return
        template = re.sub(r"/\d+/", "/{id}/", parts.path)
        operation = API["paths"].get(template, {}).get(method)
        if operation is None:
            server.broken.append(f"{method} {parts.path}: not in the API")
            self._answer(404, b"{}")
            return
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        server.broken += [f"{parts.path}: no parameter {name}" for name in query if name not in operation["parameters"]]
        found = re.search(r"/(\d+)/", parts.path)
        status, value, more = self._operate(template, method, operation, int(found[1]) if found else 0, query)
        wrong = complaints(operation["responses"][str(status)], value)
        server.broken += [f"answer to {parts.path}: {text}" for text in wrong]
        self._answer(status, json.dumps(value).encode(), more)

    def _operate(
        self, template: str, method: str, operation: dict[str, Any], number: int, query: dict[str, str]
    ) -> tuple[int, Any, dict[str, str]]:
        server = self.patchwork
        if template.endswith("/series/"):
            rows = [row for row in server.series if row["date"] >= query.get("since", "")]
            return self._page(sorted(rows, key=lambda row: str(row["date"])), query)
        if template.endswith("/patches/"):
            rows = [row for row in server.patches.values() if row["msgid"] == f"<{query.get('msgid')}>"]
            return 200, rows, {}
        if number not in server.patches:
            return 404, {"detail": "Not found."}, {}
        if not template.endswith("/checks/"):
            return 200, server.patches[number], {}
        return self._page(server.checks[number], query) if method == "get" else self._check(operation, number)

    def _page(self, rows: list[Any], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        page = int(query.get("page", "1"))
        part = rows[(page - 1) * _PAGE : page * _PAGE]
        here = self.patchwork.url + urlsplit(self.path).path
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != "page")
        following = f'<{here}?{rest}&page={page + 1}>; rel="next", <{here}>; rel="first"'
        return 200, part, {"Link": following} if page * _PAGE < len(rows) else {}

    def _check(self, operation: dict[str, Any], number: int) -> tuple[int, Any, dict[str, str]]:
        if self.headers.get("Authorization") != f"Token {TOKEN}":
            return 403, {"detail": "Authentication credentials were not provided."}, {}
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wrong = complaints(operation["requestBody"], body)
        if wrong:
            self.patchwork.broken += wrong
            return 400, {"detail": wrong}, {}
        checks = self.patchwork.checks[number]
        row = {"target_url": None, "context": "default", "description": None, **body}
        row |= {"id": len(checks) + 1, "url": f"{self.patchwork.url}/1", "user": {}, "date": "2026-03-02T12:00:00"}
        checks.append(row)
        return 201, row, {}

    def _answer(self, status: int, body: bytes, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
