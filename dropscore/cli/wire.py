"""HTTP as the command line speaks it, with the standard library alone, so that it starts at once.

No redirect is followed: a key sent to one address must not reach another. No proxy stands before this machine.
"""

import urllib.request
from typing import Final

from dropscore.cloud.endpoints import is_loopback

ATTEMPTS: Final = 4
FIRST_PAUSE_S: Final = 0.2
TIMEOUT_S: Final = 30.0
BUSY: Final = frozenset({429, 502, 503, 504})
"""Statuses after which the same request may succeed."""


def opener_for(url: str) -> urllib.request.OpenerDirector:
    """What opens addresses of one service."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler({}) if is_loopback(url) else urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def pause_s(attempt: int) -> float:
    """How long to wait after the 1-based `attempt` failed."""
    return FIRST_PAUSE_S * float(2 ** (attempt - 1))
