"""How the outputs of each workload are looked at: a registry of templates, with what each of them needs.

A workload without a line here gets `viewers/files.html`: a list, with pictures and videos shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from dropscore.contracts.http.files import InputList, OutputDocument, OutputList

MOST_PAIRS = 12
MOST_SHOWN = 12
"""Pictures and videos of the list that are shown at once."""
STYLED, SIDE_BY_SIDE = "-styled", "-side-by-side"


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """A template, and what it needs besides `outputs` and `inputs`."""

    template: str
    arrange: Callable[[OutputList, InputList], Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """A video and, if it was made, the same beside its original."""

    styled: OutputDocument
    beside: OutputDocument | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Addresses of a picture before and after."""

    name: str
    before: str
    after: str


def viewer_of(workload: str | None) -> Viewer:
    """How the outputs of a workload are looked at."""
    return VIEWERS.get(workload or "", FILES)


def style_transfer(outputs: OutputList, inputs: InputList) -> Mapping[str, Any]:
    """Films with their comparison, and pictures with their originals."""
    by_name = {output.name: output for output in outputs.outputs}
    films = [
        Film(styled=output, beside=by_name.get(output.name.replace(STYLED, SIDE_BY_SIDE)))
        for output in outputs.outputs
        if output.media_type.startswith("video/") and STYLED in output.name
    ]
    originals = {PurePosixPath(one.name).stem: one.url for one in inputs.inputs if _is_picture(one.media_type)}
    pairs = [
        Pair(name=output.name, before=originals[stem], after=output.url)
        for output in outputs.outputs
        if _is_picture(output.media_type) and (stem := _stem(output.name)) in originals
    ]
    return {"films": films, "pairs": pairs[:MOST_PAIRS]}


def files(outputs: OutputList, _inputs: InputList) -> Mapping[str, Any]:
    """The first pictures and videos."""
    kinds = ("image/", "video/")
    return {"shown": [output for output in outputs.outputs if output.media_type.startswith(kinds)][:MOST_SHOWN]}


FILES = Viewer(template="viewers/files.html", arrange=files)
VIEWERS: Mapping[str, Viewer] = {
    "style_transfer": Viewer(template="viewers/style_transfer.html", arrange=style_transfer)
}


def _is_picture(media_type: str) -> bool:
    """Whether browsers show files of this type."""
    return media_type in ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")


def _stem(name: str) -> str:
    return PurePosixPath(name).stem.removesuffix(STYLED)
