"""The settings of the HTTP side, and what is said of wrong ones."""

import pytest

from dropscore.cloud.api_settings import ApiSettings, EntraSettings, asks_for_tokens
from dropscore.cloud.environment import Environment
from dropscore.contracts.errors import SettingsError

ENTRA = {"AuthMode": "entra", "EntraTenantId": "contoso.example", "EntraAudience": "api://dropscore"}


def read(variables: dict[str, str]) -> ApiSettings:
    environment = Environment(variables)
    settings = ApiSettings.read(environment)
    environment.check()
    return settings


def test_nothing_set_is_keys_and_no_price():
    assert read({}) == ApiSettings()


def test_entra_has_the_directorys_own_issuer_and_keys():
    assert read(ENTRA).entra == EntraSettings(
        audience="api://dropscore",
        issuer="https://login.microsoftonline.com/contoso.example/v2.0",
        keys_url="https://login.microsoftonline.com/contoso.example/discovery/v2.0/keys",
    )


def test_targets_are_told_apart():
    assert read({"WebhookAllow": "Hooks.example, 127.0.0.1:9 ,[::1]:80"}).webhook_allow == (
        "hooks.example",
        "127.0.0.1:9",
        "[::1]:80",
    )


@pytest.mark.parametrize(
    ("variables", "name", "words"),
    [
        ({"AuthMode": "none"}, "AuthMode", "'keys' or 'entra'"),
        ({"AuthMode": "entra", "EntraAudience": "a"}, "EntraTenantId", "id of the directory"),
        ({"AuthMode": "entra", "EntraTenantId": "t"}, "EntraAudience", "api://"),
        (ENTRA | {"EntraKeysUrl": "http://elsewhere.example/keys"}, "EntraKeysUrl", "https"),
        ({"TenantClaim": "tid"}, "TenantClaim", "'entra'"),
        ({"PageReadOnly": "yes"}, "PageReadOnly", "'true' or 'false'"),
        ({"PricePerWorkerHour": "-1", "PriceCurrency": "EUR"}, "PricePerWorkerHour", "price of one worker"),
        ({"PricePerWorkerHour": "1"}, "PriceCurrency", "currency"),
        ({"WebhookAllow": "https://a/b"}, "WebhookAllow", "'host:port'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix(variables, name, words):
    with pytest.raises(SettingsError) as error:
        read(variables)
    assert [(variable, words in problem) for variable, problem in error.value.problems] == [(name, True)]


def test_the_host_asks_for_no_key_only_where_tokens_are_shown():
    assert asks_for_tokens({"AuthMode": " entra "})
    assert not asks_for_tokens({"AuthMode": "keys"})
    assert not asks_for_tokens({})


def test_webhooks_are_tried_as_often_as_is_set():
    settings = read({"WebhookAttempts": "3", "WebhookRetrySeconds": "0.5"})
    assert (settings.webhook_attempts, settings.webhook_retry_s) == (3, 0.5)
    for wrong in ({"WebhookAttempts": "0"}, {"WebhookRetrySeconds": "3601"}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            read(wrong)
