"""Shared-key signatures: who may call."""

import base64
import binascii
import hashlib
import hmac
from datetime import timedelta

from starlette.responses import Response

from localcloud.batch.http.refusals import refuse
from localcloud.emulation.admin import is_own
from localcloud.emulation.clock import Clock, parse_http_date
from localcloud.emulation.routing import Call, Handler

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
MAX_AGE = timedelta(minutes=15)
"""How far the date of a request may be from the emulator's clock."""


def text_to_sign(call: Call, account: str) -> str:
    """The text whose HMAC is the signature; the path as sent, the query decoded."""
    headers = {name: value for name, value in call.headers.items() if value}
    if call.method not in {"GET", "HEAD"}:
        headers.setdefault("content-length", "0")
    lines = [call.method, *(headers.get(name, "") for name in _SIGNED_HEADERS)]
    lines += [f"{name}:{value}" for name, value in sorted(headers.items()) if name.startswith("ocp-")]
    lines.append(f"/{account}{call.path}")
    lines += [f"{name}:{value}" for name, value in sorted(call.query.items()) if value]
    return "\n".join(lines)


def sign(text: str, key: str) -> str:
    """Base64 of the HMAC-SHA256 under a base64 key."""
    digest = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_key(key: str) -> None:
    """Raise ValueError unless a key is base64."""
    try:
        base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the key is not base64: {error}") from error


class SharedKey:
    """Middleware: lets in who signs with the account's key."""

    def __init__(self, account: str, key: str, clock: Clock) -> None:
        self._account = account
        self._key = key
        self._clock = clock

    async def __call__(self, call: Call, handler: Handler) -> Response:
        if not is_own(call):
            self._check(call)
        return await handler(call)

    def _check(self, call: Call) -> None:
        scheme, _, credential = call.headers.get("authorization", "").partition(" ")
        if scheme != "SharedKey":
            raise refuse("Unauthorized", "The emulator was started with a key: sign requests with SharedKey.")
        account, colon, signature = credential.partition(":")
        if not colon:
            raise refuse("InvalidAuthenticationInfo", "Authorization must be SharedKey <account>:<signature>.")
        expected = sign(text_to_sign(call, account), self._key)
        if account != self._account or not hmac.compare_digest(expected.encode(), signature.encode()):
            raise _failed("The signature does not fit the request, the account or the key.")
        self._check_date(call.headers.get("ocp-date") or call.headers.get("date") or "")

    def _check_date(self, text: str) -> None:
        try:
            age = abs(self._clock.now() - parse_http_date(text))
        except ValueError:
            raise refuse("InvalidHeaderValue", "A signed request needs ocp-date or Date.") from None
        if age > MAX_AGE:
            raise _failed(f"The date of the request is {age} away from the emulator's clock.")


def _failed(reason: str) -> Exception:
    return refuse("AuthenticationFailed", f"Server failed to authenticate the request. {reason}")
