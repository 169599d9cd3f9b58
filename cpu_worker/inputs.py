"""The inputs of a run, opened for one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from cpu_worker.ports import Ports
from dropscore.cloud.block_cache import BlockCache
from dropscore.cloud.input_files import BlobInputFiles


@contextmanager
def opened_inputs(run_id: str, ports: Ports) -> Iterator[BlobInputFiles]:
    """The run's inputs as files over one cache of blocks, which ends with them."""
    cache = BlockCache(ports.blobs, ports.clock)
    try:
        yield BlobInputFiles(ports.blobs, cache, run_id)
    finally:
        cache.close()
