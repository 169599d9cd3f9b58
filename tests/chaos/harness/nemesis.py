"""Carries a schedule out on a run: waits for each moment, strikes, and writes down what was hit."""

import json
import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from azure.batch import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError

from harness.cloud import Cloud, wait_for
from harness.processes import Process, Role, family, kill_all
from harness.schedule import Action, Moment, Schedule, Stage, Strike
from harness.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """A strike that was carried out: when (seconds since 1970), and which processes it hit."""

    strike: Strike
    at: float
    hit: tuple[Process, ...] = ()
    answer: int | None = None
    """Of a cancellation: the status of the API's answer."""
    until: float | None = None
    """When it was over: a stopped process went on, the cloud was up again, the API had answered."""


@dataclass(kw_only=True)
class Nemesis:
    """Harms one run. Every strike waits on a thread of its own."""

    cloud: Cloud
    store: Store
    schedule: Schedule
    run_id: str
    blows: list[Blow] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _waiting: "list[Future[None]]" = field(default_factory=list)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "strike"))
    _restarting: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        """Lie in wait."""
        self._waiting = [self._threads.submit(self._strike, strike) for strike in self.schedule.strikes]

    def end(self) -> None:
        """The run is over: strikes whose moment has not come are given up, those under way are waited for."""
        self._over.set()
        for waiting in self._waiting:
            waiting.result()
        self._threads.shutdown()

    @property
    def busy(self) -> bool:
        """Whether a strike is still to come or under way."""
        return not all(waiting.done() for waiting in self._waiting)

    # --- when

    def _strike(self, strike: Strike) -> None:
        if self._await(strike.moment):
            self.blows.append(self._carry_out(strike))

    def _await(self, moment: Moment) -> bool:
        """Wait for a moment; False when the run was over before it came."""
        while not self._reached(moment):
            if self._over.wait(self.schedule.look_s):
                return False
        time.sleep(moment.delay_s)
        return True

    def _reached(self, moment: Moment) -> bool:
        match moment.stage:
            case Stage.DROPPED:
                return True
            case Stage.PLANNING:
                return bool(self.cloud.processes(Role.PLANNER))
            case Stage.SCORING:
                return self.store.exists("runs", f"{self.run_id}/verdicts/{moment.verdict:06d}.json")
            case Stage.STITCHING:
                return bool(self.cloud.processes(Role.STITCHER))
            case Stage.ENDED:
                return self.store.exists("runs", f"{self.run_id}/receipt.json")

    # --- what

    def _carry_out(self, strike: Strike) -> Blow:
        match strike.action:
            case Action.KILL:
                return self._kill(strike)
            case Action.KILL_ALL:
                return self._kill_all(strike)
            case Action.STOP:
                return self._stop(strike)
            case Action.CANCEL:
                return self._cancel(strike)
            case Action.OUTAGE:
                return self._outage(strike)
            case _:
                return self._trouble(strike)

    def _targets(self, strike: Strike) -> list[Process]:
        """One process of the role, and what it started; none when there is no such process."""
        everybody = self.cloud.processes()
        found = sorted((one for one in everybody if one.role is strike.role), key=lambda one: one.pid)
        if not found and strike.role is Role.WORKER_CHILD:
            found = sorted((one for one in everybody if one.role is Role.WORKER), key=lambda one: one.pid)
        if not found:
            return []
        chosen = found[int(strike.share * len(found)) % len(found)]
        return [chosen, *(one for one in family([chosen], everybody) if one.pid != chosen.pid)]

    def _kill(self, strike: Strike) -> Blow:
        """The process itself alone: what it started must notice."""
        hit = self._targets(strike)
        at = time.time()
        if hit:
            hit[0].send(signal.SIGKILL)
        return Blow(strike=strike, at=at, hit=tuple(hit))

    def _stop(self, strike: Strike) -> Blow:
        """The process and what it started: a machine that pauses."""
        hit, at = self._targets(strike), time.time()
        for process in hit:
            process.send(signal.SIGSTOP)
        time.sleep(strike.for_s)
        for process in hit:
            process.send(signal.SIGCONT)
        return Blow(strike=strike, at=at, hit=tuple(hit), until=time.time())

    def _kill_all(self, strike: Strike) -> Blow:
        """All at once but Azurite, which saves and ends when its supervisor is gone; then start again."""
        with self._restarting:
            hit = [one for one in self.cloud.processes() if one.role is not Role.AZURITE]
            at = time.time()
            kill_all(hit)
            wait_for(lambda: not self.cloud.processes(), within_s=60, what="all have ended with the supervisor")
            self.cloud.up()
            return Blow(strike=strike, at=at, hit=tuple(hit), until=time.time())

    def _cancel(self, strike: Strike) -> Blow:
        at = time.time()
        status = self._post(f"{self.cloud.url}/api/runs/{self.run_id}/cancel")
        return Blow(strike=strike, at=at, answer=status, until=time.time())

    def _outage(self, strike: Strike) -> Blow:
        file, at = self.cloud.outage_file, time.time()
        file.write_text("refuse")
        time.sleep(strike.for_s)
        file.unlink(missing_ok=True)
        return Blow(strike=strike, at=at, until=time.time())

    def _trouble(self, strike: Strike) -> Blow:
        """What the emulators are told to do."""
        at = time.time()
        with suppress(httpx.HTTPError, AzureError, KeyError):  # an emulator that is being started again
            match strike.action:
                case Action.EVICT:
                    self._evict(strike, all_of_them=False)
                case Action.REFUSE_NODES:
                    self._evict(strike, all_of_them=True)
                case Action.CONTAINER_TROUBLE:
                    self._script("arm", _container_rules(strike))
                case Action.BATCH_TROUBLE:
                    self._script("batch", _batch_rules(strike))
        return Blow(strike=strike, at=at, until=time.time())

    def _evict(self, strike: Strike, *, all_of_them: bool) -> None:
        settings = self.cloud.settings
        url, pool = settings["BatchAccountUrl"], settings["BatchPoolId"]
        credential = AzureNamedKeyCredential(settings["BatchAccountName"], settings["BatchAccountKey"])
        with BatchClient(url, credential, retry_total=0) as batch:
            nodes = sorted(node.id for node in batch.list_nodes(pool))
        chosen = nodes if all_of_them else nodes[: 1 + int(strike.share * len(nodes)) % max(1, len(nodes))][-1:]
        for node in chosen:
            address = f"{url}/_emulator/pools/{pool}/nodes/{node}/evict"
            httpx.post(address, json={"returnAfterSeconds": strike.for_s}, timeout=10)

    def _script(self, service: str, rules: list[dict[str, Any]]) -> None:
        address = self.cloud.written["endpoints"][service]
        script = {"seed": self.schedule.seed, "rules": rules}
        httpx.put(f"{address}/_emulator/faults", content=json.dumps(script), timeout=10)

    def _post(self, url: str) -> int:
        """Ask until the host answers."""
        deadline = time.monotonic() + 60
        while True:
            try:
                status = httpx.post(url, timeout=10).status_code
            except httpx.HTTPError:
                status = 503
            if status < 500 and status != 404:
                return status
            if time.monotonic() > deadline:
                return status
            time.sleep(0.05)


