"""Links that an identity signs: with a key that storage lends, and over https alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import UserDelegationKey

from dropscore.cloud.azure_links import KEY_LIFE, SKEW, AzureLinks, DelegationKey
from dropscore.cloud.clock import ManualClock, utc_text
from dropscore.cloud.connection import StorageSettings
from dropscore.contracts import layout
from dropscore.contracts.errors import AccessDeniedError
from dropscore.contracts.names import Account

FILM = StorageSettings(account="film", blob_url="https://film.blob.core.windows.net", queue_url="https://film.q")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Storage:
    """Lends keys, and remembers for which times."""

    def __init__(self) -> None:
        self.lent: list[tuple[datetime, datetime]] = []
        self.refusal: Exception | None = None

    def get_user_delegation_key(self, key_start_time: datetime, key_expiry_time: datetime) -> UserDelegationKey:
        if self.refusal is not None:
            raise self.refusal
        self.lent.append((key_start_time, key_expiry_time))
        key = UserDelegationKey()
        key.signed_oid, key.signed_tid, key.value = "object", "tenant", "a2V5"
        key.signed_service, key.signed_version = "b", "2025-01-05"
        key.signed_start, key.signed_expiry = f"{key_start_time:%Y-%m-%dT%H:%M:%SZ}", f"{key_expiry_time:%Y}"
        return key


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(utc_text(START))


@pytest.fixture
def storage() -> Storage:
    return Storage()


@pytest.fixture
def links(clock: ManualClock, storage: Storage) -> AzureLinks:
    return AzureLinks({Account.DATA: FILM}, {Account.DATA: DelegationKey(lambda: storage, clock)}, clock)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def until(clock: ManualClock, **time: Any) -> str:
    return utc_text(datetime.fromisoformat(clock.now()) + timedelta(**time))


def test_an_identity_signs_with_a_borrowed_key_over_https_alone(links: AzureLinks, clock: ManualClock) -> None:
    url = links.to_read(layout.output("r1", "a b.mp4"), until=until(clock, minutes=15), media_type="video/mp4")
    told = query_of(url)
    assert url.startswith("https://film.blob.core.windows.net/outputs/r1/a%20b.mp4?")
    assert (told["skoid"], told["sktid"], told["spr"], told["sp"], told["sr"]) == (
        "object",
        "tenant",
        "https",
        "r",
        "b",
    )
    assert (told["st"], told["se"]) == ("2025-12-31T23:55:00Z", "2026-01-01T00:15:00Z")
    assert told["rsct"] == "video/mp4"
    assert told["rscd"].startswith("attachment")


def test_writing_grants_creating_and_writing_and_nothing_else(links: AzureLinks, clock: ManualClock) -> None:
    assert query_of(links.to_write(layout.input_file("a.png"), until=until(clock, minutes=15)))["sp"] == "cw"


def test_a_key_is_borrowed_once_until_it_no_longer_outlives_the_links(
    links: AzureLinks, clock: ManualClock, storage: Storage
) -> None:
    def make() -> None:
        links.to_read(layout.output("r1", "a.mp4"), until=until(clock, minutes=15))

    for _ in range(50):
        make()
    assert storage.lent == [(START - SKEW, START + KEY_LIFE)]
    clock.advance((KEY_LIFE - timedelta(minutes=15)).total_seconds())
    make()
    assert len(storage.lent) == 1
    clock.advance(1)
    make()
    assert len(storage.lent) == 2


def test_an_account_with_a_key_behind_https_makes_links_for_https_alone(clock: ManualClock) -> None:
    keyed = StorageSettings(account="film", blob_url=FILM.blob_url, queue_url="", key="a2V5", connection_string="x")
    links = AzureLinks({Account.DATA: keyed}, {}, clock)
    assert query_of(links.to_write(layout.input_file("a"), until=until(clock, minutes=1)))["spr"] == "https"


def test_an_identity_that_may_borrow_no_key_is_told_so(links: AzureLinks, clock: ManualClock, storage: Storage) -> None:
    refused = HttpResponseError("This request is not authorized.")
    refused.response, refused.status_code = type("Answer", (), {"headers": {}})(), 403  # type: ignore[assignment]
    storage.refusal = refused
    with pytest.raises(AccessDeniedError, match="borrow a key to make links"):
        links.to_read(layout.output("r1", "a.mp4"), until=until(clock, minutes=15))
