"""What must be true of every run, whatever was done to it."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaos_lines.lines import LINE_BYTES, Kind, file_of, result_line, score_of

from harness.drive import Ended
from harness.schedule import CALM, Action
from harness.store import Store

SALT = "1"
CLASSES = {
    Kind.CORRUPT: {"E-INPUT-CORRUPT"},
    Kind.RAISES: {"E-SHARD-FAILED"},
    Kind.BROKEN: {"E-SHARD-FAILED"},
    Kind.NAN: {"E-OUTPUT-INVALID"},
    Kind.HANGS: {"E-ITEM-DEADLINE"},
    Kind.SEGFAULTS: {"E-SHARD-POISON"},
    Kind.KILLS: {"E-SHARD-POISON"},
}
"""The code under which items of each bad kind must lie in quarantine."""
CANCELLED_WITHIN_S = 10.0
"""From the acknowledgement of a cancellation until nothing is left and nobody works."""
ON_THE_WAY_S = 0.5
"""A verdict may have been on its way to storage when the mark of the cancellation was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What storage says about an ended run."""

    output: bytes | None
    manifest: dict[str, Any] | None
    receipt: dict[str, Any]
    verdicts: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    logs: list[tuple[str, bytes]]

    @classmethod
    def read(cls, store: Store, run_id: str) -> "Found":
        """Read it."""
        logs = [(blob.name, store.get("logs", blob.name) or b"") for blob in store.blobs("logs", f"{run_id}/")]
        return cls(
            output=store.get("outputs", f"{run_id}/scores.txt"),
            manifest=store.document("outputs", f"{run_id}/manifest.json"),
            receipt=store.document("runs", f"{run_id}/receipt.json") or {},
            verdicts=[document for _, document in store.documents("runs", f"{run_id}/verdicts/")],
            quarantine=[document for _, document in store.documents("runs", f"{run_id}/quarantine/")],
            logs=logs,
        )


def expected_output(kinds: list[Kind], salt: str = SALT, *, mended: bool = False) -> bytes:
    """The bytes that the items of a run must give, computed here; `mended`: what was broken is so no longer."""
    file = file_of(kinds)
    lines = [file[start : start + LINE_BYTES] for start in range(0, len(file), LINE_BYTES)]
    good = (
        (item, line)
        for item, (kind, line) in enumerate(zip(kinds, lines, strict=True))
        if not kind.is_bad or (mended and kind is Kind.BROKEN)
    )
    return b"".join(result_line(item, score_of(line, salt)) for item, line in good)


def violations(ended: Ended, found: Found) -> list[str]:
    """Everything that is not as it must be, in words."""
    wrong = [f"left behind: {what}" for what in ended.left]
    wrong += [f"two workers made different things: {name}" for name, text in found.logs if b"E-NONDET" in text]
    if any(strike.action is Action.CANCEL for strike in ended.schedule.strikes):
        return [*wrong, *_of_a_cancelled_run(ended, found)]
    return [*wrong, *_of_a_run(ended, found)]


def _of_a_run(ended: Ended, found: Found) -> Iterator[str]:
    bad = {item: kind for item, kind in enumerate(ended.kinds) if kind.is_bad}
    wanted = "succeeded_with_gaps" if bad else "succeeded"
    if ended.status != wanted:
        yield f"it ended {ended.status}, not {wanted}: {ended.state.get('failure')}"
    if found.output is None or found.manifest is None:
        yield "nothing was published"
        return
    if found.output != expected_output(ended.kinds):
        yield f"other bytes than those of an undisturbed run: {_difference(found.output, expected_output(ended.kinds))}"
    yield from _each_item_once(ended, found)
    yield from _right_classes(bad, found)
    yield from _accounts(ended, found)
    if not ended.schedule.strikes and not bad and ended.schedule.weather == CALM and ended.history.scored_again:
        yield f"{ended.history.scored_again} items were scored again, and nothing had happened"


def _each_item_once(ended: Ended, found: Found) -> Iterator[str]:
    """Published or in quarantine, and neither twice nor both."""
    published = Counter(int(line[:9]) for line in (found.output or b"").splitlines())
    shelved = Counter(item for one in found.quarantine for item in _items(one))
    for item in range(len(ended.kinds)):
        times = published[item] + shelved[item]
        if times != 1:
            yield f"item {item} is published {published[item]} times and in quarantine {shelved[item]} times"
    settled = Counter(item for verdict in found.verdicts for item in _settled_items(verdict))
    if sum(settled.values()) != len(ended.kinds):
        yield f"verdicts count {sum(settled.values())} of {len(ended.kinds)} items"


def _right_classes(bad: dict[int, Kind], found: Found) -> Iterator[str]:
    for one in found.quarantine:
        code, items = one["failure"]["code"], _items(one)
        for item in items:
            if code not in CLASSES.get(bad.get(item, Kind.GOOD), set()):
                yield f"item {item} ({bad.get(item, Kind.GOOD)}) lies in quarantine under {code}"


def _accounts(ended: Ended, found: Found) -> Iterator[str]:
    """The receipt's figures are those of the verdicts and of the outputs, each counted once."""
    receipt, shape, output = found.receipt, ended.schedule.shape, found.output or b""
    good = sum(not kind.is_bad for kind in ended.kinds)
    if len(found.verdicts) != shape.shards:
        yield f"{len(found.verdicts)} verdicts for {shape.shards} shards"
    if (receipt.get("items_total"), receipt.get("items_published")) != (len(ended.kinds), good):
        yield f"the receipt says {receipt.get('items_published')} of {receipt.get('items_total')} items"
    charged, spent = receipt.get("worker_s", 0.0), sum(verdict["duration_s"] for verdict in found.verdicts)
    if abs(charged - spent) > 1e-3 * max(1.0, spent):
        yield f"charged {charged:.3f} s where the verdicts that count took {spent:.3f} s"
    named = {one["name"]: one for one in receipt.get("outputs", ())}
    if named.get("scores.txt", {}).get("sha256") != hashlib.sha256(output).hexdigest():
        yield "the receipt names another digest than that of the output"


