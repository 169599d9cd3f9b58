"""Files of tasks and nodes: listed, read in ranges, removed."""

import mimetypes
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.answers import Answers, flag
from localcloud.batch.http.conditions import check_conditions
from localcloud.batch.http.listing import Listed, list_page
from localcloud.batch.http.lookups import find_node, find_task
from localcloud.batch.http.refusals import refuse
from localcloud.batch.views.common import Addresses
from localcloud.emulation.clock import http_date, instant
from localcloud.emulation.routing import Call, Operation

CHUNK_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder whose files are served, and the URL of the task or node that they belong to."""

    folder: Path
    url: str


class FileHandlers:
    """Handlers of files."""

    def __init__(self, engine: Engine, answers: Answers, addresses: Addresses) -> None:
        self._engine = engine
        self._answers = answers
        self._addresses = addresses

    def operations(self) -> tuple[Operation, ...]:
        """The rows of the table: the same four for tasks and nodes."""
        owners = (
            ("/jobs/{jobId}/tasks/{taskId}/files", self._of_task),
            ("/pools/{poolId}/nodes/{nodeId}/files", self._of_node),
        )
        rows: list[Operation] = []
        for path, find in owners:
            handlers = _Shelved(find, self._answers)
            file = f"{path}/{{filePath}}"
            rows += [
                Operation(method="GET", template=path, handler=handlers.list),
                Operation(method="GET", template=file, handler=handlers.read),
                Operation(method="HEAD", template=file, handler=handlers.head),
                Operation(method="DELETE", template=file, handler=handlers.delete),
            ]
        return tuple(rows)

    def _of_task(self, call: Call) -> Shelf:
        task = find_task(self._engine, _unconditional(call))
        if task.placement is None:
            raise refuse("TaskFilesUnavailable", "The task has not run on a node yet.")
        place = task.placement
        if self._engine.account.node(place.pool_id, place.node_id) is None:
            raise refuse("TaskFilesUnavailable", "The node that the task ran on is gone, and its files with it.")
        folder = self._engine.context.folders.task(place.pool_id, place.node_id, task.job_id, task.id)
        if task.files_expire_at and task.files_expire_at <= self._engine.context.clock.now():
            self._engine.context.folders.drop_task(folder)
        if not folder.is_dir():
            raise refuse("TaskFilesCleanedup", "The task's files have been removed.")
        return Shelf(folder=folder, url=self._addresses.task(task.job_id, task.id))

    def _of_node(self, call: Call) -> Shelf:
        node = find_node(self._engine, call)
        folder = self._engine.context.folders.node(node.pool_id, node.id)
        return Shelf(folder=folder, url=self._addresses.node(node.pool_id, node.id))


def _unconditional(call: Call) -> Call:
    """Conditions of a file request are about the file."""
    return replace(call, headers={name: value for name, value in call.headers.items() if not name.startswith("if-")})


class _Shelved:
    """The four operations on the files of one kind of owner."""

    def __init__(self, find: Callable[[Call], Shelf], answers: Answers) -> None:
        self._find = find
        self._answers = answers

    async def list(self, call: Call) -> Response:
        shelf = self._find(call)
        found = shelf.folder.rglob("*") if flag(call, "recursive") else shelf.folder.iterdir()
        return list_page(
            call,
            self._answers,
            Listed(
                kind="files",
                items=[path for path in found if path.is_dir() or path.is_file()],
                key=lambda path: path.relative_to(shelf.folder).as_posix(),
                cheap=lambda path: _file_view(shelf, path),
                properties=frozenset({"name"}),
            ),
        )

    async def read(self, call: Call) -> Response:
        shelf = self._find(call)
        path = _resolve(shelf, call)
        if path.is_dir():
            raise refuse("OperationInvalidForCurrentState", "The specified path is a directory.")
        check_conditions(call, _modified_at(path))
        start, length = _span(call, path.stat().st_size)
        headers = _headers(shelf, path) | {"Content-Length": str(length)}
        return StreamingResponse(_chunks(path, start, length), headers=headers, media_type=_type_of(path))

    async def head(self, call: Call) -> Response:
        shelf = self._find(call)
        path = _resolve(shelf, call)
        check_conditions(call, _modified_at(path))
        length = 0 if path.is_dir() else path.stat().st_size
        headers = _headers(shelf, path) | {"Content-Length": str(length), "Content-Type": _type_of(path)}
        return Response(headers=headers)

    async def delete(self, call: Call) -> Response:
        path = _resolve(self._find(call), call)
        if not path.is_dir():
            path.unlink(missing_ok=True)
        elif flag(call, "recursive"):
            shutil.rmtree(path, ignore_errors=True)
        elif any(path.iterdir()):
            raise refuse("OperationInvalidForCurrentState", "The directory is not empty; recursive=true removes it.")
        else:
            path.rmdir()
        return self._answers.empty(call, 200)


def _resolve(shelf: Shelf, call: Call) -> Path:
    """The file of the request, which is inside the shelf whatever its name says. Raises ServiceError."""
    name = call.parameters["filePath"].replace("\\", "/")
    root = shelf.folder.resolve()
    path = (root / name.lstrip("/")).resolve() if "\0" not in name else root
    if path == root or not path.is_relative_to(root) or not path.exists():
        raise refuse("FileNotFound", "The specified file does not exist.")
    return path


def _span(call: Call, size: int) -> tuple[int, int]:
    """Start and length of what is asked for. Raises ServiceError."""
    text = call.headers.get("ocp-range") or call.headers.get("range")
    if text is None:
        return 0, size
    match = _RANGE.fullmatch(text.strip())
    start = int(match[1]) if match else 0
    end = int(match[2]) if match and match[2] else size - 1
    if match is None or start > end or start >= size:
        raise refuse("InvalidRange", f"The range {text!r} is not inside the file's {size} bytes.")
    return start, min(end, size - 1) - start + 1


def _chunks(path: Path, start: int, length: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(length, CHUNK_BYTES))):
            length -= len(chunk)
            yield chunk


def _modified_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _type_of(path: Path) -> str:
    return mimetypes.guess_type(path.name)[0] or "application/octet-stream"


def _headers(shelf: Shelf, path: Path) -> dict[str, str]:
    status, name = path.stat(), path.relative_to(shelf.folder.resolve()).as_posix()
    modified = _modified_at(path)
    return {
        "ETag": f'"0x{status.st_mtime_ns:X}"',
        "Last-Modified": http_date(modified),
        "ocp-creation-time": http_date(datetime.fromtimestamp(status.st_ctime, UTC)),
        "ocp-batch-file-isdirectory": str(path.is_dir()).lower(),
        "ocp-batch-file-url": Addresses(base="").file(shelf.url, name),
        "ocp-batch-file-mode": f"0{stat.S_IMODE(status.st_mode) | stat.S_IFMT(status.st_mode):o}",
    }


def _file_view(shelf: Shelf, path: Path) -> dict[str, Any]:
    name = path.relative_to(shelf.folder).as_posix()
    view: dict[str, Any] = {"name": name, "url": Addresses(base="").file(shelf.url, name), "isDirectory": path.is_dir()}
    if path.is_dir():
        return view
    status = path.stat()
    properties = {
        "creationTime": instant(datetime.fromtimestamp(status.st_ctime, UTC)),
        "lastModified": instant(_modified_at(path)),
        "contentLength": status.st_size,
        "contentType": _type_of(path),
        "fileMode": f"0{status.st_mode:o}",
    }
    return view | {"properties": properties}
