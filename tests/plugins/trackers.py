"""The issue trackers of GitHub and Jira, as far as plugins use them: they keep tickets, and refuse what theirs would.

Written after GitHub's REST API (version 2022-11-28) and Jira's (version 2, with the search of Cloud). `fail` makes the
next requests go wrong: a status, or "lost", which does what was asked and then drops the connection.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "tok_0123456789abcdef"
USER = "me@acme.example"


class Tracker(ThreadingHTTPServer):
    """One tracker with its tickets; `kind` is github or jira."""

    daemon_threads = True

    def __init__(self, kind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = kind
        self.tickets: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str]] = []
        self.fail: list[int | str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}" + ("/repos/acme/shop" if self.kind == "github" else "")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is gone is no trouble of ours."""


@contextmanager
def tracker(kind: str) -> Iterator[Tracker]:
    with Tracker(kind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        self.status, self.message = status, message


class _Handler(BaseHTTPRequestHandler):
    server: Tracker
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None: ...

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        with self.server.lock:
            failing = self.server.fail.pop(0) if self.server.fail else None
            self.server.requests.append((self.command, self.path))
            if isinstance(failing, int):
                return self._answer(failing, {"message": "failing"})
            try:
                answer = self._github if self.server.kind == "github" else self._jira
                status, content = answer(json.loads(body) if body else None)
            except _Refused as refused:
                status, content = refused.status, {"message": refused.message}
            if failing == "lost":
                self.close_connection = True
                return None
            return self._answer(status, content)

    do_POST = do_PATCH = do_GET

    def _answer(self, status: int, content: Any) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        if status == 403:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def _ticket(self, number: str) -> dict[str, Any]:
        for one in self.server.tickets:
            if str(one["number"]) == number:
                return one
        raise _Refused(404, "Not Found")

    # GitHub

    def _github(self, given: Any) -> tuple[int, Any]:
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            raise _Refused(401, "Bad credentials")
        if not self.headers["User-Agent"] or self.headers["Accept"] != "application/vnd.github+json":
            raise _Refused(403, "a user agent is needed")
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/repos/acme/shop")
        if path == "" and self.command == "GET":
            return 200, {"full_name": "acme/shop"}
        if path == "/issues" and self.command == "GET":
            return 200, self._listed(query)
        if path == "/issues" and self.command == "POST":
            return 201, self._opened(given)
        found = re.fullmatch(r"/issues/(\d+)(/comments)?", path)
        if found is None:
            raise _Refused(404, "Not Found")
        ticket = self._ticket(found[1])
        if found[2] and self.command == "POST":
            ticket["notes"].append(given["body"])
            return 201, {"body": given["body"]}
        if found[2]:
            return 200, [{"body": text} for text in ticket["notes"]]
        assert self.command == "PATCH" and given["state"] in ("open", "closed")
        ticket["state"] = given["state"]
        return 200, ticket

    def _listed(self, query: dict[str, str]) -> list[dict[str, Any]]:
        wanted = set(query["labels"].split(","))
        found = [one for one in self.server.tickets if wanted <= set(one["labels"])]
        if query.get("state", "open") != "all":
            found = [one for one in found if one["state"] == "open"]
        return found[: int(query.get("per_page", 30))]

    def _opened(self, given: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(given.get("title"), str) or not 0 < len(given["title"]) <= 256 or len(given["body"]) > 65_536:
            raise _Refused(422, "Validation Failed")
        if any(not 0 < len(label) <= 50 for label in given["labels"]):
            raise _Refused(422, "Validation Failed")
        ticket = {"number": len(self.server.tickets) + 1, "state": "open", "notes": [], **given}
        self.server.tickets.append(ticket)
        return ticket

    # Jira

    def _jira(self, given: Any) -> tuple[int, Any]:
        proof = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {proof}":
            raise _Refused(401, "Unauthorized")
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = parts.path.removeprefix("/rest/api/2")
        if path == "/project/OPS":
            return 200, {"key": "OPS"}
        if path == "/search/jql":
            return 200, {"issues": self._asked(query["jql"])}
        if path == "/issue" and self.command == "POST":
            return 201, self._made(given["fields"])
        found = re.fullmatch(r"/issue/OPS-(\d+)/comment", path)
        if found is None:
            raise _Refused(404, "there is nothing here")
        ticket = self._ticket(found[1])
        if self.command == "POST":
            ticket["notes"].append(given["body"])
            return 201, {"body": given["body"]}
        return 200, {"comments": [{"body": text} for text in reversed(ticket["notes"])]}

    def _asked(self, jql: str) -> list[dict[str, Any]]:
        found = re.fullmatch(r'project = "OPS" AND labels = "([\w-]+)" ORDER BY created ASC', jql)
        if found is None:
            raise _Refused(400, "Error in the JQL Query")
        return [{"key": f"OPS-{one['number']}"} for one in self.server.tickets if found[1] in one["labels"]][:1]

    def _made(self, fields: dict[str, Any]) -> dict[str, Any]:
        if set(fields) - {"project", "issuetype", "summary", "description", "labels"} or len(fields["summary"]) > 255:
            raise _Refused(400, "a field cannot be set")
        if "\n" in fields["summary"] or any(" " in label for label in fields["labels"]):
            raise _Refused(400, "a field is wrong")
        assert fields["project"] == {"key": "OPS"} and fields["issuetype"] == {"name": "Bug"}
        number = len(self.server.tickets) + 1
        self.server.tickets.append(
            {
                "number": number,
                "state": "open",
                "notes": [],
                "title": fields["summary"],
                "body": fields["description"],
                "labels": fields["labels"],
            }
        )
        return {"id": str(10_000 + number), "key": f"OPS-{number}"}
