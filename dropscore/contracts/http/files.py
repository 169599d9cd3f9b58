"""Bytes in and out, without a key to storage: links for a few minutes."""

from typing import Annotated

from pydantic import Field, StringConstraints

from dropscore.contracts.base import Contract, Count, RunId, Sha256

FileName = Annotated[str, StringConstraints(min_length=1, max_length=400)]


class OutputDocument(Contract):
    """One output of a run. `url` reads it without a key until `expires_at`."""

    name: str
    media_type: str
    size_bytes: Count
    sha256: Sha256 | None = None
    url: str


class OutputList(Contract):
    """The outputs of a run, and the documents that tell of them."""

    run_id: RunId
    outputs: tuple[OutputDocument, ...]
    documents: tuple[OutputDocument, ...]
    """`report.html`, `report.json`, `receipt.json` and `manifest.json`, as far as they exist."""
    expires_at: str
    """UTC, ISO 8601; ask again for new links."""
    next: str | None = None
    """Pass it as `after` for more outputs; null when these are the last."""


class InputDocument(Contract):
    """One input of a run as it was at admission: `url` reads what is there now, which has another `etag` if it was
    changed since.
    """

    name: str
    media_type: str
    size_bytes: Count
    etag: str
    url: str


class InputList(Contract):
    """The inputs of a run, once they are known, in the order in which their outputs are wanted."""

    run_id: RunId
    inputs: tuple[InputDocument, ...]
    expires_at: str
    next: str | None = None
    """Pass it as `after` for more; null when these are the last."""


class UploadFile(Contract):
    """A file that is to be uploaded."""

    name: FileName
    """Its name with folders, such as `scans/a.png`."""


class UploadRequest(Contract):
    """The files that are to be uploaded under one prefix."""

    files: Annotated[tuple[UploadFile, ...], Field(min_length=1, max_length=1000)]


class UploadLink(Contract):
    """Where to put one file: `method` `url`, with `headers`, its bytes as the body, until `expires_at`."""

    name: str
    input: str
    """The name to write among a run's `inputs`."""
    url: str
    method: str = "PUT"
    headers: dict[str, str]


class UploadLinks(Contract):
    """Links for files under one new prefix."""

    prefix: str
    """As an input it means all of the files."""
    files: tuple[UploadLink, ...]
    expires_at: str
