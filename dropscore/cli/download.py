"""Fetch what a run has published, and check every file against its digest."""

import hashlib
from pathlib import Path

from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.finding import find_run
from dropscore.cli.session import Session
from dropscore.cli.transfer import download_all
from dropscore.cloud.ports import BlobInfo, BlobStore
from dropscore.contracts import layout
from dropscore.contracts.base import Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import AccessDeniedError, FailedError, NotFoundError
from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.receipt import OutputFile, OutputManifest


def download_run(session: Session, run: str, to: Path | None) -> Path:
    """Download outputs, report and receipt into a folder; returns it. Raises `FailedError`."""
    run_id = find_run(session.api(), run).state.run_id
    blobs = session.blobs()
    outputs = _published(blobs, run_id)
    folder = to or Path(run_id)
    files = [
        (layout.output(run_id, output.name), _inside(folder, output.name), output.size_bytes) for output in outputs
    ]
    documents = [(info.path, folder / _last(info.path), info.size_bytes) for info in _documents(session, run_id)]
    download_all([*files, *documents], blobs, session.screen)
    for output in outputs:
        _check(folder / output.name, output)
    _tell(session, run_id, folder, [(file, size) for _, file, size in (*files, *documents)])
    return folder


def _published(blobs: BlobStore, run_id: str) -> tuple[OutputFile, ...]:
    try:
        return decode(OutputManifest, blobs.get(layout.output_manifest(run_id)).data).outputs
    except NotFoundError:
        raise FailedError.of(
            Code.OUTPUT_MISSING,
            f"the run {run_id} has published no outputs",
            action=f"Look at how it stands with: dropscore show {run_id}",
        ) from None


def _documents(session: Session, run_id: str) -> list[BlobInfo]:
    """Report and receipt, for whoever may read them: they lie in the system account."""
    blobs = session.blobs()
    try:
        found = [blobs.head(path) for path in (layout.report_html(run_id), layout.receipt(run_id))]
    except AccessDeniedError:
        session.screen.say("The report lies in the system account, to which you have no right.")
        return []
    return [info for info in found if info is not None]


def _inside(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise FailedError.of(Code.OUTPUT_INVALID, f"the output {name!r} would be written outside of {str(folder)!r}")
    return file


def _check(file: Path, output: OutputFile) -> None:
    with file.open("rb") as data:
        made = hashlib.file_digest(data, "sha256").hexdigest()
    if made != output.sha256:
        message = f"{str(file)!r} is not what the run published: its digest differs"
        raise FailedError.of(Code.OUTPUT_INVALID, message, action="Download it again.")


def _tell(session: Session, run_id: str, folder: Path, files: list[tuple[Path, int]]) -> None:
    if session.screen.as_json:
        listed: list[Json] = [{"file": str(file), "size_bytes": size} for file, size in files]
        session.screen.document({"run_id": run_id, "folder": str(folder), "files": listed})
        return
    for file, size in files:
        session.screen.show(Text.assemble(str(file), (f"  {wording.size(size)}", "dim")))


def _last(path: BlobPath) -> str:
    return path.name.rsplit("/", 1)[-1]
