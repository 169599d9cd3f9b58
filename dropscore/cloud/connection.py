"""How to reach one storage account: with an identity in the cloud, with a connection string on one machine.

The names are those of the Functions host's bindings, so one set of settings serves both:

    DataStorage                    connection string with account key (emulator), or instead
    DataStorage__blobServiceUri    https://<account>.blob.core.windows.net
    DataStorage__queueServiceUri   https://<account>.queue.core.windows.net
    DataStorage__accountName       instead of both addresses, in the public cloud
    DataStorage__credential        `managedidentity`, or unset: the developer's own login
    DataStorage__clientId          client id of a user-assigned identity
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from dropscore.cloud.endpoints import endpoint_problem
from dropscore.cloud.environment import Environment

_CONNECTION_STRING_FIX = (
    "It reads 'DefaultEndpointsProtocol=https;AccountName=...;AccountKey=...;EndpointSuffix=core.windows.net', "
    "with BlobEndpoint=... and QueueEndpoint=... for an emulator."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Which Entra identity to be: a managed one (user-assigned if it has a client id), or the developer's login."""

    managed: bool
    client_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """One storage account. Has either an account key or an identity."""

    account: str
    blob_url: str
    queue_url: str
    key: str | None = field(default=None, repr=False)
    identity: IdentitySettings = IdentitySettings(managed=False)
    connection_string: str | None = field(default=None, repr=False)
    """As it came, to hand on to another process; set exactly when there is a key."""

    def variables(self, prefix: str) -> tuple[dict[str, str], dict[str, str]]:
        """The settings as environment variables: those that are no secret, and those that are."""
        if self.connection_string is not None:
            return {}, {prefix: self.connection_string}
        plain = {f"{prefix}__blobServiceUri": self.blob_url, f"{prefix}__queueServiceUri": self.queue_url}
        if self.identity.managed:
            plain[f"{prefix}__credential"] = "managedidentity"
        if self.identity.client_id is not None:
            plain[f"{prefix}__clientId"] = self.identity.client_id
        return plain, {}


_NOWHERE = StorageSettings(account="", blob_url="", queue_url="")


def has_storage(environment: Environment, prefix: str) -> bool:
    """Whether any of the settings that lead to a storage account are there."""
    return any(environment.has(prefix + suffix) for suffix in ("", "__blobServiceUri", "__accountName"))


def read_storage(environment: Environment, prefix: str) -> StorageSettings:
    """Read one storage account; what is wrong is noted in `environment`."""
    text = environment.optional(prefix)
    if text is not None:
        return _from_connection_string(environment, prefix, text)
    if has_storage(environment, prefix):
        return _from_identity(environment, prefix)
    environment.problem(
        prefix,
        f"is not set. Set {prefix} to a connection string, or {prefix}__blobServiceUri and {prefix}__queueServiceUri "
        "to the addresses of a storage account.",
    )
    return _NOWHERE


def _from_connection_string(environment: Environment, prefix: str, text: str) -> StorageSettings:
    pairs = [pair.partition("=") for pair in text.split(";") if pair.strip()]
    members = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if members.get("usedevelopmentstorage", "").lower() == "true":
        environment.problem(prefix, "is 'UseDevelopmentStorage=true'. Name the account: data and system are two.")
        return _NOWHERE
    account, key = members.get("accountname"), members.get("accountkey")
    if not account or not key:
        missing = "AccountName" if not account else "AccountKey"
        environment.problem(prefix, f"has no {missing}. {_CONNECTION_STRING_FIX}")
        return _NOWHERE
    if not _is_base64(key):
        environment.problem(prefix, f"has an AccountKey that is not base64 text. {_CONNECTION_STRING_FIX}")
    return StorageSettings(
        account=account,
        blob_url=_member_url(environment, prefix, members, account, "blob"),
        queue_url=_member_url(environment, prefix, members, account, "queue"),
        key=key,
        connection_string=text,
    )


def _member_url(environment: Environment, prefix: str, members: Mapping[str, str], account: str, service: str) -> str:
    scheme = members.get("defaultendpointsprotocol", "https")
    suffix = members.get("endpointsuffix", "core.windows.net")
    url = members.get(f"{service}endpoint", f"{scheme}://{account}.{service}.{suffix}").rstrip("/")
    trouble = endpoint_problem(url)
    if trouble:
        environment.problem(prefix, f"has the {service} address {url!r}, which {trouble}.")
    return url


def _from_identity(environment: Environment, prefix: str) -> StorageSettings:
    account = environment.optional(f"{prefix}__accountName")
    urls = [
        environment.endpoint(
            f"{prefix}__{service}ServiceUri",
            f"https://{account}.{service}.core.windows.net" if account else None,
            fix=f"Set it to https://<account>.{service}.core.windows.net.",
        )
        for service in ("blob", "queue")
    ]
    for service, url in zip(("blob", "queue"), urls, strict=True):
        if url.startswith("http://"):
            environment.problem(
                f"{prefix}__{service}ServiceUri",
                f"is {url!r}. An identity's token needs https; for an emulator set {prefix} to its connection string.",
            )
    return StorageSettings(
        account=account or (urlsplit(urls[0]).hostname or "").partition(".")[0],
        blob_url=urls[0],
        queue_url=urls[1],
        identity=_identity(environment, prefix),
    )


def _identity(environment: Environment, prefix: str) -> IdentitySettings:
    kind = environment.optional(f"{prefix}__credential")
    if kind not in (None, "managedidentity"):
        environment.problem(f"{prefix}__credential", f"is {kind!r}. Set it to 'managedidentity', or leave it away.")
    return IdentitySettings(managed=kind == "managedidentity", client_id=environment.optional(f"{prefix}__clientId"))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True
