"""Tokens of Microsoft Entra ID: what a JSON Web Token claims, once its signature, issuer, audience and times hold.

The signing keys are fetched from the address in the settings, and again when a token names one that is not known, at
most once in `FETCH_EVERY_S`: tokens of others make nobody's server busy.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from dropscore.cloud.api_settings import EntraSettings
from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code

ALGORITHM: Final = "RS256"
LEEWAY_S: Final = 60
FETCH_EVERY_S: Final = 30.0
TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 1 << 20


class EntraTokens:
    """Reads tokens. Thread-safe."""

    def __init__(
        self,
        settings: EntraSettings,
        *,
        fetch: Callable[[str], bytes] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` gets the document at an address; the network by default."""
        self._settings = settings
        self._fetch = fetch or _fetched
        self._monotonic = monotonic
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._lock = threading.Lock()

    def claims(self, token: str) -> Mapping[str, Any]:
        """What a token claims. Raises `FailedError` (E-AUTH-INVALID); `TransientCloudError` when the keys cannot be
        had now.
        """
        try:
            name = jwt.get_unverified_header(token).get("kid")
            key = self._key(name) if isinstance(name, str) else None
            if key is None:
                raise jwt.InvalidTokenError("it is signed with a key that is not known")
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise FailedError.of(Code.AUTH_INVALID, f"The token is not accepted: {error}.") from None

    def _key(self, name: str) -> jwt.PyJWK | None:
        with self._lock:
            if name not in self._keys and self._monotonic() - self._fetched_at >= FETCH_EVERY_S:
                self._keys = _keys(self._fetch(self._settings.keys_url))
                self._fetched_at = self._monotonic()
            return self._keys.get(name)


def _keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The signing keys of a JSON Web Key Set, by their ids; what is no RSA key is passed over."""
    try:
        listed = json.loads(document)["keys"]
        return {one["kid"]: jwt.PyJWK(one, ALGORITHM) for one in listed if one.get("kty") == "RSA" and "kid" in one}
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError) as error:
        raise TransientCloudError(f"the signing keys of Entra ID cannot be read: {error}") from None


def _fetched(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the settings admit https alone
            data: bytes = answer.read(MOST_BYTES)
            return data
    except (OSError, urllib.error.URLError) as error:
        raise TransientCloudError(f"the signing keys of Entra ID cannot be fetched: {error}") from None
