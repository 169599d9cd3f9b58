"""What the user names on the command line: files and folders to upload, and inputs that are there already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.input_names import natural_key

THERE_ALREADY: Final = "inputs:"
"""`inputs:NAME` names a blob of the container `inputs` (`inputs:FOLDER/` all below it) and is not uploaded."""


FROM_FILE: Final = "@"
"""`--option style_image=@FILE` uploads a file for an option."""
MIB: Final = 1024 * 1024
MOST_BYTES: Final = 5000 * MIB
MOST_NAME: Final = 400
"""Characters of a name, its folders included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file, and the name it gets below the prefix of its upload."""

    file: Path
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What to upload, and what the request names: a folder by its prefix, so that it stays short."""

    uploads: tuple[Upload, ...]
    named: tuple[str, ...]
    """For each argument the name of its upload, that of a folder with a `/` at its end, or `inputs:NAME`."""
    passed_over: int = 0
    """Files in folders that the workload does not read."""


def find_sources(arguments: Sequence[str], kinds: Sequence[str]) -> Sources:
    """Look at the arguments. `kinds` are the suffixes the workload reads (none: all). Raises `FailedError` for a file
    that is missing, empty, too large or of another kind.
    """
    uploads: list[Upload] = []
    named: list[str] = []
    passed_over = 0
    for place, argument in enumerate(arguments):
        if argument.startswith(THERE_ALREADY):
            named.append(argument)
            continue
        path = Path(argument)
        below = f"{place}/" if len(arguments) > 1 else ""
        if path.is_dir():
            name = f"{below}{_blob_part(path.resolve().name) or 'folder'}/"
            found, others = _folder(path, name, kinds)
            uploads += found
            passed_over += others
            named.append(name)
        else:
            upload = _file(path, f"{below}{_blob_part(path.name)}", kinds)
            uploads.append(upload)
            named.append(upload.name)
    return Sources(uploads=tuple(uploads), named=tuple(named), passed_over=passed_over)


def find_option_files(options: Mapping[str, Json]) -> dict[str, Upload]:
    """Options whose value is `@FILE` name a file to upload, such as a style picture: the uploads by option."""
    found = {}
    for name, value in options.items():
        if isinstance(value, str) and value.startswith(FROM_FILE):
            path = Path(value.removeprefix(FROM_FILE))
            found[name] = _file(path, f"options/{name}/{_blob_part(path.name)}", ())
    return found


def _folder(folder: Path, name: str, kinds: Sequence[str]) -> tuple[list[Upload], int]:
    """All files below a folder that the workload reads, in natural order, and the count of the others. Hidden files do
    not count.
    """
    every = (file for file in folder.rglob("*") if file.is_file() and not _hidden(file.relative_to(folder)))
    files = sorted(every, key=lambda file: natural_key(_blob_name(file.relative_to(folder).parts)))
    readable = [file for file in files if not kinds or file.suffix.lower() in kinds]
    if not readable:
        message = f"the folder {str(folder)!r} has no file that this workload reads"
        raise FailedError.of(Code.INPUT_UNSUPPORTED, message, input=str(folder), action=_kinds_action(kinds))
    uploads = [_file(file, f"{name}{_blob_name(file.relative_to(folder).parts)}", ()) for file in readable]
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
    if size > MOST_BYTES:
        message = f"{str(path)!r} has {size // MIB} MiB; {MOST_BYTES // MIB} MiB are the most that is uploaded here"
        action = f"Bring it into the container 'inputs' with another tool and write {THERE_ALREADY}NAME."
        raise FailedError.of(Code.INPUT_LIMIT, message, input=str(path), action=action)
    if len(name) > MOST_NAME:
        message = f"the name {name!r} has {len(name)} characters; {MOST_NAME} are allowed"
        raise FailedError.of(Code.INPUT_NAME, message, input=str(path), action="Give it a shorter name.")
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
