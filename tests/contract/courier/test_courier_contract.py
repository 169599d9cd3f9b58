"""The courier: its twin, and HTTP over sockets to receivers on this machine."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dropscore.cloud.courier import MOST_ANSWER_BYTES, Courier, Letter, Reply
from dropscore.cloud.https_courier import AT_ONCE, HttpsCourier
from dropscore.cloud.memory_courier import MemoryCourier
from dropscore.contracts.errors import FailedError

BODY = b'{"id":"ev-1"}'


@dataclass
class Receiver:
    """A server on loopback: what it got, and what it answers."""

    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"


@contextlib.contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, dict(self.headers), body))
            receiver.before_answer()
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(receiver.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def speaking(*said: bytes, pause_s: float = 0.0) -> Iterator[int]:
    """A server that says this to whoever connects, whatever they want; yields its port."""
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    for part in said:
                        connection.sendall(part)
                        stop.wait(pause_s)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def letter(url: str, **headers: str) -> Letter:
    return Letter(url=url, body=BODY, headers={"Content-Type": "application/json", **headers})


def post(courier: Courier, url: str, **headers: str) -> Reply:
    return asyncio.run(courier.post(letter(url, **headers)))


@dataclass
class Both:
    """A courier, and the receiver it leads to."""

    courier: Courier
    url: str
    answer: Callable[[int], None]
    taken: Callable[[], int]


@pytest.fixture(params=["twin", "https"])
def both(request: pytest.FixtureRequest) -> Iterator[Both]:
    if request.param == "twin":
        twin = MemoryCourier()
        twin.receivers["hooks.example.com"] = lambda _: 204
        yield Both(
            courier=twin,
            url="https://hooks.example.com/",
            answer=lambda status: twin.receivers.update({"hooks.example.com": lambda _: status}),
            taken=lambda: len(twin.letters),
        )
        return
    with receiving() as receiver:
        yield Both(
            courier=HttpsCourier([f"127.0.0.1:{receiver.port}"]),
            url=receiver.url,
            answer=lambda status: setattr(receiver, "status", status),
            taken=lambda: len(receiver.got),
        )


@pytest.mark.parametrize("status", [200, 204, 299, 300, 302, 400, 410, 500])
def test_reply_has_what_the_receiver_answered(both: Both, status: int) -> None:
    both.answer(status)
    reply = post(both.courier, both.url)
    assert (reply.status, reply.taken, reply.gone) == (status, status < 300, status == 410)
    assert both.taken() == 1


def test_target_that_is_not_allowed_gets_no_letter(both: Both) -> None:
    for url in ("http://127.0.0.1:9/", "https://127.0.0.1:9/", "https://10.0.0.1/", "https://[::1]/", "https://x/"):
        with pytest.raises(FailedError):
            asyncio.run(both.courier.check(url))
        reply = post(both.courier, url)
        assert (reply.status, reply.taken) == (None, False)
    assert both.taken() == 0


def test_letter_arrives_whole(both: Both) -> None:
    if isinstance(both.courier, MemoryCourier):
        post(both.courier, both.url)
        assert both.courier.letters == [letter(both.url)]
        return
    with receiving() as receiver:
        post(HttpsCourier(["127.0.0.1"]), receiver.url, Mine="x")
        ((path, headers, body),) = receiver.got
    assert (path, body, headers["Mine"]) == ("/hook?x=1", BODY, "x")
    assert headers["Host"] == f"127.0.0.1:{receiver.port}"


# --- over sockets alone


@pytest.mark.fault(58)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    with receiving() as trap, receiving() as receiver:
        receiver.status, receiver.headers = status, {"Location": trap.url}
        reply = post(HttpsCourier(["127.0.0.1"]), receiver.url)
    assert (reply.status, reply.taken) == (status, False)
    assert trap.got == []


@pytest.mark.fault(58)
def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as trap, receiving() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
        assert post(HttpsCourier(["127.0.0.1"]), receiver.url).taken
    assert trap.got == []


def test_nobody_there_is_a_reply_without_status() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reply = post(HttpsCourier(["127.0.0.1"]), f"http://127.0.0.1:{port}/")
    assert str(reply) == "the receiver could not be reached (ConnectionRefusedError)"


@pytest.mark.parametrize(
    "said",
    [
        (b"",),
        (b"hello\r\n\r\n",),
        (b"HTTP/1.1\r\n\r\n",),
        (b"HTTP/1.1 abc\r\n\r\n",),
        (b"HTTP/1.1 99999999999999999999\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n",),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 4 * MOST_ANSWER_BYTES + b"\r\n\r\n",),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,),
        (b"\0" * 1_000_000,),
    ],
)
def test_answer_that_is_none_is_a_failure(said: tuple[bytes, ...]) -> None:
    with speaking(*said) as port:
        reply = post(HttpsCourier(["127.0.0.1"], within_s=5), f"http://127.0.0.1:{port}/")
    assert (reply.status, reply.taken) == (None, False)


def test_status_is_the_final_one_and_endless_bodies_are_left() -> None:
    endless = (b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 65_536] * 300)
    with speaking(*endless) as port:
        begun = time.monotonic()
        reply = post(HttpsCourier(["127.0.0.1"], within_s=5), f"http://127.0.0.1:{port}/")
    assert reply.status == 200
    assert time.monotonic() - begun < 4


def test_receiver_that_drips_is_given_up_in_time() -> None:
    with speaking(*[b"H"] * 200, pause_s=0.1) as port:
        begun = time.monotonic()
        reply = post(HttpsCourier(["127.0.0.1"], within_s=0.6), f"http://127.0.0.1:{port}/")
        assert time.monotonic() - begun < 3
    assert str(reply) == "the receiver did not answer within 0.6 s"


def test_no_more_letters_are_on_their_way_at_once_than_allowed() -> None:
    under_way, most, lock = [0], [0], threading.Lock()

    def wait() -> None:
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1

    async def many(courier: HttpsCourier, url: str) -> list[Reply]:
        return await asyncio.gather(*(courier.post(letter(url)) for _ in range(3 * AT_ONCE)))

    with receiving() as receiver:
        receiver.before_answer = wait
        replies = asyncio.run(many(HttpsCourier(["127.0.0.1"]), receiver.url))
    assert all(reply.taken for reply in replies)
    assert 2 <= most[0] <= AT_ONCE


def test_header_that_would_be_two_is_not_sent() -> None:
    with receiving() as receiver:
        reply = post(HttpsCourier(["127.0.0.1"]), receiver.url, Mine="x\r\nYours: y")
    assert reply.status is None
    assert receiver.got == []


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext, list[str]]:
    """The TLS of a server called hooks.example.com, that of a client who trusts it, and the names asked for."""
    folder = tmp_path_factory.mktemp("tls")
    write_certificate(folder)
    asked: list[str] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server.sni_callback = lambda _connection, name, _context: asked.append(name or "")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem")), asked


def write_certificate(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.com")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("hooks.example.com"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


async def at_home(host: str, port: int) -> tuple[str, ...]:
    return ("127.0.0.1",)


def test_connection_goes_to_the_address_and_the_certificate_is_that_of_the_name(
    certified: tuple[ssl.SSLContext, ssl.SSLContext, list[str]],
) -> None:
    server, client, asked = certified
    allow = ["hooks.example.com", "other.example.com"]
    with receiving(server) as receiver:
        courier = HttpsCourier(allow, trust=client, find=at_home)
        assert post(courier, f"https://hooks.example.com:{receiver.port}/x").taken
        assert receiver.got[0][1]["Host"] == f"hooks.example.com:{receiver.port}"
        assert asked == ["hooks.example.com"]
        reply = post(courier, f"https://other.example.com:{receiver.port}/x")
        assert str(reply) == "the receiver could not be reached (SSLCertVerificationError)"
        stranger = HttpsCourier(allow, find=at_home)
        assert not post(stranger, f"https://hooks.example.com:{receiver.port}/x").taken
        assert len(receiver.got) == 1
