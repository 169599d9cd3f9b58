"""What `/runs/{run_id}/outputs`, `/runs/{run_id}/inputs` and `/uploads` answer: links to bytes, never the bytes."""

import mimetypes
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.callers import caller_of
from dropscore.api.operations import RUN_ID, Access, Answer, serves
from dropscore.api.pages import Part, part_parameters, read_part
from dropscore.api.problems import problem
from dropscore.api.runs import read_body, stored_state
from dropscore.api.services import Services
from dropscore.api.uploads import read_upload, upload_links
from dropscore.cloud.clock import utc_text
from dropscore.cloud.input_files import InputRefs
from dropscore.cloud.ports import BlobInfo, Cloud
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode
from dropscore.contracts.errors import NotFoundError
from dropscore.contracts.http.files import (
    InputDocument,
    InputList,
    OutputDocument,
    OutputList,
    UploadLinks,
    UploadRequest,
)
from dropscore.contracts.receipt import OutputFile, OutputManifest
from dropscore.contracts.request import InputRef

READ_FOR = timedelta(minutes=15)
WRITE_FOR = timedelta(hours=2)
"""A link to write lives longer: the largest file takes that long on a slow line."""
ANY_TYPE = "application/octet-stream"


class FilesApi:
    """Links to the inputs and outputs of runs, and links to upload."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ListOutputs",
        method="GET",
        path="/runs/{run_id}/outputs",
        summary="List outputs",
        description="The outputs that a run has published and the documents that tell of it, with links that read "
        "them for some minutes and need no key.",
        tag="files",
        access=Access.VIEWER,
        parameters=(RUN_ID, *part_parameters("outputs")),
        answers={200: Answer(description="The outputs; none before they are published.", contract=OutputList)},
        statuses=(404, 410, 502),
    )
    async def outputs(self, request: Request) -> Response:
        """GET /runs/{run_id}/outputs: what the manifest publishes, and report, receipt and manifest themselves."""
        cloud, run_id, part = self._services().cloud, request.path_params["run_id"], read_part(request)
        await run_in_threadpool(stored_state, cloud.blobs, run_id)
        return JSONResponse(encode(await run_in_threadpool(output_list, cloud, run_id, part)))

    @serves(
        id="ListInputs",
        method="GET",
        path="/runs/{run_id}/inputs",
        summary="List inputs",
        description="The inputs of a run as they were when it began, with links that read what is there now.",
        tag="files",
        access=Access.VIEWER,
        parameters=(RUN_ID, *part_parameters("inputs")),
        answers={200: Answer(description="The inputs; none before they are known.", contract=InputList)},
        statuses=(404, 410, 502),
    )
    async def inputs(self, request: Request) -> Response:
        """GET /runs/{run_id}/inputs: the inputs in order, with the versions they had."""
        cloud, run_id, part = self._services().cloud, request.path_params["run_id"], read_part(request)
        await run_in_threadpool(stored_state, cloud.blobs, run_id)
        return JSONResponse(encode(await run_in_threadpool(input_list, cloud, run_id, part)))

    @serves(
        id="CreateUploads",
        method="POST",
        path="/uploads",
        summary="Create upload links",
        description="Links to upload inputs, each with `PUT`, the headers given and the file's bytes as the body, "
        "before a run is started that names them.",
        tag="files",
        access=Access.SUBMITTER,
        body=UploadRequest,
        answers={200: Answer(description="A link for each file.", contract=UploadLinks)},
        statuses=(422, 502),
    )
    async def uploads(self, request: Request) -> Response:
        """POST /uploads: a link for each file, all under one new prefix; a tenant's lies below its own folder."""
        asked = read_upload(await read_body(request))
        if not isinstance(asked, UploadRequest):
            return problem(*asked)
        cloud, tenant = self._services().cloud, caller_of(request).tenant
        until = moment_after(cloud, WRITE_FOR)
        return JSONResponse(encode(await run_in_threadpool(upload_links, cloud, asked, until, tenant=tenant)))


def output_list(cloud: Cloud, run_id: str, part: Part) -> OutputList:
    """A part of a run's outputs with links, and its documents."""
    until = moment_after(cloud, READ_FOR)
    published = _published(cloud, run_id)
    return OutputList(
        run_id=run_id,
        outputs=tuple(_output(cloud, run_id, output, until) for output in part.of(published)),
        documents=tuple(_document(cloud, info, until) for info in _documents(cloud, run_id)),
        expires_at=until,
        next=part.next(len(published)),
    )


def input_list(cloud: Cloud, run_id: str, part: Part) -> InputList:
    """A part of a run's inputs with links."""
    until = moment_after(cloud, READ_FOR)
    try:
        refs: Sequence[InputRef] = InputRefs(cloud.blobs.get(layout.inputs(run_id)).data)
    except NotFoundError:
        refs = ()
    return InputList(
        run_id=run_id,
        inputs=tuple(_input(cloud, ref, until) for ref in part.of(refs)),
        expires_at=until,
        next=part.next(len(refs)),
    )


def moment_after(cloud: Cloud, time: timedelta) -> str:
    """The moment that is so long from now, in whole seconds as links have them; UTC, ISO 8601."""
    return utc_text((datetime.fromisoformat(cloud.clock.now()) + time).replace(microsecond=0))


def _published(cloud: Cloud, run_id: str) -> tuple[OutputFile, ...]:
    try:
        return decode(OutputManifest, cloud.blobs.get(layout.output_manifest(run_id)).data).outputs
    except NotFoundError:
        return ()


def _documents(cloud: Cloud, run_id: str) -> list[BlobInfo]:
    paths = (
        layout.report_html(run_id),
        layout.report_json(run_id),
        layout.receipt(run_id),
        layout.output_manifest(run_id),
    )
    return [info for info in map(cloud.blobs.head, paths) if info is not None]


def _output(cloud: Cloud, run_id: str, output: OutputFile, until: str) -> OutputDocument:
    path = layout.output(run_id, output.name)
    return OutputDocument(
        name=output.name,
        media_type=output.media_type,
        size_bytes=output.size_bytes,
        sha256=output.sha256,
        url=cloud.links.to_read(path, until=until, media_type=output.media_type),
    )


def _document(cloud: Cloud, info: BlobInfo, until: str) -> OutputDocument:
    name = info.path.name.rsplit("/", 1)[-1]
    media_type = _type_of(name)
    return OutputDocument(
        name=name,
        media_type=media_type,
        size_bytes=info.size_bytes,
        url=cloud.links.to_read(info.path, until=until, media_type=media_type),
    )


def _input(cloud: Cloud, ref: InputRef, until: str) -> InputDocument:
    media_type = _type_of(ref.name)
    return InputDocument(
        name=ref.name,
        media_type=media_type,
        size_bytes=ref.size_bytes,
        etag=ref.etag,
        url=cloud.links.to_read(layout.input_file(ref.name), until=until, media_type=media_type),
    )


def _type_of(name: str) -> str:
    return mimetypes.guess_type(name)[0] or ANY_TYPE
