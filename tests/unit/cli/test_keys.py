"""Keys and tokens: sent to the API, to nobody else, and never shown."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from small_cloud import SmallCloud

from dropscore.cli.client import Api, RefusedError
from dropscore.cli.exits import Exit, exit_of_failure
from dropscore.cli.given import give, with_given
from dropscore.cli.start import StartArguments, start_run
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

KEY, TOKEN = "s3cret-k3y", "head.s3cret.tail"


class Host:
    """Answers everything in one way, and remembers what came."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.answer = (status, headers, body)
        self.came: list[dict[str, str]] = []
        self.url = ""


@contextmanager
def running_host(status: int = 200, body: bytes = b"{}", **headers: str) -> Iterator[Host]:
    host = Host(status, headers, body)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.came.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, body = host.answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    host.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_key_and_token_are_sent_as_headers() -> None:
    with running_host(body=json.dumps({"sweep": None}).encode()) as host:
        Api(host.url, key=KEY, token=TOKEN).last_sweep()
    (came,) = host.came
    assert (came["x-functions-key"], came["authorization"]) == (KEY, f"Bearer {TOKEN}")


def test_without_them_nothing_is_sent() -> None:
    with running_host() as host:
        Api(host.url).last_sweep()
    assert {"x-functions-key", "authorization"} & set(host.came[0]) == set()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(status: int) -> None:
    with running_host() as elsewhere, running_host(status, Location=f"{elsewhere.url}/x") as host:
        with pytest.raises(RefusedError):
            Api(host.url, key=KEY).last_sweep()
        assert elsewhere.came == []


@pytest.mark.parametrize(("status", "code"), [(401, Code.AUTH_REQUIRED), (403, Code.AUTH_FORBIDDEN)])
def test_a_host_that_wants_another_key_is_told_with_what_to_set(status: int, code: Code) -> None:
    with running_host(status, b"") as host, pytest.raises(RefusedError) as refused:
        Api(host.url, key=KEY).last_sweep()
    failure = refused.value.failure
    assert failure.code is code
    assert "DROPSCORE_KEY" in failure.action
    assert KEY not in str(refused.value) + failure.action
    assert exit_of_failure(failure) is Exit.ENVIRONMENT


def test_storage_never_sees_the_key(cloud: SmallCloud, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"film")
    session = cloud.session()
    object.__setattr__(session.session, "api", lambda: Api(cloud.url, key=KEY, token=TOKEN))
    start_run(session.session, StartArguments(files=[str(tmp_path / "film.mp4")], workload="style_transfer"))
    assert cloud.storage.asked
    assert all(KEY not in str(headers) and "s3cret" not in str(headers) for _, headers in cloud.storage.asked)


def test_what_was_given_stands_for_its_variable() -> None:
    give("https://film.net", KEY)
    try:
        given = with_given({"DROPSCORE_URL": "https://other.net", "HOME": "/home/jo"})
        assert given == {"DROPSCORE_URL": "https://film.net", "DROPSCORE_KEY": KEY, "HOME": "/home/jo"}
    finally:
        give(None, None)
    assert with_given({"HOME": "/home/jo"}) == {"HOME": "/home/jo"}


def test_an_api_of_another_version_is_told_so() -> None:
    answer = json.dumps({"models": [], "colours": []}).encode()
    with running_host(body=answer) as host, pytest.raises(FailedError) as refused:
        Api(host.url, key=KEY).models()
    assert "colours" in refused.value.failure.message
    assert "same version" in refused.value.failure.action
