"""Resource files before a task and output files after it, against a small storage server on loopback."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

SIGNATURE = "sig=good%2B1"


class Storage(ThreadingHTTPServer):
    """Blobs by `/container/name`, for who brings the signature; lists two names on a page."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.blobs: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Storage

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self) -> bool:
        if parse_qs(urlsplit(self.path).query).get("sig") == ["good+1"]:
            return True
        self.answer(403)
        return False

    def do_GET(self) -> None:
        if not self.allowed():
            return
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if "comp" in query:
            start = int(query.get("marker", ["0"])[0] or 0)
            prefix = f"{parts.path}/{query.get('prefix', [''])[0]}"
            names = sorted(name for name in self.server.blobs if name.startswith(prefix))
            listed = "".join(f"<Blob><Name>{name.split('/', 2)[2]}</Name></Blob>" for name in names[start : start + 2])
            marker = f"<NextMarker>{start + 2}</NextMarker>" if len(names) > start + 2 else "<NextMarker />"
            self.answer(200, f"<EnumerationResults><Blobs>{listed}</Blobs>{marker}</EnumerationResults>".encode())
        elif (name := unquote(parts.path)) in self.server.blobs:
            self.answer(200, self.server.blobs[name])
        else:
            self.answer(404)

    def do_PUT(self) -> None:
        if self.allowed():
            assert self.headers["x-ms-blob-type"] == "BlockBlob"
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.blobs[unquote(urlsplit(self.path).path)] = data
            self.answer(201)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def run_task(batch, command, **more):
    await batch.make_pool()
    await batch.make_job(onTaskFailure="performexitoptionsjobaction", usesTaskDependencies=True)
    await batch.add("t", command, exitConditions={"default": {"jobAction": "none"}}, **more)
    return await batch.task_in("completed", "t")


def test_files_are_fetched_by_url_and_by_container_before_the_command_runs(run_batch, storage):
    storage.blobs = {"/in/a/one": b"1", "/in/a/two": b"2", "/in/a/three#": b"3", "/in/b": b"no", "/in/single": b"4"}
    files = [
        {"httpUrl": f"{storage.url}/in/single?{SIGNATURE}", "filePath": "got/single", "fileMode": "0600"},
        {"storageContainerUrl": f"{storage.url}/in?{SIGNATURE}", "blobPrefix": "a/", "filePath": "all"},
    ]

    async def scenario(batch):
        await run_task(batch, "sh -c 'find . -type f | sort; stat -c %a got/single'", resourceFiles=files)
        return await batch.file("t", "stdout.txt")

    assert run_batch(scenario).split() == ["./all/a/one", "./all/a/three#", "./all/a/two", "./got/single", "600"]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ({"httpUrl": "{url}/in/none?" + SIGNATURE, "filePath": "x"}, "BlobNotFound"),
        ({"httpUrl": "{url}/in/none", "filePath": "x"}, "BlobAccessDenied"),
        ({"httpUrl": "file:///etc/passwd", "filePath": "x"}, "BlobDownloadMiscError"),
        ({"storageContainerUrl": "{url}/in", "identityReference": {"resourceId": "/i"}}, "BlobAccessDenied"),
        ({"autoStorageContainerName": "x"}, "BlobAccessDenied"),
    ],
)
def test_a_file_that_cannot_be_fetched_fails_the_task_before_its_command(run_batch, storage, file, code):
    given = {name: value.format(url=storage.url) if isinstance(value, str) else value for name, value in file.items()}

    async def scenario(batch):
        return await run_task(batch, "true", resourceFiles=[given], constraints={"maxTaskRetryCount": 3})

    execution = run_batch(scenario)["executionInfo"]
    assert execution["failureInfo"]["code"] == code
    assert "exitCode" not in execution
    assert execution["retryCount"] == 0


