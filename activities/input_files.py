"""The inputs of a request, looked up in storage: names and folders to blobs with their versions and sizes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from activities.input_names import is_hidden, spellings
from dropscore.cloud.ports import BlobInfo, BlobStore
from dropscore.contracts import layout
from dropscore.contracts.failures import Code, Failure, failure
from dropscore.contracts.input_names import name_problem, natural_key
from dropscore.contracts.reading import Refusal
from dropscore.contracts.request import MAX_INPUTS, InputRef

MISSING_SHOWN = 20
"""Most missing inputs that are named."""
_MANY = 8
"""From so many names in one folder on, the folder is listed instead of each name being asked for."""
_LISTED_AT_MOST = 20_000
"""Blobs of one folder that are listed for the names in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A name as it was given, and the field it was given in."""

    name: str
    field: str


class InputFiles:
    """Looks up inputs in the container `inputs`."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def resolve(self, names: Sequence[str]) -> tuple[InputRef, ...] | Refusal:
        """The blobs that names and folders stand for: in the order given, those of a folder in natural order, each
        once. A refusal when a name is not allowed, or a blob is missing or empty, or there are too many.
        """
        asked = [_Asked(name=name, field=f"inputs[{index}]") for index, name in enumerate(names)]
        problems = [problem for one in asked if (problem := name_problem(one.name, one.field))]
        if problems:
            return tuple(problems)
        single = self._look_up([one.name for one in asked if not one.name.endswith("/")])
        found: dict[str, BlobInfo] = {}
        missing: list[str] = []
        for one in asked:
            here = self._folder(one) if one.name.endswith("/") else single.get(one.name)
            if isinstance(here, Failure):
                problems.append(here)
            elif here is None:
                missing.append(one.name)
            else:
                found.update((info.path.name, info) for info in here)
        return _refusal(problems, missing, found) or tuple(_ref(info) for info in found.values())

    def resolve_extra(self, name: str, field: str) -> InputRef | Failure:
        """The blob that an option names, if it is there and not empty."""
        problem = name_problem(name, field)
        if problem is not None:
            return problem
        found = self._look_up([name]).get(name)
        if found is None:
            return failure(Code.INPUT_MISSING, f"{field}: there is no input {name!r}.", field=field, input=name)
        return _ref(found[0]) if found[0].size_bytes else _empty(found[0])

    def _look_up(self, names: Sequence[str]) -> dict[str, tuple[BlobInfo, ...]]:
        """Single blobs by the names asked for; those that do not exist are left out."""
        folders: dict[str, set[str]] = {}
        for name in names:
            for spelling in spellings(name):
                folders.setdefault(spelling.rpartition("/")[0], set()).add(spelling)
        there: dict[str, BlobInfo] = {}
        for folder, wanted in folders.items():
            there |= self._list_wanted(folder, wanted) if len(wanted) >= _MANY else self._ask(wanted)
        found: dict[str, tuple[BlobInfo, ...]] = {}
        for name in names:
            here = [there[spelling] for spelling in spellings(name) if spelling in there]
            if here:
                found[name] = (here[0],)
        return found

    def _ask(self, wanted: Iterable[str]) -> dict[str, BlobInfo]:
        heads = (self._blobs.head(layout.input_file(name)) for name in wanted)
        return {info.path.name: info for info in heads if info is not None}

    def _list_wanted(self, folder: str, wanted: set[str]) -> dict[str, BlobInfo]:
        prefix = layout.input_file(f"{folder}/" if folder else "")
        there: dict[str, BlobInfo] = {}
        listing = self._blobs.list(prefix)
        for info in islice(listing, _LISTED_AT_MOST):
            if info.path.name in wanted:
                there[info.path.name] = info
                if len(there) == len(wanted):
                    return there
        unlisted = next(listing, None) is not None
        return there | self._ask(wanted - there.keys()) if unlisted else there

    def _folder(self, asked: _Asked) -> tuple[BlobInfo, ...] | Failure:
        below = [info for spelling in spellings(asked.name) for info in self._below(spelling)]
        files = [info for info in below if not is_hidden(info.path.name)]
        if files:
            return tuple(sorted(files, key=lambda info: natural_key(info.path.name)))
        hidden = f" besides {below[0].path.name.rpartition('/')[2]!r}" if below else ""
        message = f"There is nothing in the folder {asked.name!r} of the container 'inputs'{hidden}."
        return failure(Code.INPUT_MISSING, message, field=asked.field, input=asked.name)

    def _below(self, prefix: str) -> Iterator[BlobInfo]:
        listing = self._blobs.list(layout.input_file(prefix))
        return islice((info for info in listing if not info.path.name.endswith("/")), MAX_INPUTS + 1)


def _refusal(problems: list[Failure], missing: list[str], found: dict[str, BlobInfo]) -> Refusal:
    empty = [_empty(info) for info in found.values() if info.size_bytes == 0]
    if missing:
        problems = [*problems, _missing(missing)]
    if len(found) > MAX_INPUTS:
        message = f"The request names {len(found)} inputs or more; {MAX_INPUTS} are allowed."
        problems = [*problems, failure(Code.RUN_TOO_LARGE, message, field="inputs")]
    return (*problems, *empty[:MISSING_SHOWN])


def _missing(names: list[str]) -> Failure:
    more = f" and {len(names) - MISSING_SHOWN} more" if len(names) > MISSING_SHOWN else ""
    shown = ", ".join(repr(name) for name in names[:MISSING_SHOWN])
    what = "input does" if len(names) == 1 else "inputs do"
    return failure(Code.INPUT_MISSING, f"{len(names)} {what} not exist: {shown}{more}.", field="inputs", input=names[0])


def _empty(info: BlobInfo) -> Failure:
    return failure(
        Code.INPUT_EMPTY, f"The input {info.path.name!r} has no bytes.", field="inputs", input=info.path.name
    )


def _ref(info: BlobInfo) -> InputRef:
    return InputRef(name=info.path.name, etag=info.etag, size_bytes=info.size_bytes)