def _of_a_cancelled_run(ended: Ended, found: Found) -> Iterator[str]:
    """Nothing is published, or everything: a run that was past its stitcher then succeeds."""
    if ended.status == "succeeded":
        yield from _of_a_run(ended, found)
        return
    if ended.status != "cancelled":
        yield f"it ended {ended.status}, not cancelled"
    if found.output is not None or found.manifest is not None:
        yield "outputs of a cancelled run are left"
    late = [after for after in committed_after(ended, found) if after > ON_THE_WAY_S]
    if late:
        yield f"{len(late)} verdicts were written after the cancellation was acknowledged, up to {late[-1]:.1f} s after"
    took = cancel_took(ended)
    if took is not None and took > CANCELLED_WITHIN_S:
        yield f"{took:.1f} s went by from the acknowledgement of the cancellation until nothing was left"


def cancel_took(ended: Ended) -> float | None:
    """Seconds from the acknowledgement of a cancellation until nothing was left; None when nothing was cancelled."""
    blow = next((blow for blow in ended.blows if blow.strike.action is Action.CANCEL), None)
    if blow is None or blow.until is None or ended.status != "cancelled":
        return None
    return max(0.0, ended.began_at + ended.wall_s - blow.until) + ended.quiet_s


def committed_after(ended: Ended, found: Found) -> list[float]:
    """How many seconds after the acknowledgement of a cancellation each further verdict was written."""
    acknowledged = next((blow.until for blow in ended.blows if blow.strike.action is Action.CANCEL), None)
    if acknowledged is None:
        return []
    ends = [datetime.fromisoformat(one["started_at"]).timestamp() + one["duration_s"] for one in found.verdicts]
    return sorted(end - acknowledged for end in ends if end > acknowledged)


def _items(quarantined: dict[str, Any]) -> list[int]:
    piece = quarantined.get("piece") or quarantined["shard"]
    return list(range(piece["first_item"], piece["first_item"] + piece["items"]))


def _settled_items(verdict: dict[str, Any]) -> range:
    return range(verdict["items_done"] + verdict["items_failed"])


def _difference(ours: bytes, theirs: bytes) -> str:
    mine, others = set(ours.splitlines()), set(theirs.splitlines())
    return f"{len(others - mine)} lines are missing, {len(mine - others)} are others"
