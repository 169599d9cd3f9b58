"""Where letters may go: no form of address leads into this machine or its network.

Trap servers listen on loopback, IPv4 and IPv6, and count who connects. Names lead there by a resolver that lies.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from dropscore.cloud.courier import Letter
from dropscore.cloud.https_courier import HttpsCourier
from dropscore.cloud.targets import is_public, read_target
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


@dataclass
class Traps:
    """Servers that nobody may connect to: the same port on every loopback address."""

    port: int
    caught: list[str] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)

    def listen(self, family: int, address: str) -> None:
        trap = socket.socket(family)
        trap.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            trap.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        trap.bind((address, self.port))
        self.port = trap.getsockname()[1]
        trap.listen()
        self.sockets.append(trap)
        threading.Thread(target=self._catch, args=(trap,), daemon=True).start()

    def _catch(self, trap: socket.socket) -> None:
        while True:
            try:
                connection, where = trap.accept()
            except OSError:
                return
            self.caught.append(str(where))
            connection.close()


@pytest.fixture(scope="module")
def traps() -> Iterator[Traps]:
    traps = Traps(port=0)
    traps.listen(socket.AF_INET, "0.0.0.0")
    if socket.has_ipv6:
        traps.listen(socket.AF_INET6, "::")
    yield traps
    for trap in traps.sockets:
        trap.shutdown(socket.SHUT_RDWR)
        trap.close()


LIES = {
    "loopback.example": ("127.0.0.1",),
    "loopback6.example": ("::1",),
    "metadata.example": ("169.254.169.254",),
    "private.example": ("10.0.0.4",),
    "mixed.example": ("8.8.8.8", "127.0.0.1"),
    "mapped.example": ("::ffff:127.0.0.1",),
    "scoped.example": ("fe80::1%lo",),
    "localhost.": ("127.0.0.1",),
    "localhost.localdomain": ("127.0.0.1",),
    "metadata.google.internal": ("169.254.169.254",),
}
"""What names lead to; the system's own resolver answers for all others."""

FORMS = [
    "https://127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/hook?x=https://example.com",
    "https://127.1.2.3:{port}/",
    "https://127.1:{port}/",
    "https://127.0.1:{port}/",
    "https://127.0.0.1.:{port}/",
    "https://2130706433:{port}/",
    "https://0x7f000001:{port}/",
    "https://0x7f.0.0.1:{port}/",
    "https://0x7f.1:{port}/",
    "https://0177.0.0.1:{port}/",
    "https://017700000001:{port}/",
    "https://127.0.0.01:{port}/",
    "https://0:{port}/",
    "https://0.0.0.0:{port}/",
    "https://0x0:{port}/",
    "https://localhost:{port}/",
    "https://LOCALHOST:{port}/",
    "https://localhost.:{port}/",
    "https://localhost.localdomain:{port}/",
    "https://loopback.example:{port}/",
    "https://LoopBack.Example:{port}/",
    "https://loopback6.example:{port}/",
    "https://metadata.example/latest/meta-data/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://private.example:{port}/",
    "https://mixed.example:{port}/",
    "https://mapped.example:{port}/",
    "https://scoped.example:{port}/",
    "https://169.254.169.254/metadata/instance",
    "https://168.63.129.16:32526/vmSettings",
    "https://100.64.0.1:{port}/",
    "https://100.100.100.200/",
    "https://10.0.0.1:{port}/",
    "https://172.16.0.1:{port}/",
    "https://192.168.0.1:{port}/",
    "https://192.0.0.192/",
    "https://198.18.0.1/",
    "https://224.0.0.1:{port}/",
    "https://255.255.255.255:{port}/",
    "https://240.0.0.1:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://[::]:{port}/",
    "https://[::ffff:127.0.0.1]:{port}/",
    "https://[::ffff:7f00:1]:{port}/",
    "https://[::127.0.0.1]:{port}/",
    "https://[::ffff:0:127.0.0.1]:{port}/",
    "https://[64:ff9b::127.0.0.1]:{port}/",
    "https://[64:ff9b:1::127.0.0.1]:{port}/",
    "https://[2002:7f00:1::]:{port}/",
    "https://[2001:0:7f00:1::]:{port}/",
    "https://[fe80::1]:{port}/",
    "https://[fe80::1%25lo]:{port}/",
    "https://[fc00::1]:{port}/",
    "https://[fec0::1]:{port}/",
    "https://[ff02::1]:{port}/",
    "https://[::1:{port}/",
    "https://[::1]x:{port}/",
    "http://127.0.0.1:{port}/",
    "http://example.com/",
    "HTTP://localhost:{port}/",
    "https://user@127.0.0.1:{port}/",
    "https://example.com@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}@example.com/",
    "https://example.com:443@127.0.0.1:{port}/",
    "https://127.0.0.1:{port}#example.com/",
    "https://127.0.0.1:{port}\\@example.com/",
    "https://example.com\\@127.0.0.1:{port}/",
    "https://127%2e0%2e0%2e1:{port}/",
    "https://%6cocalhost:{port}/",
    "https://①②⑦.⓪.⓪.①:{port}/",
    "https://127。0。0。1:{port}/",
    "https://ｌocalhost:{port}/",
    "https://127.0.0.1 :{port}/",
    "https:// 127.0.0.1:{port}/",
    "https://127.0.0.1:{port}/\r\nX-Header: 1",
    "https://127.0.0.1\t:{port}/",
    "https:///127.0.0.1:{port}/",
    "https:/127.0.0.1:{port}/",
    "https:127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "https://",
    "https://:{port}/",
    "https://127.0.0.1:{port}:443/",
    "https://example.com:0/",
    "https://example.com:65536/",
    "https://example.com:+443/",
    "https://-example.com/",
    "https://exa_mple..com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "ftp://127.0.0.1:{port}/",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
]


