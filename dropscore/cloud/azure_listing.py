"""Lists blobs page by page without building the client's objects for them.

Azure's client needs 0.17 ms of processor time for each blob listed, this 0.02 ms; and the Function app lists the
verdicts of a run again and again. Signing, retries and counting are the client's own: the request goes through its
pipeline. Only reading the answer is ours, after
https://learn.microsoft.com/rest/api/storageservices/list-blobs.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.etree.ElementTree import Element

from azure.core.exceptions import DecodeError, HttpResponseError
from azure.core.pipeline.policies import ContentDecodePolicy
from azure.core.rest import HttpRequest
from azure.storage.blob import ContainerClient

from dropscore.cloud.ports import BlobInfo
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName

READINGS = 3
_MONTHS = {
    name: f"{number:02d}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


def listed_blobs(
    client: ContainerClient, prefix: BlobPath, *, start_from: str | None, marker: str | None, with_metadata: bool
) -> Iterator[BlobInfo]:
    """Blobs below a prefix by name, page after page; from `start_from` on, or from the page that `marker` names.

    Raises azure-core's exceptions.
    """
    query = {"restype": "container", "comp": "list", "prefix": prefix.name}
    if with_metadata:
        query["include"] = "metadata"
    if start_from is not None:
        query["startFrom"] = start_from
    while True:
        page = _page(client, query | ({"marker": marker} if marker else {}))
        for blob in page.iterfind("Blobs/Blob"):
            yield _info(prefix.container, blob)
        marker = page.findtext("NextMarker")
        if not marker:
            return


def _page(client: ContainerClient, query: dict[str, str]) -> Element:
    """One page; asked for again when its text ends too early to be read."""
    for readings_left in reversed(range(READINGS)):
        try:
            return _asked(client, query)
        except DecodeError:
            if not readings_left:
                raise
    raise AssertionError("unreachable")


def _asked(client: ContainerClient, query: dict[str, str]) -> Element:
    parameters = urlencode(query, quote_via=quote)  # a blank as '+' would be signed as another text than is read
    request = HttpRequest("GET", f"{client.url}?{parameters}", headers={"x-ms-version": client.api_version})
    answer: Any = client._pipeline.run(request, stream=False)  # noqa: SLF001 - the client offers no other way around its objects
    if answer.http_response.status_code != 200:
        raise HttpResponseError(response=answer.http_response)
    page: Element | None = answer.context[ContentDecodePolicy.CONTEXT_NAME]
    if page is None:
        raise DecodeError("the page is empty")
    return page


def _info(container: ContainerName, blob: Element) -> BlobInfo:
    name, properties = blob.find("Name"), blob.find("Properties")
    if name is None or properties is None:
        raise HttpResponseError(message="a listed blob has no name or no properties")
    text = name.text or ""
    return BlobInfo(
        path=BlobPath(container, unquote(text) if name.get("Encoded") == "true" else text),
        etag=(properties.findtext("Etag") or "").strip('"'),
        size_bytes=int(properties.findtext("Content-Length") or 0),
        modified_at=iso_of_http_date(properties.findtext("Last-Modified") or ""),
        metadata={pair.tag: pair.text or "" for pair in blob.iterfind("Metadata/*")},
    )


def iso_of_http_date(text: str) -> str:
    """`Wed, 21 Oct 2026 07:28:00 GMT` as `2026-10-21T07:28:00.000000Z`."""
    _, day, month, year, clock, _ = text.split(" ")
    return f"{year}-{_MONTHS[month]}-{day}T{clock}.000000Z"
