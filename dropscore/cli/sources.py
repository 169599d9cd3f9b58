"""What the user names on the command line: files and folders to upload, and inputs that are there already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

THERE_ALREADY: Final = "inputs:"
"""`inputs:NAME` names a blob of the container `inputs` (`inputs:FOLDER/` all below it) and is not uploaded."""


FROM_FILE: Final = "@"
"""`--option style_image=@FILE` uploads a file for an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file and the blob name it gets in the container `inputs`."""

    file: Path
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to upload, and what the request names: a folder by its prefix, so that it stays short."""

    uploads: tuple[Upload, ...]
    inputs: tuple[str, ...]
    passed_over: int = 0
    """Files in folders that the workload does not read."""


def find_sources(arguments: Sequence[str], prefix: str, kinds: Sequence[str]) -> Sources:
    """Look at the arguments. `prefix` is unique to this upload; `kinds` are the suffixes the workload reads (none:
    all). Raises `FailedError` for a file that is missing, empty or of another kind.
    """
    uploads: list[Upload] = []
    inputs: list[str] = []
    passed_over = 0
    for place, argument in enumerate(arguments):
        if argument.startswith(THERE_ALREADY):
            inputs.append(argument.removeprefix(THERE_ALREADY))
            continue
        path = Path(argument)
        below = f"{prefix}/{place}" if len(arguments) > 1 else prefix
        if path.is_dir():
            found, others = _folder(path, f"{below}/{_blob_part(path.resolve().name)}", kinds)
            uploads += found
            passed_over += others
            inputs.append(f"{below}/{_blob_part(path.resolve().name)}/")
        else:
            upload = _file(path, f"{below}/{_blob_part(path.name)}", kinds)
            uploads.append(upload)
            inputs.append(upload.name)
    return Sources(uploads=tuple(uploads), inputs=tuple(inputs), passed_over=passed_over)


def find_option_files(options: Mapping[str, Json], prefix: str) -> tuple[dict[str, Json], tuple[Upload, ...]]:
    """Options whose value is `@FILE` name a file to upload, such as a style picture: they get its blob name instead."""
    settled = dict(options)
    uploads = []
    for name, value in options.items():
        if isinstance(value, str) and value.startswith(FROM_FILE):
            path = Path(value.removeprefix(FROM_FILE))
            upload = _file(path, f"{prefix}/{name}/{_blob_part(path.name)}", ())
            uploads.append(upload)
            settled[name] = upload.name
    return settled, tuple(uploads)


def _folder(folder: Path, name: str, kinds: Sequence[str]) -> tuple[list[Upload], int]:
    """All files below a folder that the workload reads, and the count of the others. Hidden files do not count."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not _hidden(file.relative_to(folder)))
    readable = [file for file in files if not kinds or file.suffix.lower() in kinds]
    if not readable:
        message = f"the folder {str(folder)!r} has no file that this workload reads"
        raise FailedError.of(Code.INPUT_UNSUPPORTED, message, input=str(folder), action=_kinds_action(kinds))
    uploads = [_file(file, f"{name}/{_blob_name(file.relative_to(folder).parts)}", ()) for file in readable]
    return uploads, len(files) - len(readable)


def _file(path: Path, name: str, kinds: Sequence[str]) -> Upload:
    if not path.is_file():
        action = f"Check the path; for a blob that is uploaded already write {THERE_ALREADY}NAME."
        raise FailedError.of(Code.INPUT_MISSING, f"there is no file {str(path)!r}", input=str(path), action=action)
    if kinds and path.suffix.lower() not in kinds:
        message = f"{path.name!r} is of a kind that this workload does not read"
        raise FailedError.of(Code.INPUT_UNSUPPORTED, message, input=str(path), action=_kinds_action(kinds))
    size = path.stat().st_size
    if size == 0:
        raise FailedError.of(Code.INPUT_EMPTY, f"{str(path)!r} has no bytes", input=str(path))
    return Upload(file=path, name=name, size_bytes=size)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _blob_name(parts: Iterable[str]) -> str:
    return "/".join(_blob_part(part) for part in parts)


def _blob_part(part: str) -> str:
    """A part of a path as a part of a blob name: control characters, which no blob name takes, become `_`."""
    return "".join("_" if ord(character) < 0x20 or ord(character) == 0x7F else character for character in part)


def _kinds_action(kinds: Sequence[str]) -> str:
    return f"Give it one of these: {', '.join(kinds)}." if kinds else "Give it a folder with files."