async def lying(host: str, port: int) -> tuple[str, ...]:
    if host in LIES:
        return LIES[host]
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(str(entry[4][0]) for entry in found)


def letter(url: str) -> Letter:
    return Letter(url=url, body=b"{}", headers={})


@pytest.mark.fault(58)
@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_address_leads_into_this_machine_or_its_network(traps: Traps, form: str) -> None:
    url = form.format(port=traps.port)
    courier = HttpsCourier(find=lying, within_s=3)
    with pytest.raises(FailedError) as refusal:
        asyncio.run(courier.check(url))
    assert refusal.value.failure.code is Code.WEBHOOK_TARGET
    assert refusal.value.failure.field == "url"
    reply = asyncio.run(courier.post(letter(url)))
    assert (reply.taken, reply.status) == (False, None)
    assert "not allowed" in reply.problem
    assert traps.caught == []


def test_the_traps_catch() -> None:
    traps = Traps(port=0)
    traps.listen(socket.AF_INET, "127.0.0.1")
    socket.create_connection(("127.0.0.1", traps.port), timeout=3).close()
    reply = asyncio.run(HttpsCourier([f"127.0.0.1:{traps.port}"]).post(letter(f"http://127.0.0.1:{traps.port}/")))
    assert "could not be reached" in reply.problem
    assert len(traps.caught) == 2
    for trap in traps.sockets:
        trap.shutdown(socket.SHUT_RDWR)
        trap.close()


@pytest.mark.fault(58)
def test_name_that_leads_elsewhere_the_second_time_is_connected_to_as_it_was_checked(traps: Traps) -> None:
    answers: list[tuple[str, ...]] = [("93.184.215.14", "2606:2800:21f:cb07::1"), ("127.0.0.1",)]
    dialled: list[str] = []

    async def rebinding(host: str, port: int) -> tuple[str, ...]:
        return answers.pop(0)

    async def dial(address: str, target: object, within_s: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        dialled.append(address)
        raise ConnectionRefusedError

    courier = HttpsCourier(find=rebinding, dial=dial)
    url = f"https://rebinding.example:{traps.port}/"
    assert "could not be reached" in asyncio.run(courier.post(letter(url))).problem
    assert dialled == ["93.184.215.14", "2606:2800:21f:cb07::1"]
    assert "not allowed" in asyncio.run(courier.post(letter(url))).problem, "it is looked up for each letter anew"
    assert len(dialled) == 2
    assert traps.caught == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("20.50.2.1", True),
        ("2606:4700::1111", True),
        ("168.63.129.16", False),
        ("192.88.99.1", False),
        ("203.0.113.1", False),
        ("2001:db8::1", False),
        ("64:ff9b::808:808", False),
        ("::ffff:8.8.8.8", False),
        ("2002:808:808::1", False),
        ("no address", False),
    ],
)
def test_public_is_what_belongs_to_everybody_and_carries_nobody_else(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_target_is_read_into_what_is_connected_to_and_what_is_said() -> None:
    target = read_target("HTTPS://Hooks.Example.com/a/b?sig=c%2Fd&e=https://x@y")
    assert (target.host, target.port, target.path) == ("hooks.example.com", 443, "/a/b?sig=c%2Fd&e=https://x@y")
    assert target.name == "hooks.example.com"
    assert read_target("https://a.example:8443?x").path == "/?x"
    assert read_target("https://a.example:8443").name == "a.example:8443"
    assert read_target("https://[2606:4700::1111]/").name == "[2606:4700::1111]"


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("http://127.0.0.1:8080/", ["127.0.0.1:8080"]),
        ("http://127.0.0.1:8080/", ["127.0.0.1"]),
        ("https://hooks:1234/", ["hooks"]),
        ("http://[::1]:9000/x", ["[::1]:9000"]),
    ],
)
def test_deployment_may_allow_targets_by_name(url: str, allow: list[str]) -> None:
    assert read_target(url, allow).allowed


@pytest.mark.fault(58)
@pytest.mark.parametrize("url", ["http://127.0.0.1:81/", "http://127.1:80/", "http://127.0.0.2:80/", "http://a.b/"])
def test_what_is_allowed_allows_nothing_beside_it(url: str) -> None:
    with pytest.raises(FailedError):
        read_target(url, ["127.0.0.1:80"])


def test_errors_repeat_nothing_of_the_address(traps: Traps) -> None:
    collected: list[str] = []
    say: Callable[[str], None] = collected.append
    for url in ("https://user:hunter2@example.com/", "https://127.0.0.1/?sig=hunter2", "http://example.com/hunter2"):
        with pytest.raises(FailedError) as refusal:
            asyncio.run(HttpsCourier().check(url))
        say(str(refusal.value.failure))
    assert not any("hunter2" in text for text in collected)
