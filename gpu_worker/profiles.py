"""Execution profiles in storage: the first worker that probes a model on a kind of device decides for all."""

import logging
from collections.abc import Callable

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError, NotFoundError
from dropscore.contracts.measured import ExecutionProfile
from dropscore.contracts.request import AdmittedRun

log = logging.getLogger(__name__)

WITHOUT_PACKAGE = "built-in"
"""Version under which profiles and timings of a workload's model that comes in no package are kept."""


def model_place(run: AdmittedRun) -> tuple[str, str]:
    """Name and version under which measurements of a run's model are kept."""
    return (run.model.name, run.model.version) if run.model else (run.workload, WITHOUT_PACKAGE)


class Profiles:
    """Profiles of one kind of device."""

    def __init__(self, blobs: BlobStore, device_kind: str) -> None:
        self._blobs = blobs
        self._device_kind = device_kind

    def find(self, place: tuple[str, str], probe: Callable[[], ExecutionProfile]) -> ExecutionProfile:
        """The stored profile; where there is none, that of `probe`, unless another worker stores its own first."""
        path = layout.execution_profile(*place, self._device_kind)
        stored = self._read(path)
        if stored is not None:
            return stored
        found = probe()
        log.info("Probed %s %s: %s.", *place, found.reason, extra={"action": "probed"})
        if self._blobs.create(path, encode_bytes(found)):
            return found
        return self._read(path) or found

    def _read(self, path: layout.BlobPath) -> ExecutionProfile | None:
        """A profile; None when there is none. One that cannot be read is taken away: it would be probed for ever."""
        try:
            return decode(ExecutionProfile, self._blobs.get(path).data)
        except NotFoundError:
            return None
        except ContractError as error:
            log.warning("A stored profile cannot be read and is replaced: %s", error, extra={"action": "profile_bad"})
            self._blobs.delete(path)
            return None
