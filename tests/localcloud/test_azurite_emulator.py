"""Azurite under our launcher: two accounts, events for what is written, nothing lost on SIGTERM, losses said."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient
from observing import is_running

from localcloud.azurite import AzuriteEndpoints, AzuriteError, AzuriteLoss, running_azurite

pytestmark = [pytest.mark.azurite, pytest.mark.xdist_group("azurite")]


def container(endpoints: AzuriteEndpoints, name: str) -> ContainerClient:
    client = ContainerClient.from_connection_string(endpoints.data_connection, name)
    if not client.exists():
        client.create_container()
    return client


def queue(endpoints: AzuriteEndpoints, name: str) -> QueueClient:
    client = QueueClient.from_connection_string(endpoints.system_connection, name)
    try:
        client.create_queue()
    except ResourceExistsError:
        return client
    return client


@pytest.fixture
def events(azurite: AzuriteEndpoints) -> Iterator[Iterator[dict[str, object]]]:
    with urllib.request.urlopen(azurite.events_url, timeout=10) as stream:
        assert json.loads(stream.readline()) == {"change": "hello"}
        yield (event for event in map(json.loads, stream) if event["change"] != "ping")


def test_the_two_accounts_do_not_see_each_others_blobs(azurite):
    container(azurite, "ours").upload_blob("a", b"1")
    with BlobServiceClient.from_connection_string(azurite.system_connection) as system:
        assert "ours" not in {found.name for found in system.list_containers()}


def test_put_blob_is_told_with_its_name_and_etag(azurite, events):
    written = container(azurite, "told").upload_blob("folder/büro #1 %20.json", b"{}")
    etag = written.get_blob_properties().etag.strip('"')
    assert next(events) == {
        "change": "blob",
        "account": "dropscoredata",
        "container": "told",
        "name": "folder/büro #1 %20.json",
        "etag": etag,
    }


def test_a_blob_uploaded_in_blocks_is_told_once_when_committed(azurite, events):
    blob = container(azurite, "blocks").get_blob_client("big")
    blob.stage_block("MDAx", b"one")
    blob.stage_block("MDAy", b"two")
    blob.commit_block_list([BlobBlock("MDAx"), BlobBlock("MDAy")])
    container(azurite, "blocks").upload_blob("next", b"")
    assert [next(events)["name"], next(events)["name"]] == ["big", "next"]


def test_refused_writes_reads_and_metadata_are_not_told(azurite, events):
    folder = container(azurite, "quiet")
    folder.upload_blob("a", b"1")
    with pytest.raises(Exception, match="BlobAlreadyExists"):
        folder.upload_blob("a", b"2")
    folder.get_blob_client("a").set_blob_metadata({"key": "value"})
    folder.download_blob("a").readall()
    folder.delete_blob("a")
    folder.upload_blob("b", b"3")
    assert [next(events)["name"], next(events)["name"]] == ["a", "b"]


def test_sent_and_released_messages_are_told_with_their_delay(azurite, events):
    messages = queue(azurite, "told")
    sent = messages.send_message("x", visibility_timeout=0)
    leased = next(iter(messages.receive_messages(visibility_timeout=60)))
    messages.update_message(leased, visibility_timeout=7)
    told = {"change": "message", "account": "dropscoresystem", "queue": "told", "id": sent.id}
    assert [next(events), next(events)] == [{**told, "delay_s": 0}, {**told, "delay_s": 7}]


def test_nothing_is_lost_when_azurite_is_stopped(tmp_path):
    with running_azurite(tmp_path) as first:
        for number in range(20):
            container(first, "kept").upload_blob(f"{number}", b"x")
        queue(first, "kept").send_message("m")
    with running_azurite(tmp_path) as second:
        assert second.loss is None
        assert len(list(container(second, "kept").list_blob_names())) == 20
        assert second.data_connection.split(";")[2] == first.data_connection.split(";")[2], "the same account key"
    assert not list(tmp_path.glob("witness-*"))


def test_what_azurite_loses_when_killed_is_found_at_its_next_start(tmp_path):
    with running_azurite(tmp_path) as first:
        container(first, "lossy").upload_blob("kept", b"x")
        queue(first, "lossy")
    with running_azurite(tmp_path, save_every_s=3600) as second:
        blobs, messages = container(second, "lossy"), queue(second, "lossy")
        blobs.upload_blob("kept", b"y", overwrite=True)
        for number in range(3):
            blobs.upload_blob(f"{number}", b"x")
            messages.send_message("m")
        os.kill(second.pid, signal.SIGKILL)
    with running_azurite(tmp_path) as third:
        assert third.loss == AzuriteLoss(
            blobs=4,
            messages=3,
            undeleted=0,
            names=tuple(f"dropscoredata/lossy/{name}" for name in ("kept", "0", "1", "2")),
            queues=("dropscoresystem/lossy",),
        )
        assert third.loss.sentence.startswith("4 blobs and 3 messages that it had acknowledged are gone")
        assert container(third, "lossy").download_blob("kept").readall() == b"x"


def unsaved(witness: Path) -> str:
    """What is witnessed there; a witness of what has been saved since is removed."""
    try:
        return witness.read_text()
    except FileNotFoundError:
        return ""


def test_nothing_is_said_about_a_kill_that_lost_nothing(tmp_path, wait_until):
    with running_azurite(tmp_path, save_every_s=0.05) as first:
        container(first, "lucky").upload_blob("a", b"x")
        wait_until(lambda: not any(unsaved(witness) for witness in tmp_path.glob("witness-*")))
        os.kill(first.pid, signal.SIGKILL)
    with running_azurite(tmp_path) as second:
        assert second.loss is None
        assert container(second, "lucky").download_blob("a").readall() == b"x"


def test_deleted_blobs_that_come_back_after_a_kill_are_counted(tmp_path):
    with running_azurite(tmp_path) as first:
        container(first, "back").upload_blob("a", b"x")
    with running_azurite(tmp_path, save_every_s=3600) as second:
        container(second, "back").delete_blob("a")
        os.kill(second.pid, signal.SIGKILL)
    with running_azurite(tmp_path) as third:
        assert third.loss is not None
        assert (third.loss.blobs, third.loss.undeleted) == (0, 1)


ORPHANING = """
import os, signal, sys
from pathlib import Path
from azure.storage.blob import ContainerClient
from localcloud.azurite import running_azurite
with running_azurite(Path(sys.argv[1])) as endpoints:
    client = ContainerClient.from_connection_string(endpoints.data_connection, "orphan")
    client.create_container()
    client.upload_blob("a", b"x")
    print(endpoints.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_deleted_with_its_container_or_queue_is_no_loss(tmp_path):
    with running_azurite(tmp_path, save_every_s=3600) as first:
        blobs, messages = container(first, "dropped"), queue(first, "dropped")
        blobs.upload_blob("a", b"x")
        messages.send_message("m")
        blobs.delete_container()
        messages.clear_messages()
        os.kill(first.pid, signal.SIGKILL)
    with running_azurite(tmp_path) as second:
        assert second.loss is None


def test_azurite_saves_and_ends_by_itself_when_its_starter_is_killed(tmp_path):
    starter = subprocess.run(
        [sys.executable, "-c", ORPHANING, tmp_path], stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    assert starter.returncode == -signal.SIGKILL
    with running_azurite(tmp_path) as endpoints:
        assert not is_running(int(starter.stdout))
        assert endpoints.loss is None
        assert list(container(endpoints, "orphan").list_blob_names()) == ["a"]


def test_the_account_keys_are_readable_by_their_owner_alone(azurite):
    assert stat.S_IMODE((azurite.folder / "keys.json").stat().st_mode) == 0o600


def test_a_taken_port_is_an_error_at_start(azurite, tmp_path):
    with pytest.raises(AzuriteError, match="ended before it was ready"), running_azurite(tmp_path, ports=azurite.ports):
        pass


# --- finding blobs (lookup.cjs)


def snapshots(client: ContainerClient) -> list[tuple[str, bool]]:
    return sorted((found.name, found.snapshot is not None) for found in client.list_blobs(include=["snapshots"]))


def test_blobs_are_found_by_their_whole_name_in_their_own_container(azurite):
    first, second = container(azurite, "lookup-1"), container(azurite, "lookup-2")
    names = ["1", "01", "10", "1a", "a/b", "a/b/c", "a", "A"]
    for name in names:
        first.upload_blob(name, f"first {name}".encode())
    second.upload_blob("1", b"second 1")
    assert [first.download_blob(name).readall().decode() for name in names] == [f"first {name}" for name in names]
    assert second.download_blob("1").readall() == b"second 1"
    assert not second.get_blob_client("10").exists()


def test_what_was_written_over_changed_or_deleted_is_found_as_it_is_now(azurite):
    client = container(azurite, "lookup-3")
    blob = client.upload_blob("a", b"1")
    client.upload_blob("a", b"22", overwrite=True, metadata={"k": "1"})
    assert (blob.download_blob().readall(), blob.get_blob_properties().metadata) == (b"22", {"k": "1"})
    blob.set_blob_metadata({"k": "2"})
    assert blob.get_blob_properties().metadata == {"k": "2"}
    with pytest.raises(ResourceExistsError):
        client.upload_blob("a", b"3")
    blob.delete_blob()
    assert not blob.exists()
    client.upload_blob("a", b"4")
    assert blob.download_blob().readall() == b"4"


def test_snapshots_are_found_beside_their_blob_and_go_with_it(azurite):
    client = container(azurite, "lookup-4")
    blob = client.upload_blob("a", b"old")
    taken = blob.create_snapshot()["snapshot"]
    client.upload_blob("a", b"new", overwrite=True)
    then = client.get_blob_client("a", snapshot=taken)
    assert (blob.download_blob().readall(), then.download_blob().readall()) == (b"new", b"old")
    with pytest.raises(ResourceExistsError):  # SnapshotsPresent
        blob.delete_blob()
    blob.delete_blob(delete_snapshots="include")
    assert snapshots(client) == []
    assert not then.exists()


def test_a_container_that_was_deleted_takes_its_blobs_with_it(azurite):
    client = container(azurite, "lookup-5")
    client.upload_blob("a", b"1")
    client.delete_container()
    client.create_container()
    assert not client.get_blob_client("a").exists()
    client.upload_blob("a", b"2")
    assert client.download_blob("a").readall() == b"2"


def test_blobs_of_an_earlier_start_are_found(tmp_path):
    with running_azurite(tmp_path / "azurite") as endpoints:
        container(endpoints, "lookup-6").upload_blob("a", b"kept")
    with running_azurite(tmp_path / "azurite") as endpoints:
        client = container(endpoints, "lookup-6")
        assert client.download_blob("a").readall() == b"kept"
        client.delete_blob("a")
        assert not client.get_blob_client("a").exists()
