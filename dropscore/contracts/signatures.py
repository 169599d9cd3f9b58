"""Signs what webhooks get, and verifies it on the receiver's side.

    Dropscore-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>" under the subscription's secret>

A receiver that verifies refuses what somebody else made up, what was changed on the way, and what somebody recorded
and sends again after `TOLERANCE_S`. What is sent again sooner, or by us because an answer was lost, has the same `id`
in its body: a receiver that must act once remembers the ids it has acted on (the body's, for no header but the
signature's is signed).

This file imports the standard library alone, but for its error: receivers may copy it.
"""

import hashlib
import hmac
import re

from dropscore.contracts.errors import SignatureError

SIGNATURE, EVENT, ID = "Dropscore-Signature", "Dropscore-Event", "Dropscore-Id"
"""Headers of a notification."""
TOLERANCE_S = 300
"""How much older or newer than the receiver's clock a notification may be."""
_TIME = re.compile(r"\d{1,12}", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{64}")
MOST_HEADER = 1_000


def sign(secret: str, body: bytes, at: int) -> str:
    """The value of the signature's header for a body sent at `at` (unix seconds)."""
    return f"t={at},v1={_mac(secret, body, at)}"


def verify(secret: str, header: str, body: bytes, now: float, *, tolerance_s: float = TOLERANCE_S) -> int:
    """When (unix seconds) a notification was signed. `body` is as it came, byte for byte; `now` the receiver's time.

    Unknown members of the header are skipped, and one of several `v1` must fit, so that secrets can be changed. Raises
    `SignatureError` when the header cannot be read, nothing fits, or it is older or newer than `tolerance_s` allows.
    """
    members = [part.strip().partition("=") for part in header[:MOST_HEADER].split(",")]
    times = [value for name, _, value in members if name == "t" and _TIME.fullmatch(value)]
    macs = [value for name, _, value in members if name == "v1" and _MAC.fullmatch(value)]
    if len(times) != 1 or not macs or len(header) > MOST_HEADER:
        raise SignatureError("the header reads t=<unix seconds>,v1=<64 hexadecimal digits>")
    at = int(times[0])
    expected = _mac(secret, body, at)
    fits = [hmac.compare_digest(expected, mac) for mac in macs]
    if not any(fits):
        raise SignatureError("it was not signed with this secret, or was changed on the way")
    if abs(now - at) > tolerance_s:
        raise SignatureError(f"it was signed {now - at:.0f} s ago; {tolerance_s:g} s are allowed")
    return at


def _mac(secret: str, body: bytes, at: int) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
