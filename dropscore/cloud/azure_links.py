"""Links to blobs in Azure: shared access signatures of the service.

Where the account has a key (the emulator), the key signs. Where we are an identity, storage lends us a key for some
hours that signs in the identity's name (a user delegation key), so there is no account key anywhere. The identity
needs the role Storage Blob Delegator for that, and a link can do no more than the identity itself may.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from urllib.parse import quote

from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas

from dropscore.cloud.azure_blobs import blob_service
from dropscore.cloud.blob_names import check_name
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.links import file_disposition
from dropscore.cloud.outage import Turns
from dropscore.cloud.ports import Clock
from dropscore.cloud.translate import translated
from dropscore.contracts.errors import AccessDeniedError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account

SKEW = timedelta(minutes=5)
"""A link holds from so long ago on: clocks differ."""
KEY_LIFE = timedelta(hours=12)
"""For how long a key is borrowed; Azure lends it for up to seven days."""


class Lender(Protocol):
    """The part of Azure's `BlobServiceClient` that lends keys."""

    def get_user_delegation_key(self, key_start_time: datetime, key_expiry_time: datetime) -> UserDelegationKey:
        """A key that signs in the identity's name from one moment to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Borrowed:
    key: UserDelegationKey
    until: datetime


class DelegationKey:
    """The borrowed key of one account, kept as long as it outlives the links it signs. Safe to share."""

    def __init__(self, lender: Callable[[], Lender], clock: Clock) -> None:
        self._lender = lender
        self._clock = clock
        self._lock = threading.Lock()
        self._borrowed: _Borrowed | None = None

    def until(self, moment: datetime) -> UserDelegationKey:
        """A key that holds until `moment` at least. Raises `PermanentCloudError` without the right to borrow one."""
        with self._lock:
            if self._borrowed is None or self._borrowed.until < moment:
                self._borrowed = self._borrow(moment)
            return self._borrowed.key

    def _borrow(self, moment: datetime) -> _Borrowed:
        now = datetime.fromisoformat(self._clock.now())
        until = max(now + KEY_LIFE, moment)
        with translated("borrow a key to make links"):
            key = self._lender().get_user_delegation_key(now - SKEW, until)
        return _Borrowed(key=key, until=until)


class AzureLinks:
    """`BlobLinks` over Azure's signatures."""

    def __init__(
        self, storages: Mapping[Account, StorageSettings], keys: Mapping[Account, DelegationKey], clock: Clock
    ) -> None:
        self._storages = storages
        self._keys = keys
        """Of the accounts that have no key of their own."""
        self._clock = clock

    def to_read(self, path: BlobPath, *, until: str, media_type: str | None = None) -> str:
        headers: dict[str, Any] = {"content_disposition": file_disposition(path)}
        return self._link(path, until, BlobSasPermissions(read=True), **headers, content_type=media_type)

    def to_write(self, path: BlobPath, *, until: str) -> str:
        return self._link(path, until, BlobSasPermissions(create=True, write=True))

    def _link(self, path: BlobPath, until: str, permission: BlobSasPermissions, **headers: Any) -> str:
        check_name(path)
        account = path.container.account
        storage = self._storages.get(account)
        if storage is None:
            raise AccessDeniedError(f"there are no settings for the {account} account, which has {path}")
        expiry = datetime.fromisoformat(until).astimezone(UTC).replace(microsecond=0)
        signer: dict[str, Any] = {"account_key": storage.key}
        if storage.key is None:
            signer = {"user_delegation_key": self._keys[account].until(expiry)}
        signature = generate_blob_sas(
            storage.account,
            path.container,
            path.name,
            permission=permission,
            start=datetime.fromisoformat(self._clock.now()) - SKEW,
            expiry=expiry,
            protocol=_protocol(storage),
            **signer,
            **headers,
        )
        return f"{storage.blob_url}/{path.container}/{quote(path.name, safe='~/')}?{signature}"


def _protocol(storage: StorageSettings) -> str:
    """Over which protocols a link holds: http only where an account with a key is itself reached so."""
    return "https,http" if storage.key is not None and storage.blob_url.startswith("http://") else "https"


def connect_links(
    storages: Mapping[Account, StorageSettings], clock: Clock, *, turns: Turns | None = None
) -> AzureLinks:
    """Links to the accounts given. Nothing is asked before the first link to an account without a key of its own."""
    turns = turns or Turns()

    def lender(storage: StorageSettings) -> Callable[[], Lender]:
        return lambda: blob_service(storage, turns=turns)

    keys = {
        account: DelegationKey(lender(storage), clock) for account, storage in storages.items() if storage.key is None
    }
    return AzureLinks(storages, keys, clock)
