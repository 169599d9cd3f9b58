"""Blob storage in Azure, and in its emulator: the same client, another address."""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobProperties,
    BlobServiceClient,
    ContainerClient,
    ContentSettings,
)

from dropscore.cloud.ask_again import AskAgain
from dropscore.cloud.azure_listing import listed_blobs
from dropscore.cloud.azure_reading import SIDE_BY_SIDE, read_whole
from dropscore.cloud.blob_names import check_name
from dropscore.cloud.clock import utc_text
from dropscore.cloud.connection import StorageSettings
from dropscore.cloud.credentials import storage_credential
from dropscore.cloud.doubts import Doubts
from dropscore.cloud.operations import Operations
from dropscore.cloud.outage import Turns
from dropscore.cloud.patience import BRIEF, Patience
from dropscore.cloud.ports import Blob, BlobInfo, ReadableFile
from dropscore.cloud.translate import error_code, translated
from dropscore.cloud.transport import CountingTransport
from dropscore.contracts.errors import (
    AccessDeniedError,
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    TransientCloudError,
)
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import Account, ContainerName

MIB = 1024 * 1024
SINGLE_PUT_BYTES = 32 * MIB
"""Up to this size a blob is one request; above, blocks are sent side by side."""
BLOCK_BYTES = 8 * MIB
SINGLE_GET_BYTES = 32 * MIB
COPY_DEADLINE_S = 60.0