def output(storage, pattern, path, condition, signature=SIGNATURE):
    container = {"containerUrl": f"{storage.url}/out?{signature}", "path": path}
    return {
        "filePattern": pattern,
        "destination": {"container": container},
        "uploadOptions": {"uploadCondition": condition},
    }


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        (0, {"/out/log.txt", "/out/run/a.txt", "/out/run/deep/b.txt"}),
        (1, {"/out/log.txt", "/out/failed/stderr.txt", "/out/failed/stdout.txt"}),
    ],
)
def test_output_files_are_stored_by_pattern_and_condition(run_batch, storage, code, stored):
    files = [
        output(storage, "../stdout.txt", "log.txt", "taskcompletion"),
        output(storage, "made/**/*.txt", "run", "tasksuccess"),
        output(storage, "../std*.txt", "failed/", "taskfailure"),
    ]

    async def scenario(batch):
        command = f"sh -c 'echo hi; mkdir -p made/deep; echo a > made/a.txt; echo b > made/deep/b.txt; exit {code}'"
        return await run_task(batch, command, outputFiles=files)

    assert run_batch(scenario)["executionInfo"]["exitCode"] == code
    assert set(storage.blobs) == stored
    assert storage.blobs["/out/log.txt"] == b"hi\n"


@pytest.mark.parametrize(("conditions", "satisfied"), [(None, False), ({"dependencyAction": "satisfy"}, True)])
def test_a_file_that_cannot_be_stored_fails_a_task_that_else_succeeded(run_batch, storage, conditions, satisfied):
    files = [output(storage, "../stdout.txt", "log.txt", "taskcompletion", signature="sig=bad")]

    async def scenario(batch):
        await batch.make_pool(taskSlotsPerNode=2)
        await batch.make_job(usesTaskDependencies=True)
        more = {"exitConditions": {"fileUploadError": conditions}} if conditions else {}
        await batch.add("t", "true", outputFiles=files, **more)
        await batch.add("next", "true", dependsOn={"taskIds": ["t"]})
        task = await batch.task_in("completed", "t")
        if satisfied:
            await batch.task_in("completed", "next")
        return task, await batch.task("next")

    task, after = run_batch(scenario)
    execution = task["executionInfo"]
    assert (execution["exitCode"], execution["result"]) == (0, "failure")
    assert execution["failureInfo"]["code"] == "FileUploadAccessDenied"
    assert after["state"] == ("completed" if satisfied else "active")


def test_a_start_task_has_its_files_too(run_batch, storage):
    storage.blobs = {"/in/tool": b"#!/bin/sh\necho tool > $AZ_BATCH_NODE_SHARED_DIR/tool"}
    files = [{"httpUrl": f"{storage.url}/in/tool?{SIGNATURE}", "filePath": "tool"}]

    async def scenario(batch):
        await batch.make_pool(startTask={"commandLine": "./tool", "resourceFiles": files, "waitForSuccess": True})
        await batch.make_job()
        await batch.add("t", "sh -c 'cat $AZ_BATCH_NODE_SHARED_DIR/tool'")
        await batch.task_in("completed", "t")
        return await batch.file("t", "stdout.txt")

    assert run_batch(scenario) == "tool\n"


@pytest.mark.parametrize(
    "file",
    [
        {"httpUrl": "http://x/y"},
        {"filePath": "x"},
        {"httpUrl": "http://x/y", "filePath": "../x"},
        {"httpUrl": "http://x/y", "filePath": "/etc/x"},
        {"httpUrl": "http://x/y", "storageContainerUrl": "http://x", "filePath": "x"},
        {"httpUrl": "http://x/y", "filePath": "x", "fileMode": "rwx"},
    ],
)
def test_a_resource_file_that_azure_would_refuse_is_refused(run_batch, file):
    async def scenario(batch):
        await batch.make_job()
        body = {"id": "t", "commandLine": "true", "resourceFiles": [file]}
        return await batch.post("/jobs/job/tasks", body, status=400)

    assert run_batch(scenario)["code"] == "InvalidPropertyValue"
