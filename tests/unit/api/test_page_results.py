"""What a run has made, on its page: pictures while it runs, and the viewers of its results."""

import base64

import pytest
from api_client import ApiClient
from stored_insides import Inside
from stored_runs import put_run

from dropscore.api.page.viewers import FILES, style_transfer, viewer_of
from dropscore.cloud.memory import MemoryCloud
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.http.files import InputDocument, InputList, OutputDocument, OutputList
from dropscore.contracts.run import RunStatus

RUN = "film-0123456789abcdef"
JPEG = b"\xff\xd8\xff\xe0 a small picture"


def output(name: str, media_type: str) -> OutputDocument:
    return OutputDocument(name=name, media_type=media_type, size_bytes=1, url=f"https://blob.example/{name}")


def outputs(*made: OutputDocument) -> OutputList:
    return OutputList(run_id=RUN, outputs=made, documents=(), expires_at="")


def inputs(*names: str) -> InputList:
    given = tuple(
        InputDocument(name=name, media_type="image/png", size_bytes=1, etag="0x1", url=f"https://blob.example/{name}")
        for name in names
    )
    return InputList(run_id=RUN, inputs=given, expires_at="")


def with_picture(memory: MemoryCloud, shard_id: int, picture: object) -> None:
    verdict = Inside(memory=memory, run_id=RUN).done(shard_id)
    pictured = verdict.model_copy(update={"metrics": {"picture": picture}})
    memory.blobs.put(layout.verdict(RUN, shard_id), encode_bytes(pictured))


@pytest.fixture
def running(memory: MemoryCloud) -> MemoryCloud:
    """A run of 30 shards of which none is scored."""
    put_run(memory, RUN, RunStatus.SCORING, items_total=300)
    Inside(memory=memory, run_id=RUN).plan(30)
    return memory


def test_a_run_under_way_shows_pictures_of_what_is_scored(api: ApiClient, running: MemoryCloud) -> None:
    with_picture(running, 7, base64.b64encode(JPEG).decode())

    page = api.get(f"/runs/{RUN}").text
    picture = api.get(f"/runs/{RUN}/pictures/7")

    assert f"/runs/{RUN}/pictures/7" in page
    assert page.count("Not scored yet") == 11
    assert (picture.content, picture.headers["content-type"]) == (JPEG, "image/jpeg")
    assert "immutable" in picture.headers["cache-control"]


@pytest.mark.parametrize(
    "said", [None, 7, "no base64!", base64.b64encode(b"<svg onload=alert(1)>").decode(), "A" * 100_000]
)
def test_what_is_no_small_jpeg_is_not_shown(api: ApiClient, running: MemoryCloud, said: object) -> None:
    with_picture(running, 7, said)

    assert "/pictures/" not in api.get(f"/runs/{RUN}").text
    assert api.get(f"/runs/{RUN}/pictures/7").status_code == 404


def test_a_picture_is_asked_for_of_runs_that_are_there(api: ApiClient) -> None:
    assert api.get("/runs/no-such-run/pictures/0").status_code == 404


def test_films_have_their_comparison() -> None:
    made = outputs(
        output("a-styled.mp4", "video/mp4"),
        output("a-side-by-side.mp4", "video/mp4"),
        output("b-styled.mp4", "video/mp4"),
    )

    films = style_transfer(made, inputs())["films"]

    assert [(film.styled.name, film.beside and film.beside.name) for film in films] == [
        ("a-styled.mp4", "a-side-by-side.mp4"),
        ("b-styled.mp4", None),
    ]


def test_pictures_stand_beside_their_originals() -> None:
    made = outputs(output("cat.png", "image/png"), output("lost.png", "image/png"), output("scan.tiff", "image/tiff"))

    pairs = style_transfer(made, inputs("2026/cat.jpg", "scan.tiff"))["pairs"]

    assert [(pair.before, pair.after) for pair in pairs] == [
        ("https://blob.example/2026/cat.jpg", "https://blob.example/cat.png")
    ]


def test_a_workload_without_a_viewer_has_its_files_shown() -> None:
    made = outputs(output("a.mp4", "video/mp4"), output("b.csv", "text/csv"), output("c.png", "image/png"))

    assert viewer_of("tissue_classification") is FILES
    assert [one.name for one in FILES.arrange(made, inputs())["shown"]] == ["a.mp4", "c.png"]
