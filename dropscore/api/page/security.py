"""What the browser is told to refuse, and whose forms are taken.

A form is taken when the browser itself says that it was sent from a page of ours (`Sec-Fetch-Site`, or `Origin` where
a browser does not send that), and when it carries the same secret as a cookie that no other site can read or send.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

FIELD = "token"
"""The form field that holds the secret."""
COOKIE = "dropscore-form"
SAFE_COOKIE = f"__Host-{COOKIE}"
"""Its name over https: browsers take a cookie of this prefix from nobody but the very host."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
_TOKEN_BYTES = 24
_AGAIN = "Reload the page and try again."


def headers(media_origin: str | None) -> dict[str, str]:
    """The headers of every page. `media_origin` is where pictures and videos of outputs are read from."""
    media = " ".join(filter(None, ("'self'", "data:", media_origin)))
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        f"img-src {media}",
        f"media-src {media}",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def token_of(request: Request) -> str | None:
    """The secret that a browser holds for this site; None when it holds none."""
    token = request.cookies.get(_cookie(request), "")
    return token if _TOKEN.fullmatch(token) else None


def new_token() -> str:
    """A secret for a browser that holds none."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def give(response: Response, request: Request, token: str) -> None:
    """Have the browser keep a secret: no script sees it, and no other site makes the browser send it."""
    name = _cookie(request)
    response.set_cookie(name, token, path="/", secure=name == SAFE_COOKIE, httponly=True, samesite="strict")


def require_own_form(request: Request, fields: Mapping[str, str]) -> None:
    """Raise `FailedError` (E-AUTH-FORBIDDEN) unless a form was sent from a page of ours."""
    if not _from_here(request):
        raise _refused("This was not sent from a page of this address.")
    token = token_of(request)
    if token is None or not hmac.compare_digest(token.encode(), fields.get(FIELD, "").encode()):
        raise _refused("The form is not one that this browser was given.")


def _from_here(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")


def _cookie(request: Request) -> str:
    return SAFE_COOKIE if request.url.scheme == "https" else COOKIE


def _refused(message: str) -> FailedError:
    return FailedError.of(Code.AUTH_FORBIDDEN, message, action=_AGAIN)
