"""Names of output files, and files as outputs."""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Final

from dropscore.contracts.base import Json
from dropscore.contracts.receipt import OutputFile

LONGEST_STEM_BYTES: Final = 180
"""Longest stem of an output's name, in bytes of UTF-8: file systems allow 255 for a whole name."""

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")


def own_name(input_name: str) -> str:
    """The input's name without its folders, as titles and captions call it."""
    return PurePosixPath(input_name).name


class Names:
    """Gives each output a name of its own below the run's folder."""

    def __init__(self) -> None:
        self._taken: set[str] = {"manifest.json"}

    def name(self, input_name: str, ending: str) -> str:
        """The input's own name without folders and suffix, followed by `ending`; numbered when taken.

        Upper and lower case do not make a difference, since they do not on every file system.
        """
        stem = _stem(input_name)
        candidate, number = stem + ending, 1
        while candidate.casefold() in self._taken:
            number += 1
            candidate = f"{stem}-{number}{ending}"
        self._taken.add(candidate.casefold())
        return candidate


def output_of(path: Path, media_type: str, title: str, facts: dict[str, Json] | None = None) -> OutputFile:
    """Describe a written file, its digest included. Its name is that of the file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return OutputFile(
        name=path.name,
        sha256=digest,
        size_bytes=path.stat().st_size,
        media_type=media_type,
        title=title,
        facts=facts or {},
    )


def _stem(input_name: str) -> str:
    cleaned = _UNSAFE.sub("_", PurePosixPath(input_name).stem).strip(". ") or "output"
    return cleaned.encode()[:LONGEST_STEM_BYTES].decode(errors="ignore")
