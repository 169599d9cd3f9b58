"""Stitch a run: put its parts together, upload the outputs, write the report.

1. A run that has its `stitch.json` is stitched: nothing is left to do.
2. Read the plan and every verdict; begin to make the digests of the inputs.
3. Let the workload's stitcher write the outputs into a folder, from the parts.
4. Upload them. They stay unpublished until the run's end writes their manifest.
5. Write the report: first its data, which counts for whoever made it first, then the page and the receipt made
   from that; `stitch.json` last.

Started again at any moment, from the beginning, this is right: files of the same bytes go to the same names. Of two
stitchers at once both write the same outputs, and the first report of them is everybody's.
"""

import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cpu_worker.digests import InputDigests
from cpu_worker.documents import parsed, read
from cpu_worker.inputs import opened_inputs
from cpu_worker.parts import NarrowTo, RunParts
from cpu_worker.ports import Ports
from cpu_worker.publish import upload_outputs
from cpu_worker.report.compose import Findings, compose_receipt, compose_report
from cpu_worker.report.ledger import Ledger
from cpu_worker.space import room_for
from dropscore.cloud.ports import BlobStore
from dropscore.contracts import layout
from dropscore.contracts.codec import decode, encode_bytes
from dropscore.contracts.errors import ContractError
from dropscore.contracts.plan import Piece, PlanIndex, ShardSpec
from dropscore.contracts.receipt import StitchResult
from dropscore.contracts.report import Report
from dropscore.contracts.request import AdmittedRun
from dropscore.contracts.run import RunState
from dropscore.workloads.base import InputFiles, Stitched, StitchRequest, WorkloadDefinition, WorkloadOptions
from dropscore.workloads.registry import options_type, resolve, workload

LOG: Final = logging.getLogger(__name__)
SIDE_BY_SIDE: Final = 16
"""Requests under way at once: verdicts and parts to read, outputs to write."""
DIGESTS_SIDE_BY_SIDE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of the run before it is stitched."""

    admission: AdmittedRun
    inputs: InputFiles
    state: RunState
    plan: PlanIndex


def stitch_run(run_id: str, ports: Ports) -> None:
    """Make sure that the run is stitched. Raises `FailedError` when its parts cannot become outputs."""
    if ports.blobs.head(layout.stitch_result(run_id)) is not None:
        return
    started = ports.clock.monotonic()
    with (
        _threads(SIDE_BY_SIDE) as side,
        _threads(DIGESTS_SIDE_BY_SIDE) as digesting,
        opened_inputs(run_id, ports) as inputs,
    ):
        known = _read_known(run_id, inputs, ports.blobs, side)
        digests = InputDigests(inputs, known.plan.inputs, digesting)
        try:
            report = _stitch(known, ports, side, digests)
        finally:
            digests.stop()
    result = StitchResult(
        run_id=run_id,
        outputs=report.outputs,
        items_published=report.items_published,
        items_missing=report.items_missing,
        failures=report.failures,
        notes=report.notes,
        metrics=report.metrics,
        duration_s=ports.clock.monotonic() - started,
    )
    ports.blobs.create(layout.stitch_result(run_id), encode_bytes(result))
    ports.nudge(run_id, "stitched")
    LOG.info(
        "Stitched the run: %d items, outputs: %d.",
        result.items_published,
        len(result.outputs),
        extra={"action": "stitched", "duration_s": result.duration_s},
    )


def _stitch(known: _Known, ports: Ports, side: ThreadPoolExecutor, digests: InputDigests) -> Report:
    """Make and upload the outputs and their report."""
    run_id = known.plan.run_id
    ledger = Ledger(known.state.created_at)
    definition = workload(known.admission.workload)
    options = decode(options_type(definition), known.admission.options)
    parts = RunParts(ports.blobs, known.plan, side, _narrow(definition, options, known.inputs))
    parts.read_verdicts(ledger)
    with tempfile.TemporaryDirectory(prefix="dropscore-stitch-") as folder:
        request = StitchRequest(
            run_id=run_id,
            options=options,
            inputs=known.inputs,
            plan=known.plan,
            shards=parts.shards,
            parts=parts,
            folder=Path(folder),
        )
        with room_for(Path(folder), parts.size_bytes):
            stitched: Stitched = resolve(definition.stitcher)(request)
        upload_outputs(stitched.outputs, Path(folder), run_id, ports.blobs, side)
    findings = Findings(
        admission=known.admission,
        state=known.state,
        workload_title=definition.title,
        plan=known.plan,
        refs=known.inputs.refs,
        digests=digests.result(),
        ledger=ledger,
        stitched=stitched,
        outputs=stitched.outputs,
        finished_at=ports.clock.now(),
    )
    return _write_report(compose_report(findings), stitched, ports.blobs, side)


def _narrow(definition: WorkloadDefinition, options: WorkloadOptions, inputs: InputFiles) -> NarrowTo:
    """How shards of this run are narrowed to their pieces. Only a workload that can be asked has divided shards."""

    def narrow(shard: ShardSpec, piece: Piece) -> ShardSpec:
        if definition.narrow is None:
            raise ValueError(f"shards of {definition.name} have no pieces")
        spec: ShardSpec = resolve(definition.narrow)(shard, piece, options, inputs)
        return spec

    return narrow


def _write_report(report: Report, stitched: Stitched, blobs: BlobStore, side: ThreadPoolExecutor) -> Report:
    """Write the report's data, page and receipt; returns the report that counts."""
    from cpu_worker.report.page import render

    report = _settled(report, blobs)
    receipt = encode_bytes(compose_receipt(report))
    page = render(report, stitched.before, stitched.after)
    writes = [
        side.submit(blobs.put, layout.receipt(report.run_id), receipt, content_type="application/json"),
        side.submit(blobs.put, layout.report_html(report.run_id), page, content_type="text/html; charset=utf-8"),
    ]
    for write in writes:
        write.result()
    return report


def _settled(report: Report, blobs: BlobStore) -> Report:
    """The report that counts: the first one written about these very outputs."""
    path = layout.report_json(report.run_id)
    data = encode_bytes(report)
    if blobs.create(path, data):
        return report
    try:
        earlier = parsed(Report, blobs.get(path).data)
    except ContractError:  # another version of this code wrote it
        earlier = None
    if earlier is not None and earlier.outputs == report.outputs:
        return earlier
    blobs.put(path, data, content_type="application/json")
    return report


def _read_known(run_id: str, inputs: InputFiles, blobs: BlobStore, side: ThreadPoolExecutor) -> _Known:
    admission = side.submit(read, AdmittedRun, blobs, layout.admission(run_id))
    state = side.submit(read, RunState, blobs, layout.state(run_id))
    plan = side.submit(read, PlanIndex, blobs, layout.plan_index(run_id))
    return _Known(admission=admission.result(), inputs=inputs, state=state.result(), plan=plan.result())


@contextmanager
def _threads(number: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads that drops what has not begun when it is left."""
    side = ThreadPoolExecutor(number)
    try:
        yield side
    finally:
        side.shutdown(cancel_futures=True)
