"""Reports of made-up runs, small enough to check by hand."""

from collections.abc import Sequence
from typing import Any

from cpu_worker.report.ledger import Ledger
from dropscore.contracts.failures import Failure
from dropscore.contracts.plan import ShardSpec
from dropscore.contracts.receipt import OutputFile
from dropscore.contracts.report import InputLine, Report, StageSpan
from dropscore.contracts.request import ModelRef
from dropscore.contracts.run import RunStatus
from dropscore.contracts.verdict import ItemTiming, Outcome, Verdict, WorkerFacts

CREATED = "2026-01-01T00:00:00.000000Z"


def verdict(shard: ShardSpec, **changes: Any) -> Verdict:
    """A verdict of a shard that went well, but for `changes`."""
    fields: dict[str, Any] = {
        "run_id": "film-3f9a0c1d2e4b5a67",
        "shard_id": shard.shard_id,
        "outcome": Outcome.DONE,
        "items_done": shard.items,
        "worker": WorkerFacts(worker="w0", device="cpu", code_version="0.1.0", torch_version="2.13.0"),
        "started_at": "2026-01-01T00:00:02.000000Z",
        "duration_s": 1.0,
        "items": tuple(timing(item) for item in range(shard.first_item, shard.first_item + shard.items)),
    }
    return Verdict(**(fields | changes))


def timing(item: int, predict_s: float = 0.05) -> ItemTiming:
    """An item that took 10 ms besides its prediction."""
    return ItemTiming(item=item, fetch_s=0.001, decode_s=0.004, preprocess_s=0.001, predict_s=predict_s, encode_s=0.004)


def shards(count: int, items: int = 2) -> list[ShardSpec]:
    """Shards of `items` items each."""
    return [ShardSpec(shard_id=n, input_index=0, first_item=n * items, items=items) for n in range(count)]


def report(
    count: int = 3,
    *,
    verdicts: Sequence[Verdict] | None = None,
    inputs: Sequence[str] = ("film.mp4",),
    failures: Sequence[Failure] = (),
    **changes: Any,
) -> Report:
    """The report of a run of `count` shards of two items."""
    specs = shards(count)
    ledger = Ledger(CREATED)
    for spec, settled in zip(specs, verdicts or [verdict(spec) for spec in specs], strict=True):
        ledger.add(spec, settled)
    items = 2 * count
    each = items // len(inputs)
    fields: dict[str, Any] = {
        "run_id": "film-3f9a0c1d2e4b5a67",
        "status": RunStatus.SUCCEEDED,
        "workload": "style_transfer",
        "workload_title": "Style transfer",
        "created_at": CREATED,
        "finished_at": "2026-01-01T00:00:09.500000Z",
        "duration_s": 9.5,
        "stages": (
            StageSpan(status=RunStatus.PLANNING, start_s=0.0, duration_s=2.0),
            StageSpan(status=RunStatus.SCORING, start_s=2.0, duration_s=6.0),
            StageSpan(status=RunStatus.STITCHING, start_s=8.0, duration_s=1.5),
        ),
        "inputs": tuple(
            InputLine(name=name, etag="0x1", size_bytes=1000, sha256="a" * 64, first_item=n * each, items=each)
            for n, name in enumerate(inputs)
        ),
        "outputs": (OutputFile(name="film.mp4", sha256="b" * 64, size_bytes=2000, media_type="video/mp4"),),
        "options": {"crf": 19},
        "options_digest": "c" * 64,
        "model": ModelRef(name="mosaic-night", version="1", digest="d" * 64),
        "code_version": "0.1.0",
        "items_total": items,
        "items_published": items,
        "items_timed": ledger.items_timed,
        "steps": ledger.steps(),
        "slowest": ledger.slowest,
        "items": tuple(ledger.items),
        "shards_total": count,
        "shard_items": 2,
        "shard_reason": "Two items were asked for.",
        "shards": tuple(ledger.shards),
        "workers": ledger.workers,
        "retries": ledger.retries,
        "failures": tuple(failures),
    }
    return Report(**(fields | changes))
