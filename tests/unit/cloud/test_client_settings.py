"""Where the command line finds a cloud, and what opens it."""

import json
from pathlib import Path

import pytest

from dropscore.cloud.client_settings import ClientSettings
from dropscore.contracts.errors import SettingsError
from dropscore.contracts.names import Account

URL = "https://film.azurewebsites.net"
STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName={0};AccountKey=a2V5;"
    "BlobEndpoint=http://127.0.0.1:1/{0};QueueEndpoint=http://127.0.0.1:1/{0}"
)
LOCAL = {"DataStorage": STORAGE.format("localdata"), "SystemStorage": STORAGE.format("localsystem")}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What a local cloud writes down."""
    file = tmp_path / "cloud.json"
    file.write_text(json.dumps({"api_url": "http://127.0.0.1:7071", "settings": LOCAL, "endpoints": {}, "pid": 1}))
    return file


def test_the_command_line_reads_what_the_local_cloud_wrote(written: Path) -> None:
    settings = ClientSettings.load({}, written)

    assert settings.api_url == "http://127.0.0.1:7071"
    assert settings.storage(Account.DATA).account == "localdata"
    assert settings.storage(Account.SYSTEM).account == "localsystem"
    assert (settings.key, settings.token) == (None, None)


def test_a_key_without_its_address_is_not_sent_to_the_local_cloud(written: Path) -> None:
    settings = ClientSettings.load({"DROPSCORE_KEY": "of-azure", "DROPSCORE_TOKEN": "of-azure"}, written)

    assert (settings.key, settings.token) == (None, None)


def test_a_local_cloud_that_asks_for_keys_has_written_down_one(written: Path) -> None:
    told = json.loads(written.read_text())
    written.write_text(json.dumps(told | {"settings": LOCAL | {"DROPSCORE_KEY": "local"}}))

    assert ClientSettings.load({"DROPSCORE_KEY": "of-azure", "DROPSCORE_URL": " "}, written).key == "local"


def test_an_address_is_enough_and_leaves_the_local_cloud_alone(written: Path) -> None:
    settings = ClientSettings.load({"DROPSCORE_URL": f"{URL}/"}, written)

    assert settings.api_url == URL
    assert settings.storages == {}


def test_one_account_may_be_there_without_the_other(tmp_path: Path) -> None:
    variables = {"DROPSCORE_URL": URL, "DataStorage__accountName": "filmdata"}

    settings = ClientSettings.load(variables, tmp_path / "absent.json")

    assert not settings.storage(Account.DATA).identity.managed
    with pytest.raises(SettingsError) as missing:
        settings.storage(Account.SYSTEM)
    ((name, problem),) = missing.value.problems
    assert name == "SystemStorage"
    assert "SystemStorage__accountName" in problem


def test_key_and_token_are_read_and_never_shown(tmp_path: Path) -> None:
    variables = {"DROPSCORE_URL": URL, "DROPSCORE_KEY": " k3y== ", "DROPSCORE_TOKEN": "a.b.c"}

    settings = ClientSettings.load(variables, tmp_path / "absent.json")

    assert (settings.key, settings.token) == ("k3y==", "a.b.c")
    assert "k3y" not in repr(settings)
    assert "a.b.c" not in repr(settings)


@pytest.mark.parametrize("value", ["two words", "k\u00e9y", "line\nbreak", "k" * 20_000])
@pytest.mark.parametrize("name", ["DROPSCORE_KEY", "DROPSCORE_TOKEN"])
def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ClientSettings.load({"DROPSCORE_URL": URL, name: value}, tmp_path / "absent.json")

    ((named, _),) = refused.value.problems
    assert named == name
    assert value not in str(refused.value)


@pytest.mark.parametrize(
    "url", [f"{URL}?code=s3cret", "https://jo:s3cret@film.net/api", "http://film.net/?s3cret", f"{URL}#s3cret"]
)
def test_an_address_with_a_key_in_it_is_refused_without_showing_the_key(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        ClientSettings.load({"DROPSCORE_URL": url}, tmp_path / "absent.json")

    assert "film" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("text", [None, "", "[]", '{"settings": {}}', "\xff"])
def test_an_absent_or_broken_local_file_says_to_start_the_local_cloud(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "cloud.json"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))

    with pytest.raises(SettingsError, match="Start the local cloud"):
        ClientSettings.load({}, file)
