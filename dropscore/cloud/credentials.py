"""Credentials: an Entra identity in the cloud, an account key for the emulators. Imports nothing of Azure's early."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azure.core.credentials import AzureNamedKeyCredential, TokenCredential

    from dropscore.cloud.connection import IdentitySettings, StorageSettings
    from dropscore.cloud.settings import BatchSettings


def token_credential(identity: IdentitySettings) -> TokenCredential:
    """Tokens of a managed identity, or of whoever is logged in on this machine."""
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

    if identity.managed:
        return ManagedIdentityCredential(client_id=identity.client_id)
    return DefaultAzureCredential()


def storage_credential(storage: StorageSettings) -> AzureNamedKeyCredential | TokenCredential:
    """The account's key if there is one, else tokens."""
    if storage.key is None:
        return token_credential(storage.identity)
    return _named_key(storage.account, storage.key)


def batch_credential(batch: BatchSettings, identity: IdentitySettings) -> AzureNamedKeyCredential | TokenCredential:
    """The account's key if there is one (which also works over plain http to an emulator), else tokens."""
    if batch.key is None:
        return token_credential(identity)
    return _named_key(batch.account, batch.key)


def _named_key(name: str, key: str) -> AzureNamedKeyCredential:
    from azure.core.credentials import AzureNamedKeyCredential

    return AzureNamedKeyCredential(name, key)
