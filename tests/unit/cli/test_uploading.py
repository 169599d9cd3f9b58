"""Uploads over links: in batches, whole or in blocks, again where something broke."""

from pathlib import Path

import pytest
from small_cloud import SmallCloud

from dropscore.cli import links, uploading, wire
from dropscore.cli.sources import MOST_BYTES, Upload, find_sources
from dropscore.cli.uploading import in_batches, upload_all
from dropscore.contracts import layout
from dropscore.contracts.errors import FailedError, PermanentCloudError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.names import ContainerName


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "FIRST_PAUSE_S", 0)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "film.mp4"
    file.write_bytes(bytes(range(256)) * 4_000)
    return file


def uploads_of(*files: Path) -> tuple[Upload, ...]:
    return find_sources([str(file) for file in files], ()).uploads


def uploaded(cloud: SmallCloud, *files: Path) -> dict[str, bytes]:
    """What lies in `inputs` after an upload, by name below the prefix."""
    told = upload_all(cloud.session().session, uploads_of(*files))
    stored = {name: cloud.memory.blobs.stored(layout.input_file(name)) for name in inputs_of(cloud)}
    prefixes = tuple(batch.prefix for batch in told.batches)
    return {name.removeprefix(prefixes[0]): blob.data for name, blob in stored.items() if blob}


def inputs_of(cloud: SmallCloud) -> tuple[str, ...]:
    return cloud.memory.blobs.names(ContainerName.INPUTS)


def test_a_small_file_is_one_request_with_its_type(cloud: SmallCloud, film: Path) -> None:
    assert uploaded(cloud, film) == {"film.mp4": film.read_bytes()}
    ((method, headers),) = cloud.storage.asked
    assert (method, headers["content-type"], headers["x-ms-blob-type"]) == ("PUT", "video/mp4", "BlockBlob")
    assert headers["content-length"] == str(film.stat().st_size)


def test_a_large_file_goes_in_blocks_and_comes_together_in_order(
    cloud: SmallCloud, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "WHOLE_BYTES", 100_000)
    monkeypatch.setattr(links, "BLOCK_BYTES", 70_000)
    assert uploaded(cloud, film) == {"film.mp4": film.read_bytes()}
    assert len(cloud.storage.asked) == 15 + 1
    stored = cloud.memory.blobs.stored(layout.input_file(inputs_of(cloud)[0]))
    assert stored is not None
    assert stored.content_type == "video/mp4"


@pytest.mark.parametrize("whole", [10_000_000, 100_000])
def test_what_breaks_on_the_way_is_sent_again_and_counted_once(
    cloud: SmallCloud, film: Path, monkeypatch: pytest.MonkeyPatch, whole: int
) -> None:
    monkeypatch.setattr(links, "WHOLE_BYTES", whole)
    monkeypatch.setattr(links, "BLOCK_BYTES", 400_000)
    cloud.storage.refusals = [503, 500, 503]
    counts: list[int] = []
    (upload,) = uploads_of(film)
    (link,) = cloud.session().session.api().uploads([upload.name]).files
    links.write_link("film", link.url, link.headers, film, upload.size_bytes, counts.append)
    assert cloud.memory.blobs.get(layout.input_file(link.input)).data == film.read_bytes()
    assert sum(counts) == upload.size_bytes


def test_a_storage_that_does_not_answer_is_told_without_the_link(cloud: SmallCloud, film: Path) -> None:
    cloud.storage.refusals = [503] * 10
    with pytest.raises(TransientCloudError) as refused:
        uploaded(cloud, film)
    assert "film.mp4" in str(refused.value)
    assert "sig=" not in str(refused.value)


def test_a_file_that_became_shorter_is_told(cloud: SmallCloud, film: Path) -> None:
    found = uploads_of(film)
    film.write_bytes(b"short")
    with pytest.raises(FailedError) as refused:
        upload_all(cloud.session().session, found)
    assert refused.value.failure.code is Code.INPUT_CHANGED
    assert inputs_of(cloud) == ()


def test_no_file_is_larger_than_one_link_takes(tmp_path: Path) -> None:
    huge = tmp_path / "huge.mp4"
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(FailedError) as refused:
        uploads_of(huge)
    assert refused.value.failure.code is Code.INPUT_LIMIT
    assert "5000 MiB" in refused.value.failure.message
    assert "inputs:NAME" in refused.value.failure.action
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES)
    assert len(uploads_of(huge)) == 1


def test_a_folder_in_several_batches_is_named_by_each_in_natural_order(
    cloud: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploading, "MOST_FILES", 4)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(1, 12):
        (folder / f"{number}.png").write_bytes(b"%d" % number)
    told = upload_all(cloud.session().session, uploads_of(folder))
    inputs = told.inputs("frames/")
    assert [len(batch.files) for batch in told.batches] == [4, 4, 3]
    assert inputs == tuple(f"{batch.prefix}frames/" for batch in told.batches)
    order = [file.name for batch in told.batches for file in batch.files]
    assert order == [f"frames/{number}.png" for number in range(1, 12)]


def test_batches_keep_below_what_a_request_may_have() -> None:
    names = [Upload(file=Path("x"), name="ä" * 300 + str(number), size_bytes=1) for number in range(1000)]
    batches = list(in_batches(names))
    assert [one for batch in batches for one in batch] == names
    assert max(sum(len(str(one.name.encode("unicode_escape"))) for one in batch) for batch in batches) < 250 * 1024
    assert len(batches) > 1


def test_a_name_that_the_api_refuses_is_told_before_anything_is_uploaded(cloud: SmallCloud, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "a\\b.png"
    for file in (good, bad):
        file.write_bytes(b"x")
    with pytest.raises(FailedError) as refused:
        upload_all(cloud.session().session, uploads_of(good, bad))
    assert (refused.value.failure.code, refused.value.failure.field) == (Code.INPUT_NAME, "files[1].name")
    assert cloud.storage.asked == []


@pytest.mark.parametrize("url", ["http://example.com/x?sig=1", "ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_link_that_is_not_safe_is_not_followed(film: Path, url: str) -> None:
    with pytest.raises(PermanentCloudError, match="not https"):
        links.write_link("film", url, {}, film, 10, lambda _: None)
