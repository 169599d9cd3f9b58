"""HTTP to Azure: connections enough for many threads, and each storage request counted by kind."""

import io
import logging
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter

from dropscore.cloud.endpoints import is_loopback
from dropscore.cloud.operations import Operations
from dropscore.cloud.outage import Line, Turns
from dropscore.cloud.translate import AGAIN_STATUS

CONNECTIONS = 40
"""Connections kept open to one host: 16 senders, 16 workers' threads and some to spare."""
BLOCK_BYTES = 256 * 1024
"""Bytes handed to the socket, or taken from it, at once: the default of 4 KB makes 250 rounds of each megabyte."""

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
RETRIES = 3


class CountingTransport(RequestsTransport):  # type: ignore[misc] # azure-core exports it lazily, so untyped
    """Azure's own transport, with a wider connection pool; notes each storage request in `operations`.

    Requests to this machine never go through a proxy named in the environment. The session may be used by many
    threads at once: it is set up once and not changed afterwards. While the service is gone, requests wait for one of
    the `turns`, which the transports of a process share.
    """

    def __init__(self, url: str, operations: Operations | None = None, turns: Turns | None = None) -> None:
        self._operations = operations
        self._line = Line(turns or Turns())
        super().__init__(
            session=_session(use_environment=not is_loopback(url)),
            connection_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            connection_data_block_size=BLOCK_BYTES,
        )

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send one request; the retries above come here again and again."""
        if not self._line.open():
            raise ServiceRequestError(f"the service has not answered for {self._line.silent_s:.0f} s; not asked now")
        try:
            if self._operations is not None:
                kind, target = classify(request.method, request.url, copies="x-ms-copy-source" in request.headers)
                self._operations.note(kind, target)
            answer = self._send(request, **kwargs)
        except AzureError:
            self._line.failed()
            raise
        (self._line.failed if answer.status_code in AGAIN_STATUS else self._line.answered)()
        return answer

    def _send(self, request: Any, **kwargs: Any) -> Any:
        body = request.data
        if not isinstance(body, bytes) or len(body) <= BLOCK_BYTES:
            return _read_if_small(super().send(request, **kwargs))
        # Bytes would go to the socket at once, and all of them within the connect timeout: too short for a large
        # body on a slow line. A stream goes in pieces, each with that time for itself.
        request.data = io.BytesIO(body)
        try:
            return super().send(request, **kwargs)
        finally:
            request.data = body  # a retry sends it again from the beginning


def _read_if_small(answer: Any) -> Any:
    """An answer with its body, where that is small: if its connection breaks, the request fails, and is repeated like
    any other. Azure's client, which would read the body, waits a second first.
    """
    if int(answer.headers.get("Content-Length") or BLOCK_BYTES + 1) <= BLOCK_BYTES:
        try:
            _ = answer.internal_response.content
        except requests.RequestException as error:
            raise ServiceResponseError(str(error), error=error) from error
    return answer


def quiet_vendor_logs() -> None:
    """Keep the SDKs' line for each request, with its address, out of our logs; warnings stay.

    Called by the composition roots, not on import: a library does not change its user's logging.
    """
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity"):
        logging.getLogger(name).setLevel(logging.WARNING)


def classify(method: str, url: str, *, copies: bool = False) -> tuple[str, str]:
    """Kind of a storage request (see `operations`) and the blob or queue it is for.

    Addresses are `https://account.blob.host/container/name` or `http://127.0.0.1:1/account/container/name`.
    """
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    segments = unquote(parts.path).lstrip("/").split("/")
    if is_loopback(url):
        segments = segments[1:]
    if len(segments) > 1 and segments[1] == "messages":
        return _queue_kind(method), segments[0]
    if len(segments) == 1 and query.get("comp") == "metadata":
        return "queue.depth", segments[0]
    if query.get("comp") == "list":
        return "blob.list", f"{segments[0]}/{query.get('prefix', '')}"
    if len(segments) == 1:
        return "setup", segments[0]
    return _blob_kind(method, query.get("comp", ""), copies=copies), "/".join(segments)


def _queue_kind(method: str) -> str:
    return {"POST": "queue.put", "GET": "queue.get", "PUT": "queue.update"}.get(method, "queue.delete")


def _blob_kind(method: str, comp: str, *, copies: bool) -> str:
    if method == "PUT" and comp:
        return {"block": "blob.put_block", "blocklist": "blob.put_block_list"}.get(comp, f"blob.{comp}")
    if method == "PUT":
        return "blob.copy" if copies else "blob.put"
    return f"blob.{method.lower()}"


def _session(*, use_environment: bool) -> requests.Session:
    session = requests.Session()
    session.trust_env = use_environment
    for scheme in ("http://", "https://"):
        adapter = HTTPAdapter(max_retries=0)
        adapter.init_poolmanager(connections=4, maxsize=CONNECTIONS, block=False, blocksize=BLOCK_BYTES)
        session.mount(scheme, adapter)
    return session


def core_retries() -> dict[str, Any]:
    """Options of a client that is not storage's: few and short retries, so that an activity stays within its time."""
    return {"retry_total": RETRIES, "retry_status": RETRIES, "retry_backoff_factor": 0.2, "retry_backoff_max": 2.0}
