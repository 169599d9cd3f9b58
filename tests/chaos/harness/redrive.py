"""The second half of a redriven run: what was broken is mended, and its replay must score exactly what had failed."""

import time
from collections import Counter
from collections.abc import Iterator

import httpx
from chaos_lines.journal import MENDED
from chaos_lines.lines import Kind

from harness.checks import expected_output
from harness.cloud import Cloud, wait_for
from harness.drive import Ended, has_ended, limit_of
from harness.journal import History
from harness.store import Store


def redriven(cloud: Cloud, store: Store, ended: Ended) -> list[str]:
    """Mend what is broken, replay the run, and say what is not as it must be. Raises `CloudError` if it never ends."""
    (ended.journal / MENDED).touch()
    began = time.time()
    run_id = _replay(cloud, ended.run_id)
    wait_for(lambda: has_ended(store, run_id), within_s=limit_of(ended.schedule), what=f"{run_id} ends", why=cloud.tail)
    state = store.document("runs", f"{run_id}/state.json") or {}
    output = store.get("outputs", f"{run_id}/scores.txt")
    again = Counter(
        one.first for one in History.read(ended.journal).entries if one.at > began and one.event == "scored"
    )
    failed = [one["failure"] for _, one in store.documents("runs", f"{run_id}/quarantine/")]
    told = [f"in quarantine again: {why['code']} {why['message']} {why.get('detail') or ''}"[:500] for why in failed]
    return [*_wrong(ended, str(state["status"]), output, again), *told]


def _replay(cloud: Cloud, run_id: str) -> str:
    """Ask for the replay as a user does."""
    headers = {"Idempotency-Key": f"redrive-{run_id}"}
    answer = httpx.post(f"{cloud.url}/api/runs/{run_id}/replay", headers=headers, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["run_id"])


def _wrong(ended: Ended, status: str, output: bytes | None, again: Counter[int]) -> Iterator[str]:
    broken = {item for item, kind in enumerate(ended.kinds) if kind is Kind.BROKEN}
    if status != "succeeded":
        yield f"the replay ended {status}"
    if set(again) != broken or max(again.values(), default=0) > 1:
        twice = sum(count > 1 for count in again.values())
        yield (
            f"the replay scored {len(again)} items, {twice} of them twice: {len(broken - set(again))} of the "
            f"{len(broken)} broken ones are missing, {len(set(again) - broken)} had been scored before"
        )
    whole = expected_output(ended.kinds, mended=True)
    if output != whole:
        yield f"the replay's output is not that of a run in which nothing was broken: {len(output or b'')} bytes"
