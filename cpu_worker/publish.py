"""Put the stitched files where they will be published: nothing shows until the manifest names them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.receipt import OutputFile


def upload_outputs(
    outputs: Sequence[OutputFile], folder: Path, run_id: str, blobs: BlobStore, side: ThreadPoolExecutor
) -> None:
    """Upload each output from below `folder` to `outputs/<run_id>/<name>`, several at a time, large ones in blocks.

    Raises ValueError for an output that the stitcher misnamed or never wrote.
    """
    for output in outputs:
        _check(output, folder, run_id)
    for _ in side.map(lambda output: _upload(output, folder, run_id, blobs), outputs):
        pass


def _check(output: OutputFile, folder: Path, run_id: str) -> None:
    file = (folder / output.name).resolve()
    if not file.is_relative_to(folder.resolve()) or layout.output(run_id, output.name) == layout.output_manifest(
        run_id
    ):
        raise ValueError(f"an output may not be named {output.name!r}")
    if not file.is_file() or file.stat().st_size != output.size_bytes:
        raise ValueError(f"the output {output.name!r} is not the file of {output.size_bytes} bytes it is said to be")


def _upload(output: OutputFile, folder: Path, run_id: str, blobs: BlobStore) -> None:
    with (folder / output.name).open("rb") as file:
        blobs.upload(layout.output(run_id, output.name), file, content_type=output.media_type)