class AzureBlobs:
    """A `BlobStore` over Azure's client. Safe to share between threads."""

    def __init__(self, services: Mapping[Account, BlobServiceClient]) -> None:
        self._containers = {
            name: services[name.account].get_container_client(name)
            for name in ContainerName
            if name.account in services
        }
        self._markers_are_names: set[Account] = set()
        self._doubts = Doubts()

    def put(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
        if_match: str | None = None,
    ) -> str:
        with self._doubts.attempts(path, data) as attempts:
            try:
                with translated(f"write {path}"):
                    return self._upload(
                        path, data, content_type, metadata, retry_hook=attempts.note, **_only_if(if_match)
                    )
            except PreconditionError:
                if attempts.repeated and (mine := self._read_back(path, data)) is not None:
                    return mine
                raise

    def create(
        self,
        path: BlobPath,
        data: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        with self._doubts.attempts(path, data) as attempts:
            try:
                with translated(f"create {path}"):
                    self._upload(path, data, content_type, metadata, overwrite=False, retry_hook=attempts.note)
            except PreconditionError:
                # A repeated request may have met what the first one wrote before its answer was lost.
                return attempts.repeated and self._read_back(path, data) is not None
            return True

    def get(self, path: BlobPath, *, if_match: str | None = None) -> Blob:
        with translated(f"read {path}"):
            data, etag = read_whole(self._blob(path), **_only_if(if_match))
        return Blob(data=data, etag=_bare(etag))

    def get_range(self, path: BlobPath, offset: int, length: int, *, if_match: str | None = None) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError(f"a range has no negative offset or length, got {offset} and {length}")
        try:
            with translated(f"read {path}"):
                data, _ = read_whole(self._blob(path), offset, max(1, length), **_only_if(if_match))
        except PermanentCloudError as error:
            if getattr(error.__cause__, "status_code", None) == 416:  # begins behind the blob's end
                return b""
            raise
        return data[:length]

    def head(self, path: BlobPath) -> BlobInfo | None:
        try:
            with translated(f"look at {path}"):
                return _info(path, self._blob(path).get_blob_properties())
        except NotFoundError:
            return None

    def list(
        self, prefix: BlobPath, *, start_from: str | None = None, with_metadata: bool = False
    ) -> Iterator[BlobInfo]:
        account, first = prefix.container.account, start_from or ""
        by_marker = first != "" and account in self._markers_are_names
        marker = _just_before(first) if by_marker else None
        with translated(f"list {prefix}"):
            for info in listed_blobs(
                self._container(prefix),
                prefix,
                start_from=None if by_marker else first or None,
                marker=marker,
                with_metadata=with_metadata,
            ):
                if info.path.name >= first:
                    yield info
                elif not by_marker:
                    # The emulator lists from the beginning whatever it is asked; its page markers are plain names.
                    self._markers_are_names.add(account)
                    yield from self.list(prefix, start_from=first, with_metadata=with_metadata)
                    return

    def upload(self, path: BlobPath, source: ReadableFile, *, content_type: str = "application/octet-stream") -> str:
        with translated(f"write {path}"):
            return self._upload(path, source, content_type, None)

    def copy(self, source: BlobPath, target: BlobPath) -> None:
        if source.container.account is not target.container.account:
            raise PermanentCloudError(f"{source} and {target} are in different storage accounts")
        with translated(f"copy {source} to {target}"):
            client = self._blob(target)
            state = _begin_copy(client, self._blob(source).url)
            deadline = time.monotonic() + COPY_DEADLINE_S
            while state == "pending" and time.monotonic() < deadline:
                time.sleep(0.2)
                state = client.get_blob_properties().copy.status
        if state != "success":
            raise TransientCloudError(f"could not copy {source} to {target}: the copy is {state}")

    def delete(self, path: BlobPath) -> bool:
        with self._doubts.attempts(path, b"deleted") as attempts:
            try:
                with translated(f"delete {path}"):
                    self._blob(path).delete_blob(delete_snapshots="include", retry_hook=attempts.note)
            except NotFoundError:
                return attempts.repeated  # then it was most likely ours that took effect
            return True

    def _upload(
        self,
        path: BlobPath,
        data: Any,
        content_type: str,
        metadata: Mapping[str, str] | None,
        *,
        overwrite: bool = True,
        **options: Any,
    ) -> str:
        answer = self._blob(path).upload_blob(
            data,
            overwrite=overwrite,
            metadata=None if metadata is None else dict(metadata),
            content_settings=ContentSettings(content_type=content_type),
            max_concurrency=SIDE_BY_SIDE,
            **options,
        )
        return _bare(answer["etag"])

    def _read_back(self, path: BlobPath, data: bytes) -> str | None:
        """The ETag of a blob if it holds exactly `data`, which is then our own write."""
        try:
            stored = self.get(path)
        except NotFoundError:
            return None
        return stored.etag if stored.data == data else None

    def _blob(self, path: BlobPath) -> BlobClient:
        check_name(path)
        return self._container(path).get_blob_client(path.name)

    def _container(self, path: BlobPath) -> ContainerClient:
        container = self._containers.get(path.container)
        if container is None:
            raise AccessDeniedError(f"there are no settings for the {path.container.account} account, which has {path}")
        return container


def connect_blobs(
    storages: Mapping[Account, StorageSettings],
    operations: Operations | None = None,
    *,
    patience: Patience = BRIEF,
    turns: Turns | None = None,
) -> AzureBlobs:
    """Blobs of the accounts given; containers of an account that is not given are refused.

    `turns` are those of the process, for the time of an outage.
    """
    turns = turns or Turns()
    services = {
        account: blob_service(storage, operations, patience=patience, turns=turns)
        for account, storage in storages.items()
    }
    return AzureBlobs(services)


def blob_service(
    storage: StorageSettings,
    operations: Operations | None = None,
    *,
    patience: Patience = BRIEF,
    turns: Turns | None = None,
) -> BlobServiceClient:
    """Azure's client of one account."""
    return BlobServiceClient(
        storage.blob_url,
        credential=storage_credential(storage),
        transport=CountingTransport(storage.blob_url, operations, turns),
        retry_policy=AskAgain(patience),
        max_single_put_size=SINGLE_PUT_BYTES,
        max_block_size=BLOCK_BYTES,
        max_single_get_size=SINGLE_GET_BYTES,
        max_chunk_get_size=BLOCK_BYTES,
    )


def _begin_copy(client: BlobClient, source_url: str) -> Any:
    """Start a copy and return its state. One under way to this target, such as by our own request whose answer was
    lost, is waited for like ours.
    """
    try:
        return client.start_copy_from_url(source_url)["copy_status"]
    except HttpResponseError as error:
        if error_code(error) != "PendingCopyOperation":
            raise
        return "pending"


def _only_if(etag: str | None) -> dict[str, Any]:
    return {} if etag is None else {"etag": f'"{etag}"', "match_condition": MatchConditions.IfNotModified}


def _bare(etag: str | None) -> str:
    return (etag or "").strip('"')


def _info(path: BlobPath, properties: BlobProperties) -> BlobInfo:
    return BlobInfo(
        path=path,
        etag=_bare(properties.etag),
        size_bytes=properties.size,
        modified_at=utc_text(properties.last_modified.astimezone(UTC)),
        metadata=dict(properties.metadata or {}),
    )


def _just_before(name: str) -> str:
    """A text that sorts before `name`, close to it: listing behind it leaves out all but a few earlier names."""
    head, last = name[:-1], ord(name[-1])
    return head + chr(last - 1) if last > 0 else head
