"""Put the report and the receipt together out of what a run left in storage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from cpu_worker.report.ledger import Ledger
from dropscore import __version__
from dropscore.contracts.plan import InputSummary, PlanIndex
from dropscore.contracts.receipt import OutputFile, Receipt
from dropscore.contracts.report import InputLine, Report, StageSpan
from dropscore.contracts.request import AdmittedRun, InputRef
from dropscore.contracts.run import RunState, RunStatus
from dropscore.workloads.base import Stitched


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What is known of a run once its outputs exist. `digests` maps input names to SHA-256."""

    admission: AdmittedRun
    state: RunState
    workload_title: str
    plan: PlanIndex
    refs: Sequence[InputRef]
    digests: Mapping[str, str]
    ledger: Ledger
    stitched: Stitched
    outputs: tuple[OutputFile, ...]
    finished_at: str


def compose_report(findings: Findings) -> Report:
    """The report of a run."""
    plan, ledger, stitched = findings.plan, findings.ledger, findings.stitched
    return Report(
        run_id=plan.run_id,
        status=_ending(findings),
        workload=findings.admission.workload,
        workload_title=findings.workload_title,
        note=findings.state.note,
        created_at=findings.state.created_at,
        finished_at=findings.finished_at,
        duration_s=_seconds_between(findings.state.created_at, findings.finished_at),
        stages=_stages(findings.state, findings.finished_at),
        inputs=_input_lines(findings),
        outputs=findings.outputs,
        options=findings.admission.options,
        options_digest=findings.admission.options_digest,
        model=findings.admission.model,
        replay_of=findings.admission.replay_of,
        items_kept=ledger.items_kept,
        code_version=__version__,
        items_total=plan.items,
        items_published=stitched.items_published,
        items_missing=stitched.items_missing,
        items_timed=ledger.items_timed,
        steps=ledger.steps(),
        slowest=ledger.slowest,
        items=tuple(ledger.items),
        shards_total=plan.shards,
        shard_items=plan.shard_items,
        shard_reason=plan.reason,
        shards=tuple(ledger.shards),
        workers=ledger.workers,
        retries=ledger.retries,
        failures=(*plan.refused, *ledger.failures),
        notes=(*_replay_note(findings), *stitched.notes),
        metrics=dict(stitched.metrics),
    )


def compose_receipt(report: Report) -> Receipt:
    """The receipt that goes with a report."""
    return Receipt(
        run_id=report.run_id,
        status=report.status,
        workload=report.workload,
        created_at=report.created_at,
        finished_at=report.finished_at,
        duration_s=report.duration_s,
        stages={span.status.value: span.duration_s for span in report.stages},
        inputs=tuple(InputRef(name=line.name, etag=line.etag, size_bytes=line.size_bytes) for line in report.inputs),
        input_digests={line.name: line.sha256 for line in report.inputs if line.sha256},
        options=report.options,
        options_digest=report.options_digest,
        model=report.model,
        replay_of=report.replay_of,
        items_kept=report.items_kept,
        code_version=report.code_version,
        outputs=report.outputs,
        items_total=report.items_total,
        items_published=report.items_published,
        items_missing=report.items_missing,
        coverage=report.items_published / report.items_total if report.items_total else 0.0,
        retries=report.retries,
        worker_s=sum(worker.busy_s for worker in report.workers),
        failures=report.failures,
        notes=report.notes,
        metrics=report.metrics,
    )


def _ending(findings: Findings) -> RunStatus:
    if findings.stitched.items_published == 0:
        return RunStatus.FAILED
    if findings.stitched.items_missing or findings.ledger.items_failed or findings.plan.refused:
        return RunStatus.SUCCEEDED_WITH_GAPS
    return RunStatus.SUCCEEDED


def _replay_note(findings: Findings) -> Iterator[str]:
    """What a replay kept, and what it made."""
    first = findings.admission.replay_of
    if first is not None:
        kept, items = findings.ledger.items_kept, findings.plan.items
        yield f"Replays the run {first}: {items - kept} of {items} items were scored again, {kept} results are kept."


def _stages(state: RunState, finished_at: str) -> tuple[StageSpan, ...]:
    """The statuses the run went through; the last one lasts until the report."""
    ends = (*(stage.at for stage in state.stages[1:]), finished_at)
    return tuple(
        StageSpan(
            status=stage.status,
            start_s=_seconds_between(state.created_at, stage.at),
            duration_s=_seconds_between(stage.at, end),
        )
        for stage, end in zip(state.stages, ends, strict=False)
    )


def _input_lines(findings: Findings) -> tuple[InputLine, ...]:
    """The inputs in order, each with the first of its items over the whole run."""
    summaries = sorted(findings.plan.inputs, key=lambda summary: summary.input_index)
    starts = accumulate((summary.items for summary in summaries), initial=0)
    return tuple(_input_line(findings, summary, first) for summary, first in zip(summaries, starts, strict=False))


def _input_line(findings: Findings, summary: InputSummary, first_item: int) -> InputLine:
    ref = findings.refs[summary.input_index]
    return InputLine(
        name=ref.name,
        etag=ref.etag,
        size_bytes=ref.size_bytes,
        sha256=summary.sha256 or findings.digests.get(summary.name),
        first_item=first_item,
        items=summary.items,
        facts=summary.facts,
        notes=summary.notes,
    )


def _seconds_between(earlier: str, later: str) -> float:
    """Seconds from one moment to the next; 0 where clocks of two machines disagree."""
    between = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    return max(0.0, between.total_seconds())
