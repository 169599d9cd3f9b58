"""Fetches resource files and stores output files for one task: a program of its own, run like a task's program.

So a transfer can be ended like any program, and a hung server holds nobody up. Usage: `transfer_program.py PLAN`, where
the JSON file PLAN is `{"fetch": [...], "store": [...]}`:

    fetch  {"url", "path", "mode"}               one file to `path`
           {"container", "prefix", "path", "mode"}  all blobs with a prefix into the folder `path`, under their names
    store  {"container", "pattern", "path"}      files that match `pattern` as blobs below `path`; a pattern without
                                                 wildcards names one file, which becomes the blob `path`

Paths and patterns are relative to the working folder. URLs carry their own access (a SAS). It exits with one of the
`Verdict`s and the reason on standard error. Only the standard library's quick modules are imported.
"""

import errno
import glob
import json
import os
import re
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from enum import IntEnum
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

TIMEOUT_S = 60.0
CHUNK_BYTES = 1024 * 1024
STORAGE_VERSION = "2021-12-02"


class Verdict(IntEnum):
    """How a transfer ended; the exit code."""

    DONE = 0
    NOT_FOUND = 3
    DENIED = 4
    TIMED_OUT = 5
    FAILED = 6
    DISK_FULL = 7


def fetch_one(url: str, path: Path, mode: str) -> None:
    """Download one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open(urllib.request.Request(url)) as answer, path.open("wb") as file:  # noqa: S310 - `_open` looks
        while chunk := answer.read(CHUNK_BYTES):
            file.write(chunk)
    path.chmod(int(mode, 8))


def fetch_all(container: str, prefix: str, folder: Path, mode: str) -> None:
    """Download all blobs of a container whose names begin with a prefix."""
    marker: str | None = ""
    while marker is not None:
        query = {"restype": "container", "comp": "list", "prefix": prefix, "marker": marker}
        with _open(urllib.request.Request(_with(container, query=query))) as answer:  # noqa: S310 - `_open` looks
            page = ET.fromstring(answer.read())  # noqa: S314 - expat refuses entity bombs; the user chose the server
        for name in page.iterfind("./Blobs/Blob/Name"):
            blob = name.text or ""
            inside = (part for part in blob.split("/") if part not in {"", ".", ".."})
            fetch_one(_with(container, blob=blob), folder.joinpath(*inside), mode)
        marker = page.findtext("NextMarker") or None


def store_all(container: str, pattern: str, path: str) -> None:
    """Upload the files that match a pattern."""
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - patterns may begin with `../`
    start = re.split(r"[*?\[]", pattern)[0].rpartition("/")[0] or "."
    for name in filter(os.path.isfile, found):
        below = "/".join(part for part in (path.rstrip("/"), os.path.relpath(name, start)) if part)
        blob = below if glob.has_magic(pattern) else path or Path(name).name
        store_one(_with(container, blob=blob), Path(name))


def store_one(url: str, path: Path) -> None:
    """Upload one file."""
    with path.open("rb") as file:
        headers = {
            "x-ms-blob-type": "BlockBlob",
            "x-ms-version": STORAGE_VERSION,
            "Content-Length": str(path.stat().st_size),
            "Content-Type": "application/octet-stream",
        }
        request = urllib.request.Request(url, data=file, headers=headers, method="PUT")  # noqa: S310 - `_open` looks
        _open(request).close()
    print(f"uploaded {path}")


def _with(container: str, *, blob: str = "", query: dict[str, str] | None = None) -> str:
    """A container's URL, with a blob's name or more query before its signature."""
    parts = urlsplit(container)
    path = parts.path.rstrip("/") + (f"/{quote(blob)}" if blob else "")
    text = "&".join(part for part in (urlencode(query or {}), parts.query) if part)
    return urlunsplit((parts.scheme, parts.netloc, path, text, ""))


def _open(request: urllib.request.Request) -> HTTPResponse:
    if request.type not in {"http", "https"}:
        raise ValueError(f"only http and https are fetched, not {request.type}")
    answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310 - the scheme was checked
    return answer


def carry_out(plan: dict[str, list[dict[str, str]]]) -> None:
    """Carry out a plan, in order."""
    for item in plan.get("fetch", []):
        if "url" in item:
            fetch_one(item["url"], Path(item["path"]), item["mode"])
        else:
            fetch_all(item["container"], item["prefix"], Path(item["path"]), item["mode"])
    for item in plan.get("store", []):
        store_all(item["container"], item["pattern"], item["path"])


def verdict_on(error: Exception) -> Verdict:
    """What an error means for the task."""
    if isinstance(error, urllib.error.HTTPError):
        return {404: Verdict.NOT_FOUND, 401: Verdict.DENIED, 403: Verdict.DENIED}.get(error.code, Verdict.FAILED)
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return Verdict.TIMED_OUT
    if isinstance(reason, OSError) and reason.errno == errno.ENOSPC:
        return Verdict.DISK_FULL
    return Verdict.FAILED


def main() -> int:
    """Carry out the plan in the file that is named. Returns a verdict."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    try:
        carry_out(plan)
    except (OSError, ValueError, ET.ParseError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return verdict_on(error)
    return Verdict.DONE


if __name__ == "__main__":
    sys.exit(main())
