"""Settings become adapters; nothing is asked of a service on the way."""

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from test_settings import CLOUD_APP, LOCAL_APP

from dropscore.cloud.connect import connect_runner, connect_storage, connect_workers
from dropscore.cloud.connection import IdentitySettings
from dropscore.cloud.credentials import batch_credential, storage_credential, token_credential
from dropscore.cloud.endpoints import endpoint_problem, is_loopback, is_plain_loopback
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.settings import AppSettings
from dropscore.contracts.names import Account


@pytest.mark.parametrize("variables", [LOCAL_APP, CLOUD_APP], ids=["local", "cloud"])
def test_settings_give_every_adapter(variables):
    settings = AppSettings.from_env(variables)

    cloud = connect_storage(settings.data, settings.system)

    assert cloud.accounts == settings.accounts
    assert set(cloud.accounts) == set(Account)
    assert connect_workers(settings) is not None
    assert connect_runner(settings) is not None


def test_an_account_key_is_used_where_there_is_one():
    settings = AppSettings.from_env(LOCAL_APP)

    assert isinstance(storage_credential(settings.data), AzureNamedKeyCredential)
    assert isinstance(batch_credential(settings.batch, settings.identity), AzureNamedKeyCredential)


def test_a_managed_identity_is_used_where_there_is_no_key():
    settings = AppSettings.from_env(CLOUD_APP)

    assert isinstance(storage_credential(settings.data), ManagedIdentityCredential)
    assert isinstance(batch_credential(settings.batch, settings.identity), ManagedIdentityCredential)


def test_without_either_the_developers_login_is_used():
    assert isinstance(token_credential(IdentitySettings(managed=False)), DefaultAzureCredential)


@pytest.mark.parametrize(
    ("url", "loopback", "plain", "problem"),
    [
        ("http://127.0.0.1:10000/a", True, True, ""),
        ("http://localhost:1", True, True, ""),
        ("http://[::1]:1", True, True, ""),
        ("http://127.8.9.1", True, True, ""),
        ("https://127.0.0.1", True, False, ""),
        ("https://a.blob.core.windows.net", False, False, ""),
        ("http://a.blob.core.windows.net", False, False, "plain http"),
        ("http://127.0.0.1.example.com", False, False, "plain http"),
        ("http://localhost.example.com", False, False, "plain http"),
        ("http://user@127.0.0.1", True, True, "user name"),
        ("https://a/?sig=x", False, False, "query"),
        ("ftp://a", False, False, "no http or https"),
        ("127.0.0.1:1", False, False, "no http or https"),
        ("", False, False, "no http or https"),
    ],
)
def test_plain_http_is_for_this_machine_alone(url, loopback, plain, problem):
    assert is_loopback(url) is loopback
    assert is_plain_loopback(url) is plain
    assert problem in endpoint_problem(url)
    assert bool(endpoint_problem(url)) is bool(problem)


def test_a_lazy_value_is_made_once_when_it_is_needed():
    made = []
    lazy = Lazy(lambda: made.append(1) or len(made))
    assert made == []

    assert (lazy(), lazy()) == (1, 1)


def test_a_lazy_value_that_failed_is_tried_again():
    attempts = []

    def make():
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("not yet")
        return "made"

    lazy = Lazy(make)
    with pytest.raises(OSError, match="not yet"):
        lazy()

    assert lazy() == "made"
