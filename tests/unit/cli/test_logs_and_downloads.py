"""`dropscore logs` and `dropscore download`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_cloud import SmallCloud, state_of

from dropscore.cli import wire
from dropscore.cli.client import Api
from dropscore.cli.download import download_run
from dropscore.cli.logs import show_logs
from dropscore.cloud.memory_links import LinkAnswer
from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.errors import AccessDeniedError, FailedError, TransientCloudError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.items import LogPage
from dropscore.contracts.plan import InputSummary, PlanIndex, ShardSpec
from dropscore.contracts.receipt import OutputFile, OutputManifest
from dropscore.contracts.run import RunStatus

RUN = "film-night-3f9a0c1d2e4b5a67"


def line(at: str, message: str, **fields: object) -> bytes:
    return json.dumps({"at": f"2026-01-01T00:00:{at}Z", "level": "info", "message": message, **fields}).encode() + b"\n"


@pytest.fixture
def logged(cloud: SmallCloud) -> SmallCloud:
    """A run of two shards whose planner and worker have logged."""
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED, items_done=4))
    blobs = cloud.memory.blobs
    blobs.put(layout.log(RUN, "plan"), line("01.000000", "Planned 4 items."))
    blobs.put(
        layout.log(RUN, "node-1"),
        line("02.000000", "Scored a shard.", shard_id=0) + line("04.000000", "Scored a shard.", shard_id=1, retries=2),
    )
    blobs.put(layout.log(RUN, "stitch"), line("03.000000", "Something broke.", level="error", traceback="Traceback …"))
    blobs.put(layout.log(RUN, "plan-1.console"), line("01.000000", "Planned 4 items.") + b"Killed\n")
    shards = [ShardSpec(shard_id=n, input_index=0, first_item=2 * n, items=2) for n in range(2)]
    blobs.put(layout.plan_page(RUN, 1), b"\n".join(encode_bytes(shard) for shard in shards))
    index = PlanIndex(
        run_id=RUN,
        shards=2,
        items=4,
        pages=1,
        inputs=(InputSummary(input_index=0, name="a", items=4),),
        shard_items=2,
        reason="",
    )
    blobs.put(layout.plan_index(RUN), encode_bytes(index))
    return cloud


def printed(cloud: SmallCloud, **arguments: object) -> list[str]:
    session = cloud.session()
    given = {"actor": "", "item": None, "follow": False, **arguments}
    show_logs(session.session, RUN, **given)  # type: ignore[arg-type]
    return session.out.splitlines()


def test_what_a_console_repeats_of_a_log_is_shown_once(logged: SmallCloud) -> None:
    assert len([text for text in printed(logged) if "Planned 4 items." in text]) == 1


def test_lines_of_all_actors_come_in_the_order_of_time(logged: SmallCloud) -> None:
    lines = printed(logged)

    assert lines[0] == "plan-1.console  Killed"
    assert lines[1] == "00:00:01.000  info    plan  Planned 4 items."
    assert [text.split()[2] for text in lines[1:] if text.startswith("00:")] == ["plan", "node-1", "stitch", "node-1"]
    assert "Traceback …" in lines
    assert lines[-1].endswith("Scored a shard.  shard_id=1  retries=2")


def test_only_an_actor(logged: SmallCloud) -> None:
    assert len(printed(logged, actor="node")) == 2


def test_an_item_shows_the_lines_of_the_shard_that_holds_it(logged: SmallCloud) -> None:
    assert printed(logged, item=3) == ["00:00:04.000  info    node-1  Scored a shard.  shard_id=1  retries=2"]


def test_an_item_that_the_run_does_not_have_is_refused(logged: SmallCloud) -> None:
    with pytest.raises(FailedError) as refused:
        printed(logged, item=4)

    assert "items 0 to 3" in refused.value.failure.message


def test_logs_as_json_are_lines_with_their_actor(logged: SmallCloud) -> None:
    session = logged.session(as_json=True)

    show_logs(session.session, RUN, actor="", item=None, follow=False)

    told = [json.loads(text) for text in session.out.splitlines()]
    assert told[0] == {"actor": "plan-1.console", "message": "Killed", "fields": {}}
    assert told[1]["message"] == "Planned 4 items."


def test_following_prints_what_comes_until_the_run_has_ended(
    cloud: SmallCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SCORING))
    first = line("01.000000", "one") + line("02.000000", "two")
    news = iter([line("01.000000", "one"), first, first + line("03.000000", "three")[:20]])

    def ask_when_more_has_come(api: Api, run_id: str, **asked: Any) -> LogPage:
        data = next(news, first + line("03.000000", "three"))
        cloud.memory.blobs.put(layout.log(RUN, "node-1"), data)
        cloud.clock.advance(0.1)  # the API may know the list of logs for longer, but not beyond the run's end
        if data.endswith(b"}\n") and b"three" in data:
            cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
        return logs(api, run_id, **asked | {"wait_s": 1})

    logs = Api.logs
    monkeypatch.setattr(Api, "logs", ask_when_more_has_come)
    session = cloud.session()

    show_logs(session.session, RUN, actor="", item=None, follow=True)

    assert [text.split()[-1] for text in session.out.splitlines()] == ["one", "two", "three"]


def test_more_lines_than_one_page_holds_are_all_printed(cloud: SmallCloud) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SCORING))
    text = b"".join(line("01.000000", f"n{number}") for number in range(2500))
    cloud.memory.blobs.put(layout.log(RUN, "node-1"), text)

    assert [text.split()[-1] for text in printed(cloud)] == [f"n{number}" for number in range(2500)]


def test_outputs_report_and_receipt_are_downloaded(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {"film.mp4": b"x" * 20_000_000, "photos/a.jpg": b"jpeg"})
    session = cloud.session()

    download_run(session.session, "film-night", tmp_path / "here")

    files = sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file())
    assert files == ["here/film.mp4", "here/photos/a.jpg", "here/receipt.json", "here/report.html"]
    assert (tmp_path / "here/film.mp4").read_bytes() == b"x" * 20_000_000
    assert "film.mp4  20.0 MB" in session.out


def test_downloads_as_json_name_every_file(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {"film.mp4": b"film"})
    session = cloud.session(as_json=True)

    download_run(session.session, RUN, tmp_path)

    told = json.loads(session.out)
    assert {"file": str(tmp_path / "film.mp4"), "size_bytes": 4} in told["files"]


def test_a_run_that_published_nothing_says_so(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.put_run(state_of(RUN, RunStatus.FAILED))

    with pytest.raises(FailedError) as refused:
        download_run(cloud.session().session, RUN, tmp_path)

    assert refused.value.failure.code is Code.OUTPUT_MISSING
    assert f"dropscore show {RUN}" in refused.value.failure.action


def test_a_download_goes_on_where_the_connection_broke(
    cloud: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    data = bytes(range(256)) * 20_000
    cloud.publish(RUN, {"film.mp4": data})
    monkeypatch.setattr(wire, "FIRST_PAUSE_S", 0)
    answered = cloud.memory.links.answer

    def only_begun(method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> LinkAnswer:
        answer = answered(method, url, headers, body)
        told = dict(answer.headers) | {"content-length": str(len(answer.body))}
        return replace(answer, headers=told, body=answer.body[:2_000_000]) if "film" in url else answer

    monkeypatch.setattr(cloud.memory.links, "answer", only_begun)

    download_run(cloud.session().session, RUN, tmp_path)

    assert (tmp_path / "film.mp4").read_bytes() == data
    ranges = [headers["range"] for _, headers in cloud.storage.asked if "range" in headers]
    assert ranges == ["bytes=2000000-", "bytes=4000000-"]


@pytest.mark.parametrize("status", [403, 500, 503])
def test_a_download_is_tried_again_and_asks_for_another_link_when_its_time_is_over(
    cloud: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {"film.mp4": b"film"})
    monkeypatch.setattr(wire, "FIRST_PAUSE_S", 0)
    cloud.storage.refusals = [status]

    download_run(cloud.session().session, RUN, tmp_path)

    assert (tmp_path / "film.mp4").read_bytes() == b"film"


@pytest.mark.parametrize(("status", "error"), [(403, AccessDeniedError), (503, TransientCloudError)])
def test_a_storage_that_refuses_for_good_is_told_without_the_link(
    cloud: SmallCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {"film.mp4": b"film"})
    monkeypatch.setattr(wire, "FIRST_PAUSE_S", 0)
    cloud.storage.refusals = [status] * 20

    with pytest.raises(error) as refused:
        download_run(cloud.session().session, RUN, tmp_path)

    assert "sig=" not in str(refused.value)
    assert not (tmp_path / "film.mp4").exists()


def test_a_file_that_is_not_what_was_published_is_told(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    cloud.publish(RUN, {"film.mp4": b"film"})
    cloud.memory.blobs.put(layout.output(RUN, "film.mp4"), b"mlif")

    with pytest.raises(FailedError) as refused:
        download_run(cloud.session().session, RUN, tmp_path)

    assert refused.value.failure.code is Code.OUTPUT_INVALID
    assert [file.name for file in tmp_path.iterdir() if "film" in file.name] == []


def test_no_output_is_written_outside_of_the_folder(cloud: SmallCloud, tmp_path: Path) -> None:
    cloud.put_run(state_of(RUN, RunStatus.SUCCEEDED))
    evil = OutputFile(name=f"{tmp_path}/evil", sha256="0" * 64, size_bytes=1, media_type="x/y")
    manifest = OutputManifest(
        run_id=RUN, status=RunStatus.SUCCEEDED, outputs=(evil,), items_published=1, items_total=1, coverage=1.0
    )
    cloud.memory.blobs.put(layout.output_manifest(RUN), encode_bytes(manifest))

    with pytest.raises(FailedError) as refused:
        download_run(cloud.session().session, RUN, tmp_path / "a/b")

    assert refused.value.failure.code is Code.OUTPUT_INVALID
    assert not (tmp_path / "evil").exists()
