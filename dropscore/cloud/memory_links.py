"""The in-memory twin of links: makes them, and answers who follows one, as storage does."""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from xml.etree.ElementTree import ParseError, fromstring

from dropscore.cloud.blob_names import check_name
from dropscore.cloud.links import file_disposition
from dropscore.cloud.memory_blobs import MemoryBlobs, StoredBlob
from dropscore.cloud.ports import Clock
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName

NEEDED: Final = {"GET": "r", "HEAD": "r", "PUT": "w"}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAnswer:
    """What storage answers to who follows a link."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class MemoryLinks:
    """`BlobLinks` over blobs in memory. `base` is where `answer` is reached, such as a server of a test."""

    def __init__(self, blobs: MemoryBlobs, clock: Clock, base: str = "http://storage.memory") -> None:
        self.base = base
        self._blobs = blobs
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._blocks: dict[tuple[str, str], bytes] = {}
        """Blocks that were put and belong to no blob yet, by blob and block id."""

    def to_read(self, path: BlobPath, *, until: str, media_type: str | None = None) -> str:
        told = {"rscd": file_disposition(path)} | ({} if media_type is None else {"rsct": media_type})
        return self._link(path, {"sp": "r", "se": until, **told})

    def to_write(self, path: BlobPath, *, until: str) -> str:
        return self._link(path, {"sp": "cw", "se": until})

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> LinkAnswer:
        """Answer a request. `headers` have names in lower case."""
        parts = urlsplit(url)
        container, _, name = unquote(parts.path).lstrip("/").partition("/")
        path = BlobPath(ContainerName(container), name)
        query = dict(parse_qsl(parts.query))
        refusal = self._refusal(method, path, query)
        if refusal is not None:
            return refusal
        if method == "PUT":
            return self._write(path, query, headers, body)
        stored = self._blobs.stored(path)
        return _refused(404, "BlobNotFound") if stored is None else _read(stored, query, headers)

    def _link(self, path: BlobPath, claims: dict[str, str]) -> str:
        check_name(path)
        signed = claims | {"sig": self._signature(path, claims)}
        return f"{self.base}/{path.container}/{quote(path.name, safe='~/')}?{urlencode(signed, quote_via=quote)}"

    def _signature(self, path: BlobPath, claims: Mapping[str, str]) -> str:
        named = {name: claims.get(name, "") for name in ("sp", "se", "rscd", "rsct")}
        return hmac.new(self._key, f"{path}\n{sorted(named.items())}".encode(), sha256).hexdigest()

    def _refusal(self, method: str, path: BlobPath, query: Mapping[str, str]) -> LinkAnswer | None:
        good = hmac.compare_digest(self._signature(path, query), query.get("sig", ""))
        if not good or not _holds(query.get("se", ""), self._clock.now()):
            return _refused(403, "AuthenticationFailed")
        if NEEDED.get(method, "-") not in query.get("sp", ""):
            return _refused(403, "AuthorizationPermissionMismatch")
        return None

    def _write(self, path: BlobPath, query: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> LinkAnswer:
        media_type = headers.get("content-type", "application/octet-stream")
        match query.get("comp"):
            case "block":
                self._blocks[str(path), query.get("blockid", "")] = body
                return LinkAnswer(status=201)
            case "blocklist":
                whole = self._joined(path, body)
                if whole is None:
                    return _refused(400, "InvalidBlockList")
                body, media_type = whole, headers.get("x-ms-blob-content-type", "application/octet-stream")
            case _:
                if headers.get("x-ms-blob-type") != "BlockBlob":
                    return _refused(400, "MissingRequiredHeader")
        etag = self._blobs.put(path, body, content_type=media_type)
        return LinkAnswer(status=201, headers={"ETag": f'"{etag}"'})

    def _joined(self, path: BlobPath, listed: bytes) -> bytes | None:
        """The blocks of a list, one behind the other; None when one is not there or the list is no XML."""
        try:
            ids = [element.text or "" for element in fromstring(listed)]  # noqa: S314 - a test wrote it
        except ParseError:
            return None
        there = [self._blocks.get((str(path), block_id)) for block_id in ids]
        return None if None in there else b"".join(block for block in there if block is not None)


def _read(stored: StoredBlob, query: Mapping[str, str], headers: Mapping[str, str]) -> LinkAnswer:
    etag = f'"{stored.info.etag}"'
    if headers.get("if-match", etag) != etag:
        return _refused(412, "ConditionNotMet")
    told = {"Content-Type": query.get("rsct", stored.content_type), "ETag": etag, "Accept-Ranges": "bytes"}
    told |= {"Content-Disposition": query["rscd"]} if "rscd" in query else {}
    wanted = _RANGE.fullmatch(headers.get("range", ""))
    if wanted is None:
        return LinkAnswer(status=200, headers=told, body=stored.data)
    first, size = int(wanted[1]), len(stored.data)
    if first >= size:
        return _refused(416, "InvalidRange")
    last = min(int(wanted[2] or size), size - 1)
    told["Content-Range"] = f"bytes {first}-{last}/{size}"
    return LinkAnswer(status=206, headers=told, body=stored.data[first : last + 1])


def _holds(until: str, now: str) -> bool:
    """Whether a moment is still to come; storage knows whole seconds alone."""
    try:
        end = datetime.fromisoformat(until).replace(microsecond=0)
    except ValueError:
        return False
    return datetime.fromisoformat(now) < end


def _refused(status: int, code: str) -> LinkAnswer:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
    headers = {"x-ms-error-code": code, "Content-Type": "application/xml"}
    return LinkAnswer(status=status, headers=headers, body=text.encode())
