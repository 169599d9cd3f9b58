"""Links hold over both storages: what they open, for how long, and what they do not open."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.azure_links import connect_links
from dropscore.cloud.clock import ManualClock, SystemClock, utc_text
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.links import BLOCK_BLOB, BlobLinks
from dropscore.cloud.memory import memory_cloud
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.errors import AccessDeniedError, PermanentCloudError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, ContainerName

FILM = layout.output("r1", "größe 100% #1.mp4")
INPUT = layout.input_file("20260101/scans/ä b+c.png")
BLOCK_LIST = '<?xml version="1.0" encoding="utf-8"?><BlockList>{}</BlockList>'


@dataclass(frozen=True, kw_only=True)
class Linked:
    """A storage, its links, and somebody who has nothing but these."""

    blobs: BlobStore
    links: BlobLinks
    http: httpx.Client
    now: Callable[[], str]

    def until(self, minutes: float) -> str:
        return utc_text(datetime.fromisoformat(self.now()) + timedelta(minutes=minutes))

    def reading(self, path: BlobPath = FILM, *, minutes: float = 15, media_type: str | None = None) -> str:
        return self.links.to_read(path, until=self.until(minutes), media_type=media_type)

    def writing(self, path: BlobPath = INPUT, *, minutes: float = 15) -> str:
        return self.links.to_write(path, until=self.until(minutes))


@pytest.fixture
def memory_links() -> Iterator[Linked]:
    cloud = memory_cloud(ManualClock())

    def answered(request: httpx.Request) -> httpx.Response:
        answer = cloud.links.answer(request.method, str(request.url), request.headers, request.read())
        return httpx.Response(answer.status, headers=answer.headers, content=answer.body)

    with httpx.Client(transport=httpx.MockTransport(answered)) as http:
        yield Linked(blobs=cloud.blobs, links=cloud.links, http=http, now=cloud.clock.now)


@pytest.fixture
def azurite_links(azurite_storages: Mapping[Account, StorageSettings]) -> Iterator[Linked]:
    clock = SystemClock()
    with httpx.Client(trust_env=False) as http:
        yield Linked(
            blobs=connect_blobs(azurite_storages),
            links=connect_links(azurite_storages, clock),
            http=http,
            now=clock.now,
        )


@pytest.fixture(
    params=["memory", pytest.param("azurite", marks=[pytest.mark.azurite, pytest.mark.xdist_group("azurite")])]
)
def linked(request: pytest.FixtureRequest) -> Linked:
    """Each test of the contract runs over both; the blobs of the tests are not there yet."""
    found: Linked = request.getfixturevalue(f"{request.param}_links")
    for path in (FILM, INPUT):
        found.blobs.delete(path)
    return found


def test_a_link_reads_one_blob_as_a_file_of_its_name_and_kind(linked: Linked) -> None:
    linked.blobs.put(FILM, b"<script>", content_type="text/html")
    answer = linked.http.get(linked.reading(media_type="video/mp4"))
    assert (answer.status_code, answer.content) == (200, b"<script>")
    assert answer.headers["content-type"] == "video/mp4"
    told = answer.headers["content-disposition"]
    assert told.startswith("attachment;")
    assert told.endswith("filename*=UTF-8''gr%C3%B6%C3%9Fe%20100%25%20%231.mp4")


def test_a_page_is_handed_out_as_a_file_whatever_it_was_stored_as(linked: Linked) -> None:
    linked.blobs.put(FILM, b"<script>", content_type="text/html")
    assert linked.http.get(linked.reading()).headers["content-disposition"].startswith("attachment;")


def test_a_link_reads_a_part_of_a_version(linked: Linked) -> None:
    etag = linked.blobs.put(FILM, b"0123456789")
    url = linked.reading()
    part = linked.http.get(url, headers={"Range": "bytes=3-6", "If-Match": f'"{etag}"'})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"3456", "bytes 3-6/10")
    assert linked.http.get(url, headers={"Range": "bytes=8-"}).content == b"89"
    assert linked.http.get(url, headers={"Range": "bytes=11-"}).status_code == 416
    linked.blobs.put(FILM, b"another")
    assert linked.http.get(url, headers={"If-Match": f'"{etag}"'}).status_code == 412


def test_a_link_to_what_is_not_there_says_so(linked: Linked) -> None:
    assert linked.http.get(linked.reading()).status_code == 404


def test_a_link_writes_one_blob_and_may_replace_it(linked: Linked) -> None:
    url = linked.writing()
    for data in (b"one", b"two"):
        sent = linked.http.put(url, content=data, headers={**BLOCK_BLOB, "Content-Type": "image/png"})
        assert sent.status_code == 201, sent.text
    assert linked.blobs.get(INPUT).data == b"two"
    assert linked.http.get(linked.reading(INPUT)).headers["content-type"] == "image/png"


def test_a_link_writes_one_blob_in_blocks(linked: Linked) -> None:
    url = linked.writing()
    for block_id, data in (("MDAy", b"two"), ("MDAx", b"one")):
        assert linked.http.put(f"{url}&comp=block&blockid={block_id}", content=data).status_code == 201
    listed = BLOCK_LIST.format("<Latest>MDAx</Latest><Latest>MDAy</Latest>")
    assert linked.http.put(f"{url}&comp=blocklist", content=listed).status_code == 201
    assert linked.blobs.get(INPUT).data == b"onetwo"
    unknown = BLOCK_LIST.format("<Latest>MDAz</Latest>")
    assert linked.http.put(f"{url}&comp=blocklist", content=unknown).status_code == 400


def test_whoever_writes_says_what_kind_of_blob(linked: Linked) -> None:
    assert linked.http.put(linked.writing(), content=b"x").status_code == 400
    assert linked.blobs.head(INPUT) is None


@pytest.mark.parametrize("verb", ["GET", "HEAD", "DELETE"])
def test_a_link_to_write_does_nothing_else(linked: Linked, verb: str) -> None:
    linked.blobs.put(INPUT, b"x")
    assert linked.http.request(verb, linked.writing()).status_code == 403
    assert linked.blobs.get(INPUT).data == b"x"


@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_a_link_to_read_does_nothing_else(linked: Linked, verb: str) -> None:
    linked.blobs.put(FILM, b"x")
    assert linked.http.request(verb, linked.reading(), content=b"y", headers=BLOCK_BLOB).status_code == 403
    assert linked.blobs.get(FILM).data == b"x"


@pytest.mark.parametrize("minutes", [0, -1])
def test_a_link_whose_time_is_over_opens_nothing(linked: Linked, minutes: float) -> None:
    linked.blobs.put(FILM, b"x")
    assert linked.http.get(linked.reading(minutes=minutes)).status_code == 403
    assert linked.http.put(linked.writing(minutes=minutes), content=b"y", headers=BLOCK_BLOB).status_code == 403


def test_a_link_that_was_altered_opens_nothing(linked: Linked) -> None:
    for name in ("a.mp4", "b.mp4"):
        linked.blobs.put(layout.output("r1", name), b"x")
    url = httpx.URL(linked.reading(layout.output("r1", "a.mp4"), media_type="video/mp4"))
    later = linked.until(600)
    altered = (
        url.copy_with(path=url.path.replace("a.mp4", "b.mp4")),
        url.copy_set_param("se", later),
        url.copy_set_param("sp", "rw"),
        url.copy_set_param("rsct", "text/html"),
        url.copy_remove_param("sig"),
    )
    assert linked.http.get(url).status_code == 200
    assert {linked.http.get(one).status_code for one in altered} <= {403, 404}, "404 is what a public address gets"
    assert linked.http.get(url.copy_set_param("sig", "AAAA")).status_code == 403


def test_a_link_is_never_made_for_a_name_that_reaches_elsewhere(linked: Linked) -> None:
    for name in ("../../models/x", "a/../b", "a\x00b", ""):
        with pytest.raises(PermanentCloudError):
            linked.reading(BlobPath(ContainerName.OUTPUTS, name))
        with pytest.raises(PermanentCloudError):
            linked.writing(BlobPath(ContainerName.INPUTS, name))


@pytest.mark.azurite
@pytest.mark.xdist_group("azurite")
def test_without_settings_of_an_account_there_are_no_links_to_it(
    azurite_storages: Mapping[Account, StorageSettings],
) -> None:
    links = connect_links({Account.DATA: azurite_storages[Account.DATA]}, SystemClock())
    with pytest.raises(AccessDeniedError):
        links.to_read(layout.report_html("r1"), until=utc_text(datetime.now(UTC)))
