"""Fetch what a run has published; a file shows under its name once it is whole and its digest is right."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from dropscore.cli import wording
from dropscore.cli.finding import find_run
from dropscore.cli.run_files import LinkedFile, RunFiles
from dropscore.cli.session import Session
from dropscore.cli.transfer import Advance, side_by_side
from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

MANIFEST = "manifest.json"
DOCUMENTS = ("report.html", "receipt.json")
"""What is fetched besides the outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file of a run, and where it comes to lie."""

    file: LinkedFile
    target: Path


def download_run(session: Session, run: str, to: Path | None) -> Path:
    """Download outputs, report and receipt into a folder; returns it. Raises `FailedError`."""
    run_id = find_run(session.api(), run).state.run_id
    files = RunFiles(session.api(), run_id)
    documents = files.documents()
    if MANIFEST not in documents:
        raise FailedError.of(
            Code.OUTPUT_MISSING,
            f"the run {run_id} has published no outputs",
            action=f"Look at how it stands with: dropscore show {run_id}",
        )
    folder = to or Path(run_id)
    wanted = [Wanted(file=output, target=_inside(folder, output.name)) for output in files.outputs()]
    wanted += [Wanted(file=documents[name], target=folder / name) for name in DOCUMENTS if name in documents]
    side_by_side(session.screen, "Downloading", [(one, one.file.size_bytes) for one in wanted], fetch)
    _tell(session, run_id, folder, wanted)
    return folder


def fetch(wanted: Wanted, advance: Advance) -> None:
    """Download one file, making its folder. Raises `FailedError` (E-OUTPUT-INVALID) when its digest differs."""
    target, made = wanted.target, hashlib.sha256()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    with partial.open("wb") as data:
        for piece in wanted.file.read():
            data.write(piece)
            made.update(piece)
            advance(len(piece))
    if wanted.file.sha256 not in (None, made.hexdigest()):
        partial.unlink()
        message = f"{str(target)!r} is not what the run published: its digest differs"
        raise FailedError.of(Code.OUTPUT_INVALID, message, action="Download it again.")
    partial.replace(target)


def _inside(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise FailedError.of(Code.OUTPUT_INVALID, f"the output {name!r} would be written outside of {str(folder)!r}")
    return file


def _tell(session: Session, run_id: str, folder: Path, files: Sequence[Wanted]) -> None:
    if session.screen.as_json:
        listed: list[Json] = [{"file": str(one.target), "size_bytes": one.file.size_bytes} for one in files]
        session.screen.document({"run_id": run_id, "folder": str(folder), "files": listed})
        return
    for one in files:
        session.screen.show(Text.assemble(str(one.target), (f"  {wording.size(one.file.size_bytes)}", "dim")))
