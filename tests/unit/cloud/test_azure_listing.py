"""Listing blobs: pages, names, and services that know `startFrom` as well as those that do not."""

import pytest
from scripted import Answer, Service

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_listing import iso_of_http_date
from dropscore.cloud.connection import StorageSettings
from dropscore.contracts import layout
from dropscore.contracts.errors import ContainerGoneError, TransientCloudError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, ContainerName

PREFIX = layout.verdicts_prefix("r-1")


@pytest.fixture
def blobs(service: Service):
    """Blobs of a system account whose service is scripted."""
    url = f"{service.url}/acct"
    storage = StorageSettings(account="acct", blob_url=url, queue_url=url, key="a2V5", connection_string="x")
    return connect_blobs({Account.SYSTEM: storage})


def blob(name, attributes="", metadata=""):
    return (
        f"<Blob><Name{attributes}>{name}</Name><Properties><Last-Modified>Wed, 21 Oct 2026 07:28:00 GMT</Last-Modified>"
        f'<Etag>"0x1"</Etag><Content-Length>7</Content-Length></Properties>{metadata}</Blob>'
    )


def page(*blobs, marker=""):
    listed = "".join(blobs)
    return Answer(
        xml=f'<?xml version="1.0"?><EnumerationResults><Blobs>{listed}</Blobs><NextMarker>{marker}</NextMarker>'
        "</EnumerationResults>"
    )


def names(listing):
    return [info.path.name for info in listing]


def test_pages_are_followed_to_the_last(blobs, service):
    pages = {"": page(blob("a"), blob("b"), marker="m 1"), "m 1": page(marker="m2"), "m2": page(blob("c"))}
    service.answer = lambda request: pages[request.query.get("marker", "")]

    assert names(blobs.list(PREFIX)) == ["a", "b", "c"]
    assert [request.query["prefix"] for request in service.requests] == ["r-1/verdicts/"] * 3
    assert all(request.path == "/acct/runs" for request in service.requests)


def test_a_blob_is_listed_with_its_properties(blobs, service):
    metadata = "<Metadata><items_done>30</items_done><note /></Metadata>"
    service.answer = lambda request: page(blob("r-1/x &amp; y", metadata=metadata))

    (info,) = blobs.list(PREFIX, with_metadata=True)

    assert info.path == BlobPath(ContainerName.RUNS, "r-1/x & y")
    assert (info.etag, info.size_bytes, info.modified_at) == ("0x1", 7, "2026-10-21T07:28:00.000000Z")
    assert info.metadata == {"items_done": "30", "note": ""}
    assert service.requests[0].query["include"] == "metadata"


def test_an_encoded_name_is_decoded(blobs, service):
    service.answer = lambda request: page(blob("a%EF%BF%BEb", ' Encoded="true"'), blob("a%20b"))

    assert names(blobs.list(PREFIX)) == ["a\ufffeb", "a%20b"]


def test_a_service_that_knows_start_from_is_asked_once(blobs, service):
    def answer(request):
        assert request.query["startFrom"] == "r-1/verdicts/000002.json"
        return page(blob("r-1/verdicts/000002.json"), blob("r-1/verdicts/000003.json"))

    service.answer = answer

    listed = names(blobs.list(PREFIX, start_from="r-1/verdicts/000002.json"))

    assert listed == ["r-1/verdicts/000002.json", "r-1/verdicts/000003.json"]
    assert len(service.requests) == 1


def test_a_service_that_ignores_start_from_is_asked_by_marker_from_then_on(blobs, service):
    every = [f"r-1/verdicts/{shard_id:06d}.json" for shard_id in range(5)]

    def answer(request):
        marker = request.query.get("marker", "")
        return page(*(blob(name) for name in every if name > marker))

    service.answer = answer

    for _ in range(2):
        assert names(blobs.list(PREFIX, start_from=every[3])) == every[3:]
    assert len(service.requests) == 3
    assert "startFrom" not in service.requests[2].query
    assert names(blobs.list(PREFIX)) == every
    assert names(blobs.list(PREFIX, start_from="")) == every


def test_an_absent_container_and_a_busy_service_are_told_apart(blobs, service):
    service.answer = lambda request: Answer(404, headers={"x-ms-error-code": "ContainerNotFound"})
    with pytest.raises(ContainerGoneError, match="list runs/r-1/verdicts/: HTTP 404 ContainerNotFound"):
        list(blobs.list(PREFIX))

    service.answer = lambda request: Answer(503, headers={"x-ms-error-code": "ServerBusy"})
    with pytest.raises(TransientCloudError, match="ServerBusy"):
        list(blobs.list(PREFIX))


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Wed, 21 Oct 2026 07:28:00 GMT", "2026-10-21T07:28:00.000000Z"),
        ("Thu, 01 Jan 2026 00:00:09 GMT", "2026-01-01T00:00:09.000000Z"),
    ],
)
def test_http_dates_become_iso_dates(text, iso):
    assert iso_of_http_date(text) == iso
