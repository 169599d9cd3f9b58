"""A receiver of webhooks and posts on this machine."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Got:
    """One request that came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Receiver:
    """Takes every POST, and keeps it."""

    port: int
    got: list[Got] = field(default_factory=list)

    def url(self, path: str) -> str:
        """An address here."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        """What came to an address."""
        return [one for one in self.got if one.path == path]


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """Receive until the end of the block."""
    receiver = Receiver(port=0)

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.got.append(Got(path=self.path, headers=dict(self.headers.items()), body=body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        receiver.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            serving.join()
