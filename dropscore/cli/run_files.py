"""The files of a run as links: asked for in pages, and again when a link's time is over."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dropscore.cli.client import Api
from dropscore.cli.links import read_link
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.http.files import OutputDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedFile:
    """A file that a link reads."""

    name: str
    size_bytes: int
    url: str = field(repr=False)
    renew: Callable[[], str] = field(repr=False)
    """Another link to it."""
    sha256: str | None = None
    etag: str | None = None
    """The version that is wanted; any when None."""

    def read(self) -> Iterator[bytes]:
        """Its bytes, in pieces. Raises what `links.read_link` raises; `PreconditionError` for another version."""
        return read_link(repr(self.name), self.url, if_match=self.etag, renew=self.renew)

    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        made = hashlib.sha256()
        for piece in self.read():
            made.update(piece)
        return made.hexdigest()


class RunFiles:
    """The outputs, documents and inputs of one run."""

    def __init__(self, api: Api, run_id: str) -> None:
        self._api = api
        self._run_id = run_id

    def documents(self) -> dict[str, LinkedFile]:
        """Report, receipt and manifest by their names, as far as they exist."""
        return {one.name: self._document(one) for one in self._api.outputs(self._run_id, limit=1).documents}

    def outputs(self) -> Iterator[LinkedFile]:
        """What the run has published, in order."""
        after: str | None = None
        place = 0
        while True:
            page = self._api.outputs(self._run_id, after=after)
            for one in page.outputs:
                yield self._output(one, place)
                place += 1
            if page.next is None:
                return
            after = page.next

    def inputs(self) -> Iterator[LinkedFile]:
        """What the run was made of, in order."""
        after: str | None = None
        place = 0
        while True:
            page = self._api.inputs(self._run_id, after=after)
            for one in page.inputs:
                renew = self._renewing_input(place)
                yield LinkedFile(name=one.name, size_bytes=one.size_bytes, url=one.url, renew=renew, etag=one.etag)
                place += 1
            if page.next is None:
                return
            after = page.next

    def _output(self, one: OutputDocument, place: int) -> LinkedFile:
        def again() -> str:
            return _same(self._api.outputs(self._run_id, after=str(place), limit=1).outputs, one.name).url

        return LinkedFile(name=one.name, size_bytes=one.size_bytes, url=one.url, renew=again, sha256=one.sha256)

    def _document(self, one: OutputDocument) -> LinkedFile:
        def again() -> str:
            return _same(self._api.outputs(self._run_id, limit=1).documents, one.name).url

        return LinkedFile(name=one.name, size_bytes=one.size_bytes, url=one.url, renew=again)

    def _renewing_input(self, place: int) -> Callable[[], str]:
        return lambda: self._api.inputs(self._run_id, after=str(place), limit=1).inputs[0].url


def _same(there: tuple[OutputDocument, ...], name: str) -> OutputDocument:
    """The file of this name. Raises `FailedError` when the run has published something else meanwhile."""
    for one in there:
        if one.name == name:
            return one
    raise FailedError.of(Code.OUTPUT_MISSING, f"the output {name!r} is no longer published")
