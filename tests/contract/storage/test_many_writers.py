"""Fifty writers on one record at once: nobody's change is lost, and who does not get through is told."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dropscore.contracts.errors import PreconditionError
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName

WRITERS = 50
MOST_TRIES = 400
RECORD = BlobPath(ContainerName.RUNS, "storm/record.json")


@pytest.mark.fault(27)
def test_of_fifty_changes_at_once_none_is_lost(storage):
    storage.blobs.put(RECORD, b"[]")
    together = threading.Barrier(WRITERS)

    def add(number):
        together.wait()
        for tries in range(1, MOST_TRIES):
            known = storage.blobs.get(RECORD)
            changed = [*json.loads(known.data), number]
            try:
                storage.blobs.put(RECORD, json.dumps(changed).encode(), if_match=known.etag)
            except PreconditionError:
                continue
            return tries
        return 0

    with ThreadPoolExecutor(WRITERS) as side:
        tries = list(side.map(add, range(WRITERS)))

    assert min(tries) > 0, "everybody gets through in the end"
    assert sorted(json.loads(storage.blobs.get(RECORD).data)) == list(range(WRITERS))
