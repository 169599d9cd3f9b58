"""Links to upload: which names are let through, and where the files come to lie."""

import secrets
from collections.abc import Iterator
from datetime import datetime

from dropscore.api.starting import encoding_problem
from dropscore.cloud.links import BLOCK_BLOB
from dropscore.cloud.ports import Cloud
from dropscore.contracts import layout
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.http.files import UploadLink, UploadLinks, UploadRequest
from dropscore.contracts.input_names import name_problem
from dropscore.contracts.reading import Refusal, read_as

_SHOWN = 20
"""Most wrong names that are told."""


def read_upload(body: bytes) -> UploadRequest | Refusal:
    """Read which files are to be uploaded; a refusal names the field of every name that cannot be."""
    undecodable = encoding_problem(body)
    if undecodable is not None:
        return (undecodable,)
    asked = read_as(UploadRequest, body.decode())
    if not isinstance(asked, UploadRequest):
        return asked
    return tuple(_problems(asked))[:_SHOWN] or asked


def upload_links(cloud: Cloud, asked: UploadRequest, until: str, *, tenant: str | None = None) -> UploadLinks:
    """A link for each file under a prefix that nobody else has, below the tenant's folder if there is one."""
    prefix = _new_prefix(cloud.clock.now(), tenant)
    links = tuple(
        UploadLink(
            name=file.name,
            input=prefix + file.name,
            url=cloud.links.to_write(layout.input_file(prefix + file.name), until=until),
            headers=dict(BLOCK_BLOB),
        )
        for file in asked.files
    )
    return UploadLinks(prefix=prefix, files=links, expires_at=until)


def _new_prefix(now: str, tenant: str | None) -> str:
    folder = f"{datetime.fromisoformat(now):%Y%m%d-%H%M%S}-{secrets.token_hex(8)}/"
    return folder if tenant is None else f"{tenant}/{folder}"


def _problems(asked: UploadRequest) -> Iterator[Failure]:
    first: dict[str, int] = {}
    for place, file in enumerate(asked.files):
        field = f"files[{place}].name"
        before = first.setdefault(file.name, place)
        problem = name_problem(file.name, field)
        if problem is not None:
            yield problem
        elif file.name.endswith("/"):
            yield _refused(file.name, field, "is that of a folder; name each file in it")
        elif before != place:
            yield _refused(file.name, field, f"is the same as files[{before}].name")


def _refused(name: str, field: str, reason: str) -> Failure:
    return failure(Code.INPUT_NAME, f"The name {name!r} {reason}.", field=field, input=name)
