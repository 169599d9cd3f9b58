"""Runs this product through the same trial: a run of as many shards of one item, on as many workers."""

import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.peers_kill.trial import Outcome, Trial

TESTS = Path(__file__).parents[2] / "tests" / "chaos"
sys.path += [str(TESTS), str(TESTS / "workload")]

from chaos_lines.lines import Kind, file_of  # noqa: E402 - the harness of the chaos tests and its workload
from harness.checks import expected_output  # noqa: E402
from harness.cloud import Cloud, running_cloud, wait_for  # noqa: E402
from harness.figures import median, quantile  # noqa: E402
from harness.journal import History  # noqa: E402
from harness.processes import Role, family, kill_all  # noqa: E402
from harness.store import Store  # noqa: E402

TITLE = "dropscore, defaults but a lease of 4 s"
LEASE_S = 4.0


def run_product(trial: Trial) -> Outcome:
    """The product through one trial. Its wall time includes planning and stitching."""
    with (
        tempfile.TemporaryDirectory(prefix="dropscore-peers-") as folder,
        running_cloud(Path(folder) / "home", nodes=trial.workers) as cloud,
    ):
        store = Store.of(cloud.settings)
        store.put("inputs", "items.lines", file_of([Kind.GOOD] * trial.items))
        store.put("inputs", "warm.lines", file_of([Kind.GOOD] * trial.workers * 4))
        _end_of(store, _start(store, "warm", trial, Path(folder) / "warm"), cloud, trial.cap_s)
        try:
            return _timed(cloud, store, trial, Path(folder) / "journal")
        finally:
            store.close()


def _timed(cloud: Cloud, store: Store, trial: Trial, journal: Path) -> Outcome:
    killer = Killer(cloud, trial, journal)
    began = time.time()
    run_id = _start(store, "items", trial, journal)
    killer.begin()
    try:
        _end_of(store, run_id, cloud, trial.cap_s)
    finally:
        ended = time.time()
        killer.end()
    output = store.get("outputs", f"{run_id}/scores.txt") or b""
    wanted = expected_output([Kind.GOOD] * trial.items)
    history = History.read(journal)
    done = max((entry.at for entry in history.entries if entry.event == "closed"), default=began)
    same = "every output byte equal" if output == wanted else "OUTPUT IS NOT EQUAL"
    return Outcome(
        system=TITLE,
        seed=trial.seed,
        items=trial.items,
        unfinished=trial.items - len(set(output.splitlines()) & set(wanted.splitlines())),
        run_again=len(history.opened_again),
        wall_s=ended - began if output == wanted else None,
        last_s=done - began,
        kills=len(killer.deaths),
        note=f"{same}; with planning and stitching{_recovery(killer, history)}",
    )


def _recovery(killer: "Killer", history: History) -> str:
    """How long an item that a killed worker was scoring waited until another began with it."""
    cut = [(one, at, dead) for at, dead in killer.deaths for pid in dead for one in history.at_work(pid, at)]
    again = [(history.taken_up(one, after=at, not_by=dead), at) for one, at, dead in cut]
    waits = sorted(taken - at for taken, at in again if taken is not None)
    if not waits:
        return ""
    spread = f"{median(waits):.1f} / {quantile(waits, 0.95):.1f} / {waits[-1]:.1f} s"
    return f"; begun again p50 / p95 / most {spread} after the kill, of {len(waits)}"


class Killer:
    """Kills workers as the trial says, from the first item on."""

    def __init__(self, cloud: Cloud, trial: Trial, journal: Path) -> None:
        self._cloud = cloud
        self._trial = trial
        self._journal = journal
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.deaths: list[tuple[float, set[int]]] = []
        """When, in seconds since 1970, and the processes that ended then."""

    def begin(self) -> None:
        """Start waiting for the first item."""
        self._thread.start()

    def end(self) -> None:
        """No more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set() and not any(self._journal.glob("*.jsonl")):
            time.sleep(0.02)
        began = time.monotonic()
        for at, slot in self._trial.deaths():
            if self._over.wait(max(0.0, began + at - time.monotonic())):
                return
            self._kill(slot)

    def _kill(self, slot: int) -> None:
        """A whole worker: its keeper and what that has started. With none alive there is none to kill."""
        everybody = self._cloud.processes()
        roots = sorted((one for one in everybody if one.role is Role.WORKER), key=lambda one: one.pid)
        if roots:
            ended = family([roots[slot % len(roots)]], everybody)
            self.deaths.append((time.time(), {process.pid for process in ended}))
            kill_all(ended)


def _start(store: Store, name: str, trial: Trial, journal: Path) -> str:
    from dropscore.contracts.identity import run_id_of_trigger

    request: dict[str, Any] = {
        "workload": "chaos_lines",
        "inputs": [f"{name}.lines"],
        "options": {
            "shard_items": 1,
            "item_ms": trial.mean_s * 1000,
            "uneven": True,
            "one_at_a_time": True,
            "journal": str(journal),
        },
        "policy": {"lease_s": LEASE_S, "max_workers": trial.workers},
    }
    etag = store.put("triggers", f"{name}.json", json.dumps(request).encode())
    return run_id_of_trigger("dropscoredata", f"{name}.json", etag)


def _end_of(store: Store, run_id: str, cloud: Cloud, limit_s: float) -> None:
    def ended() -> bool:
        state = store.document("runs", f"{run_id}/state.json")
        return state is not None and state["status"] in ("succeeded", "succeeded_with_gaps", "failed")

    wait_for(ended, within_s=limit_s, what=f"{run_id} ends", why=cloud.tail)
