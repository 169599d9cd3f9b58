"""Style, script and picture of the page, cached for ever under addresses that carry their digests."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from dropscore.api.page.security import headers
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

HERE = Path(__file__).parent / "static"
MEDIA_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
FOR_EVER = "public, max-age=31536000, immutable"
_DIGITS = 12
_LEAST_BYTES = 400
"""Text below this is not worth compressing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the page. `zipped` holds the same bytes compressed."""

    data: bytes
    zipped: bytes
    media_type: str


@cache
def addresses() -> Mapping[str, str]:
    """Where each file is found, such as `/static/page.3f9a0c1d2e4b.css` for `page.css`."""
    return {path.name: f"/static/{_digested(path)}" for path in _files()}


@cache
def _assets() -> Mapping[str, Asset]:
    return {
        _digested(path): Asset(
            data=path.read_bytes(),
            zipped=zipped(path.read_bytes()),
            media_type=MEDIA_TYPES[path.suffix.removeprefix(".")],
        )
        for path in _files()
    }


async def static(request: Request) -> Response:
    """GET /static/{name}: one of our files."""
    asset = _assets().get(request.path_params["name"])
    if asset is None:
        raise FailedError.of(Code.PAGE_UNKNOWN, "There is no such file of this version.", action="Reload the page.")
    response = Response(asset.data, media_type=asset.media_type)
    response.headers.update(headers(None) | {"Cache-Control": FOR_EVER})
    return compressed(request, response, asset.zipped)


def compressed(request: Request, response: Response, prepared: bytes | None = None) -> Response:
    """The answer with its body compressed, where that is worth it and the browser takes it."""
    response.headers["Vary"] = "Accept-Encoding"
    body = bytes(response.body)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) >= _LEAST_BYTES:
        response.body = prepared or zipped(body)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


def zipped(data: bytes) -> bytes:
    """The same bytes, compressed; the same each time."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def _files() -> list[Path]:
    return sorted(path for path in HERE.iterdir() if path.suffix.removeprefix(".") in MEDIA_TYPES)


def _digested(path: Path) -> str:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:_DIGITS]
    return f"{path.stem}.{digest}{path.suffix}"
