"""Tokens are believed when signature, issuer, audience and times hold, and never otherwise."""

import time

import pytest
from tokens import SETTINGS, key_set, token

from dropscore.cloud.entra import EntraTokens
from dropscore.contracts.errors import FailedError, TransientCloudError
from dropscore.contracts.failures import Code


class Directory:
    """Publishes keys, and counts how often somebody asks for them."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.asked = 0
        self.now = 0.0

    def fetch(self, url: str) -> bytes:
        assert url == SETTINGS.keys_url
        self.asked += 1
        return self.document


@pytest.fixture
def directory():
    return Directory(key_set("one"))


@pytest.fixture
def tokens(directory):
    return EntraTokens(SETTINGS, fetch=directory.fetch, monotonic=lambda: directory.now)


def test_a_good_token_is_read_and_keys_are_fetched_once(tokens, directory):
    for _ in range(3):
        assert tokens.claims(token(roles=["viewer"]))["roles"] == ["viewer"]
    assert directory.asked == 1


@pytest.mark.fault(66)
@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda: "no.token", id="no token"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: token(aud="api://other"), id="wrong audience"),
        pytest.param(lambda: token(aud=None), id="no audience"),
        pytest.param(lambda: token(iss="https://evil.example/"), id="wrong issuer"),
        pytest.param(lambda: token(exp=int(time.time()) - 120), id="expired"),
        pytest.param(lambda: token(exp=None), id="for ever"),
        pytest.param(lambda: token(nbf=int(time.time()) + 600), id="not yet"),
        pytest.param(lambda: token(signed_with="two"), id="unknown key"),
        pytest.param(lambda: token(signed_with="two", kid="one"), id="another's key under a known name"),
        pytest.param(lambda: token(algorithm="HS256", kid="one"), id="symmetric"),
        pytest.param(lambda: token().rpartition(".")[0] + ".", id="no signature"),
        pytest.param(lambda: token()[:-6] + "AAAAAA", id="altered signature"),
    ],
)
def test_a_bad_token_is_refused(tokens, bad):
    with pytest.raises(FailedError) as error:
        tokens.claims(bad())
    assert error.value.failure.code is Code.AUTH_INVALID


def test_a_new_signing_key_is_found_and_an_unknown_one_is_not_asked_for_again_and_again(tokens, directory):
    tokens.claims(token())
    directory.document = key_set("one", "two")
    for _ in range(5):
        with pytest.raises(FailedError):
            tokens.claims(token(signed_with="two"))
    assert directory.asked == 1
    directory.now = 31.0
    tokens.claims(token(signed_with="two"))
    assert directory.asked == 2


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": 5}', b'{"keys": [{"kty": "RSA", "kid": "one"}]}'])
def test_keys_that_cannot_be_read_are_a_fault_that_passes(tokens, directory, document):
    directory.document = document
    with pytest.raises(TransientCloudError):
        tokens.claims(token())