def _container_rules(strike: Strike) -> list[dict[str, Any]]:
    """The next container is refused, is pulled slowly, is not started, or dies half way."""
    late = [0.0, max(0.1, strike.for_s / 4)]
    choices: list[list[dict[str, Any]]] = [
        [{"on": "group_creating", "do": "fail", "code": "ContainerGroupQuotaReached", "times": 2}],
        [{"on": "container_starting", "do": "delay", "after_s": [strike.for_s / 2, strike.for_s]}],
        [{"on": "container_started", "do": "kill", "after_s": late}],
        [{"on": "request", "match": "PUT *", "do": "lose_answer", "times": 2}],
    ]
    return choices[int(strike.share * 4) % 4]


def _batch_rules(strike: Strike) -> list[dict[str, Any]]:
    """Requests are refused or their answers lost; workers die right after their start; nodes come late."""
    choices: list[list[dict[str, Any]]] = [
        [{"on": "request", "match": "* /jobs*", "do": "answer", "status": 503, "chance": 0.5, "times": 10}],
        [{"on": "request", "match": "POST /jobs*", "do": "lose_answer", "times": 2}],
        [{"on": "task_started", "do": "kill", "after_s": [0.0, strike.for_s], "times": 2}],
        [{"on": "node_allocating", "do": "delay", "after_s": [0.5, strike.for_s], "times": 4}],
    ]
    return choices[int(strike.share * 4) % 4]
