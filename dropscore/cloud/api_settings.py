"""Settings of the Function app's HTTP side: who may call, what the page offers, prices, and where webhooks may go.

AuthMode             `keys` (of the Functions host, the default) or `entra` (tokens of Microsoft Entra ID)
EntraTenantId        directory whose tokens are accepted
EntraAudience        the app's own id or address, as tokens name it
EntraIssuer          who signs tokens; that of the directory by default
EntraKeysUrl         where the signing keys are published; those of the directory by default
TenantClaim          claim of a token that names the caller's tenant; callers then see their own runs alone
PageReadOnly         `true`: the page shows, and changes nothing
PricePerWorkerHour   money for an hour of one worker, for estimates; none are told without it
PriceCurrency        such as `EUR`
WebhookAllow         `host[:port]`, separated by commas: targets that may be private, or not https
WebhookAttempts      how often a notification is sent before it is put aside; 10 by default
WebhookRetrySeconds  first pause before it is sent again, 5 by default; each further one is three times as long, up to
                     an hour
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from dropscore.cloud.environment import Environment

LOGIN: Final = "https://login.microsoftonline.com"
_ID = r"[A-Za-z0-9][A-Za-z0-9.-]{0,127}"
_YES_NO = {"true": True, "false": False}
_TARGET = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntraSettings:
    """Which tokens are accepted, and which claim names the tenant of a caller (None: there are no tenants)."""

    audience: str
    issuer: str
    keys_url: str
    tenant_claim: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an hour of one worker costs, for estimates."""

    per_hour: float
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Settings of the HTTP side."""

    entra: EntraSettings | None = None
    """None: whoever has a key of the Functions host may call."""
    page_read_only: bool = False
    price_per_worker_hour: float | None = None
    currency: str | None = None
    webhook_allow: tuple[str, ...] = ()
    """Targets, as `host` or `host:port`, in lower case."""
    webhook_attempts: int = 10
    webhook_retry_s: float = 5.0

    @property
    def price(self) -> Price | None:
        """What an hour of one worker costs; None where nobody says."""
        if self.price_per_worker_hour is None or self.currency is None:
            return None
        return Price(per_hour=self.price_per_worker_hour, currency=self.currency)

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Read the settings; what is wrong is noted in `environment`."""
        price = environment.optional("PricePerWorkerHour")
        most = environment.number(
            "PricePerWorkerHour", 0.0, least=0, most=100_000, fix="Set it to the price of one worker for an hour."
        )
        currency = environment.optional("PriceCurrency")
        if price is not None and currency is None:
            environment.problem("PriceCurrency", "is not set. Set it to the currency of PricePerWorkerHour.")
        return cls(
            entra=_entra(environment),
            page_read_only=_flag(environment, "PageReadOnly"),
            price_per_worker_hour=None if price is None else most,
            currency=currency,
            webhook_allow=_targets(environment, "WebhookAllow"),
            webhook_attempts=environment.whole(
                "WebhookAttempts", 10, least=1, most=100, fix="Set it to a number from 1 to 100."
            ),
            webhook_retry_s=environment.number(
                "WebhookRetrySeconds", 5.0, least=0, most=3600, fix="Set it to a number of seconds from 0 to 3600."
            ),
        )


def asks_for_tokens(variables: Mapping[str, str]) -> bool:
    """Whether callers show tokens, so that the Functions host is not to ask for keys."""
    return variables.get("AuthMode", "").strip() == "entra"


def _entra(environment: Environment) -> EntraSettings | None:
    mode = environment.text("AuthMode", "keys", pattern="keys|entra", fix="Set it to 'keys' or 'entra'.")
    if mode != "entra":
        if environment.has("TenantClaim"):
            environment.problem("TenantClaim", "needs AuthMode to be 'entra': keys do not tell tenants apart.")
        return None
    directory = environment.text("EntraTenantId", pattern=_ID, fix="Set it to the id of the directory.")
    return EntraSettings(
        audience=environment.text("EntraAudience", fix="Set it to the app's id, such as api://<client id>."),
        issuer=environment.text("EntraIssuer", f"{LOGIN}/{directory}/v2.0", fix="Set it to the issuer of tokens."),
        keys_url=environment.endpoint(
            "EntraKeysUrl", f"{LOGIN}/{directory}/discovery/v2.0/keys", fix="Set it to the address of the keys."
        ),
        tenant_claim=environment.optional("TenantClaim"),
    )


def _flag(environment: Environment, name: str) -> bool:
    text = environment.text(name, "false", pattern="(?i)true|false", fix="Set it to 'true' or 'false'.")
    return _YES_NO.get(text.lower(), False)


def _targets(environment: Environment, name: str) -> tuple[str, ...]:
    given = [part.strip().lower() for part in (environment.optional(name) or "").split(",")]
    targets = tuple(part for part in given if part)
    for target in targets:
        if _TARGET.fullmatch(target) is None:
            environment.problem(name, f"has {target!r}. Write each target as 'host' or 'host:port'.")
    return targets
