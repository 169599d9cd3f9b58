"""The inputs of a run as files (`workloads.base.InputFiles`), read straight from storage."""

from collections.abc import Mapping, Sequence
from typing import IO, cast, overload

from dropscore.cloud.blob_file import BlobFile
from dropscore.cloud.block_cache import BlockCache, FetchMeter
from dropscore.cloud.lazy import Lazy
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.request import InputRef


class InputRefs(Sequence[InputRef]):
    """The lines of `inputs.jsonl`, each decoded when it is looked at: a worker needs few of up to 100,000."""

    def __init__(self, text: bytes) -> None:
        self._lines = text.splitlines()

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> InputRef: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[InputRef]: ...
    def __getitem__(self, index: int | slice) -> InputRef | Sequence[InputRef]:
        """One input by its 0-based line. Raises `ContractError` for a line that does not fit."""
        if isinstance(index, slice):
            return tuple(decode(InputRef, line) for line in self._lines[index])
        return decode(InputRef, self._lines[index])


class BlobInputFiles:
    """The inputs of one run. Safe to share between threads; the files it opens are not.

    `inputs.jsonl` is read once, when first needed. All files opened here and by `metered` views share the cache.
    """

    def __init__(
        self,
        blobs: BlobStore,
        cache: BlockCache,
        run_id: str,
        *,
        meter: FetchMeter | None = None,
        refs: Lazy[InputRefs] | None = None,
        named: Mapping[str, InputRef] | None = None,
    ) -> None:
        self.meter = meter or FetchMeter()
        """What reading through this view has cost."""
        self._blobs = blobs
        self._cache = cache
        self._run_id = run_id
        self._named = named or {}
        self._refs = refs or Lazy(lambda: InputRefs(blobs.get(layout.inputs(run_id)).data))

    @property
    def refs(self) -> Sequence[InputRef]:
        """The inputs, in order. Raises `NotFoundError` for a run that was not admitted."""
        return self._refs()

    def metered(self, meter: FetchMeter) -> "BlobInputFiles":
        """The same inputs, with the cost of reading them counted in `meter` (such as one for each shard)."""
        return BlobInputFiles(self._blobs, self._cache, self._run_id, meter=meter, refs=self._refs, named=self._named)

    def holding(self, named: Mapping[str, InputRef]) -> "BlobInputFiles":
        """The same inputs, those that options name held to the versions of their admission."""
        return BlobInputFiles(self._blobs, self._cache, self._run_id, meter=self.meter, refs=self._refs, named=named)

    def open(self, input_index: int) -> IO[bytes]:
        """Open one input, 0-based. Reads raise `FailedError` (E-INPUT-CHANGED) when it is not the admitted version."""
        ref = self.refs[input_index]
        return self._file(ref.name, ref.etag, ref.size_bytes)

    def open_named(self, name: str) -> IO[bytes]:
        """Open another blob of the container `inputs`, held to the version of its admission (see `holding`); for a run
        that was admitted without one, to the version it has now.

        Raises `FailedError` (E-INPUT-MISSING) when there is none; reads raise E-INPUT-CHANGED.
        """
        if (ref := self._named.get(name)) is not None:
            return self._file(ref.name, ref.etag, ref.size_bytes)
        info = self._blobs.head(layout.input_file(name))
        if info is None:
            raise FailedError.of(Code.INPUT_MISSING, f"the input {name!r} does not exist", input=name)
        return self._file(name, info.etag, info.size_bytes)

    def _file(self, name: str, etag: str, size_bytes: int) -> IO[bytes]:
        file = BlobFile(self._cache, layout.input_file(name), etag=etag, size_bytes=size_bytes, meter=self.meter)
        return cast("IO[bytes]", file)
