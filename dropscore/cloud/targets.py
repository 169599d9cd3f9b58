"""Where a letter may go: read strictly, so that what is checked is what is connected to.

An address is refused that has more than one reading: a user name, a backslash, an encoded host, a number that some
systems take for an IPv4 address (`127.1`, `0x7f000001`, `2130706433`). Names are looked up once; *every* address found
must be public, and the connection goes to one of these very addresses. IPv6 addresses that carry an IPv4 one (mapped,
translated, tunnelled) are not public, whichever it is.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

MOST_CHARACTERS = 2_000
_VISIBLE = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks, controls and the backslash."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_IPV4 = re.compile(r"(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}", re.ASCII)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
_PORT = re.compile(r"[1-9]\d{0,4}", re.ASCII)

_PUBLIC_V6 = IPv6Network("2000::/3")
_CARRIERS = tuple(ip_network(text) for text in ("2001::/32", "2002::/16"))
"""Teredo and 6to4: the addresses inside them are IPv4 ones of anybody. All other carriers lie outside `_PUBLIC_V6`."""
_PLATFORM_V4 = tuple(ip_network(text) for text in ("168.63.129.16/32", "192.88.99.0/24", "192.0.0.0/24"))
"""Public by number alone: Azure's own services for each machine, relays, and what protocols keep for themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target as it was read. `host` is a name or an address without brackets, in lower case; `path` begins with a
    slash and has the query. An `allowed` one may be private, and is then asked as its scheme says.
    """

    encrypted: bool
    host: str
    port: int
    path: str
    allowed: bool

    @property
    def name(self) -> str:
        """The value of the header `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.encrypted else 80) else f"{host}:{self.port}"


def read_target(url: str, allow: Collection[str] = ()) -> Target:
    """Read the address of a target. `allow` has `host` or `host:port` in lower case, IPv6 in brackets.

    Raises `FailedError` (E-WEBHOOK-TARGET).
    """
    if len(url) > MOST_CHARACTERS or _VISIBLE.fullmatch(url) is None:
        raise refused(f"it is longer than {MOST_CHARACTERS} characters, or has others than visible ASCII ones")
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in ("https", "http") or not rest:
        raise refused("it does not begin with https://")
    if "#" in url:
        raise refused("it has a fragment ('#')")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise refused("it has a user name ('@')")
    encrypted = scheme.lower() == "https"
    host, port = _host_and_port(authority.lower(), 443 if encrypted else 80)
    bracketed = f"[{host}]" if ":" in host else host
    allowed = bracketed in allow or f"{bracketed}:{port}" in allow
    if not encrypted and not allowed:
        raise refused("it is plain http")
    _require_one_reading(host, allowed=allowed)
    path = rest[len(authority) :]
    return Target(
        encrypted=encrypted, host=host, port=port, path=path if path.startswith("/") else f"/{path}", allowed=allowed
    )


def _host_and_port(authority: str, usual: int) -> tuple[str, int]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise refused("its IPv6 address does not end with ']'")
        return _ipv6(host), _port(rest[1:] if rest else None, usual)
    host, colon, port = authority.partition(":")
    return host, _port(port if colon else None, usual)


def _ipv6(text: str) -> str:
    try:
        return str(IPv6Address(text if "%" not in text else ""))
    except ValueError:
        raise refused("it has brackets around what is no IPv6 address") from None


def _port(text: str | None, usual: int) -> int:
    if text is None:
        return usual
    if _PORT.fullmatch(text) is None or int(text) > 65_535:
        raise refused("its port is no number from 1 to 65535")
    return int(text)


def _require_one_reading(host: str, *, allowed: bool) -> None:
    """Refuse a host that is neither an address in its one usual form nor a name of letters, digits and hyphens."""
    if ":" in host:
        return
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        if _IPV4.fullmatch(host) is None or any(int(part) > 255 for part in labels):
            raise refused("its host is a number, but no IPv4 address in its usual form")
        return
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refused("its host is no name of letters, digits, hyphens and dots")
    if len(labels) < 2 and not allowed:
        raise refused("its host is a name without a dot, which only this network knows")


def require_public(addresses: Collection[str], target: Target) -> None:
    """Refuse a target that leads nowhere, or not to public addresses alone. Raises `FailedError`."""
    if not addresses:
        raise refused("its host has no address")
    if not target.allowed and not all(is_public(address) for address in addresses):
        raise refused("its host is no public address, or has one that is not")


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet, and nothing stands behind it but itself."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _PLATFORM_V4)
    return address in _PUBLIC_V6 and not any(address in network for network in _CARRIERS)


def host_of(url: str) -> str:
    """The host of an address, for logs and reasons: the rest of it may be a secret."""
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def refused(why: str) -> FailedError:
    """The error that says why no letter may go there. It repeats nothing of the address."""
    return FailedError.of(Code.WEBHOOK_TARGET, f"The address is not allowed: {why}.", field="url")
