"""What a request asks of which service, read off its address and headers."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import requests

from dropscore.cloud.transport import classify


@dataclass(frozen=True, slots=True)
class Asked:
    """`service` is storage, batch or arm; `kind` such as `blob.put`; `target` a blob, queue or path."""

    service: str
    kind: str
    target: str


def asked(request: requests.PreparedRequest) -> Asked | None:
    """What a request is for; None for one that goes to none of the services."""
    url, method = request.url or "", request.method or "GET"
    if "x-ms-version" in request.headers:
        kind, target = classify(method, url, copies="x-ms-copy-source" in request.headers)
        return Asked("storage", kind, target)
    parts = urlsplit(url)
    if "api-version" not in parse_qs(parts.query):
        return None
    service = "arm" if parts.path.startswith("/subscriptions/") else "batch"
    return Asked(service, f"{service}.{method.lower()}", parts.path)
