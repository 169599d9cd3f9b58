"""Addresses of cloud services: encrypted everywhere, in the clear only inside this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine: `localhost`, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_plain_loopback(url: str) -> bool:
    """Whether an address is plain http to this machine, as the emulators' are."""
    return urlsplit(url).scheme == "http" and is_loopback(url)


def endpoint_problem(url: str) -> str:
    """Why an address cannot be used, or an empty string.

    Only https is accepted, but for http to this machine: keys and tokens never cross a network in the clear.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "is no http or https address"
    if parts.scheme == "http" and not is_loopback(url):
        return "is plain http to another machine; use https"
    if parts.query or parts.fragment or parts.username is not None:
        return "has a query, fragment or user name; give the bare address"
    return ""


def origin_of(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def bare_address(url: str) -> str:
    """An address as messages may show it: without user name, query and fragment, which may hold a key."""
    scheme, mark, rest = url.partition("://")
    place = rest.partition("?")[0].partition("#")[0]
    host, slash, path = place.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}" if mark else url.partition("?")[0]
