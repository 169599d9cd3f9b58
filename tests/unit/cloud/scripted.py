"""A service on loopback that answers as a test says, for what the emulators do not do: refuse, fail, lose answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """An answer to send: JSON, text of another kind (`xml`), or nothing."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    xml: str | None = None

    @property
    def data(self) -> bytes:
        if self.xml is not None:
            return self.xml.encode()
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class Service:
    """Answers each request with what `answer` gives for it, and remembers it."""

    url: str
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], Answer] = lambda request: Answer(500)

    def asked(self) -> list[str]:
        """Method and path of every request."""
        return [f"{request.method} {request.path}" for request in self.requests]


@contextmanager
def scripted_service() -> Iterator[Service]:
    """Run a service until the block ends."""
    scripted: list[Service] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(
                self.command,
                parts.path,
                {name: values[0] for name, values in parse_qs(parts.query).items()},
                {name.lower(): value for name, value in self.headers.items()},
                json.loads(raw) if raw else None,
            )
            scripted[0].requests.append(request)
            answer = scripted[0].answer(request)
            data, media = answer.data, "application/json; odata=minimalmetadata"
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", media if answer.xml is None else "application/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _handle

        def log_message(self, *arguments: Any) -> None:
            """Say nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scripted.append(Service(f"http://127.0.0.1:{server.server_port}"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield scripted[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
