"""Puts the parts one behind the other."""

import hashlib

from chaos_lines.options import LinesOptions, OnMissing
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.verdict import Outcome
from dropscore.workloads.base import Stitched, StitchRequest

OUTPUT = "scores.txt"


def stitch(request: StitchRequest) -> Stitched:
    """One file with one line for each item that has a score, in the order of the items."""
    options = request.options
    assert isinstance(options, LinesOptions)
    digest, size, published = hashlib.sha256(), 0, 0
    with (request.folder / OUTPUT).open("wb") as output:
        for shard in request.shards():
            if request.parts.verdict(shard).outcome is not Outcome.DONE:
                continue
            with request.parts.open(shard) as part:
                data = part.read()
            output.write(data)
            digest.update(data)
            size, published = size + len(data), published + shard.items
    missing = request.plan.items - published
    if missing and options.on_missing is OnMissing.FAIL:
        raise FailedError.of(Code.SHARD_FAILED, f"{missing} of {request.plan.items} lines have no score")
    file = OutputFile(name=OUTPUT, sha256=digest.hexdigest(), size_bytes=size, media_type="text/plain")
    return Stitched(outputs=(file,), items_published=published, items_missing=missing)
