"""A copy that the service carries out later is waited for."""

import pytest
from scripted import Answer, Service

from dropscore.cloud.azure_blobs import connect_blobs
from dropscore.cloud.connection import StorageSettings
from dropscore.contracts import layout
from dropscore.contracts.errors import TransientCloudError
from dropscore.contracts.names import Account

SOURCE, TARGET = layout.output("r-1", "staging/film.mp4"), layout.output("r-1", "film.mp4")


@pytest.fixture
def blobs(service: Service):
    """Blobs of a data account whose service is scripted."""
    url = f"{service.url}/acct"
    storage = StorageSettings(account="acct", blob_url=url, queue_url=url, key="a2V5", connection_string="x")
    return connect_blobs({Account.DATA: storage})


def copying(status: int, state: str) -> Answer:
    return Answer(status, headers={"x-ms-copy-id": "1", "x-ms-copy-status": state, "ETag": '"0x1"'})


def test_a_pending_copy_is_waited_for(blobs, service):
    answers = iter([copying(202, "pending"), copying(200, "pending"), copying(200, "success")])
    service.answer = lambda request: next(answers)

    blobs.copy(SOURCE, TARGET)

    assert service.asked() == [
        "PUT /acct/outputs/r-1/film.mp4",
        "HEAD /acct/outputs/r-1/film.mp4",
        "HEAD /acct/outputs/r-1/film.mp4",
    ]
    assert service.requests[0].headers["x-ms-copy-source"] == f"{service.url}/acct/outputs/r-1/staging/film.mp4"


@pytest.mark.parametrize("state", ["failed", "aborted"])
def test_a_copy_that_did_not_succeed_is_told(blobs, service, state):
    answers = iter([copying(202, "pending"), copying(200, state)])
    service.answer = lambda request: next(answers)

    with pytest.raises(TransientCloudError, match=f"the copy is {state}"):
        blobs.copy(SOURCE, TARGET)
