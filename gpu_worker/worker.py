"""The resident loop: lease shards, start them, see them settled, leave when told to or when idle."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dropscore.contracts.errors import ContractError, DropscoreError
from dropscore.contracts.messages import read_shard
from dropscore.contracts.plan import ShardMessage
from gpu_worker.board import Board
from gpu_worker.caretaker import Caretaker, Watch
from gpu_worker.exits import Exit
from gpu_worker.families import Families, Family, Member
from gpu_worker.job import Job, Stop
from gpu_worker.junk import Pace as JunkPace
from gpu_worker.lanes import Wanted
from gpu_worker.leases import Lease
from gpu_worker.sides import Desk, Scoring

log = logging.getLogger(__name__)

STORAGE_PAUSE_S = 1.0
"""Wait after storage did not answer."""
TICK_S = 0.05
"""Longest wait while shards are under way."""
MOST_SETTLING = 8
"""Shards whose parts are being uploaded; above this no new ones start."""
GRACE_S = 5.0
"""Longest time a leaving worker takes for what is nearly done."""
PUBLISHERS = MOST_SETTLING


class Worker:
    """One resident worker. `run` returns when it leaves; `leave` may be called from any thread.

    `end` ends the process at once, where a keeper sees to what it held; without it a worker that hangs gives back
    what it can, and leaves.
    """

    def __init__(self, desk: Desk, *, idle_exit_s: float, end: Callable[[Exit], None] | None = None) -> None:
        self._desk = desk
        self._end = end or self.leave
        self._idle_exit_s = idle_exit_s
        self._leaving: Exit | None = None
        self._wake = threading.Event()
        self._scoring: Scoring | None = None
        self._publishers = ThreadPoolExecutor(PUBLISHERS, thread_name_prefix="publish")
        self._stage_threads = ThreadPoolExecutor(thread_name_prefix="stage", max_workers=64)
        self._settling = 0
        self._guard = threading.Lock()
        self._worked_at = desk.clock.monotonic()
        self._resting = False
        self._caretaker = Caretaker(self._look_after)
        self._families = Families(
            desk.clock,
            begin=self._begin_piece,
            hand_on=self._hand_on,
            let_go=self._let_go,
            give_back=self._forget_and_give_back,
        )

    def leave(self, why: Exit) -> None:
        """Stop leasing, finish what is nearly done, give the rest back. The first reason is the exit code."""
        if self._leaving is None:
            self._leaving = why
            log.info("Leaves: %s.", why.name.lower(), extra={"action": "leaving"})
        self._wake.set()

    def run(self, coming: "Future[Scoring]") -> Exit:
        """Lease and score until it is time to leave. Messages are leased while the device side is still coming."""
        self._desk.heartbeat.start()
        try:
            self._wait_for(coming)
            while self._leaving is None:
                self._step()
        finally:
            self._wind_down()
        return self._leaving

    # --- starting

    def _wait_for(self, coming: "Future[Scoring]") -> None:
        coming.add_done_callback(lambda _: self._wake.set())
        while self._leaving is None and not coming.done():
            if not (len(self._desk.lanes) and self._desk.hesitant):
                self._fill(Wanted(room=1, shard_s=None))
            self._pause(min(TICK_S, self._desk.lanes.wait_s or TICK_S))
        if self._leaving is None:
            self._scoring = coming.result()
            for number in range(self._scoring.lanes):
                threading.Thread(target=self._scoring.stages.lane, name=f"lane-{number}", daemon=True).start()
            self._caretaker.start()
            self._scoring.signs.start(self._at_work)
            log.info("Ready.", extra={"action": "ready"})

    # --- one round

    @property
    def _ready(self) -> Scoring:
        assert self._scoring is not None
        return self._scoring

    def _step(self) -> None:
        assert self._scoring is not None
        self._families.look(self._scoring.board.has_place)
        while self._room() and (lease := self._desk.lanes.next()) is not None:
            self._start(self._scoring, lease)
        busy = self._busy()
        self._desk.junk.set_pace(self._junk_pace(busy=busy))
        wanted = Wanted(room=self._room(), shard_s=self._scoring.pace.shard_s, idle=not busy)
        if not (busy and self._may_die()) and self._fill(wanted):
            return
        if busy:
            self._scoring.board.wait_change(TICK_S)
        else:
            self._rest()
            self._pause(max(0.001, min(self._desk.lanes.wait_s, 1.0)))

    def _junk_pace(self, *, busy: bool) -> JunkPace:
        """Unreadable messages are put aside beside work slowly, and not while a flood of them is gone through."""
        if busy:
            return JunkPace.SLOW
        return JunkPace.NONE if self._desk.lanes.flooded else JunkPace.FAST

    def _room(self) -> int:
        assert self._scoring is not None
        return self._scoring.board.room() if self._settling < MOST_SETTLING else 0

    def _busy(self) -> bool:
        assert self._scoring is not None
        busy = self._at_work()
        if busy:
            self._worked_at, self._resting = self._desk.clock.monotonic(), False
        return busy

    def _may_die(self) -> bool:
        """Whether something is tried that has ended processes. Nothing is leased meanwhile beside what there is to do:
        messages on their way to a process that dies are seen by nobody until their lease has run out.
        """
        return self._desk.hesitant or self._families.in_danger() or any(job.alone for job in self._ready.board.jobs())

    def _at_work(self) -> bool:
        assert self._scoring is not None
        return bool(len(self._desk.lanes) or self._settling or len(self._families) or self._scoring.board.jobs())

    def _rest(self) -> None:
        """Nothing is left here: keep the logs, and leave when it has been so for long."""
        assert self._scoring is not None
        self._desk.logs.store(self._desk.blobs)
        if not self._resting:
            self._resting = True
            self._scoring.pace.write()
        if self._desk.clock.monotonic() - self._worked_at >= self._idle_exit_s:
            self.leave(Exit.IDLE)

    def _fill(self, wanted: Wanted) -> bool:
        try:
            return self._desk.lanes.fill(wanted)
        except DropscoreError as error:
            log.warning("Cannot lease: %s", error, extra={"action": "lease_failed"})
            self._pause(STORAGE_PAUSE_S)
            return False

    def _pause(self, seconds: float) -> None:
        """Wait this long, or until something calls for the loop."""
        self._wake.wait(seconds)
        self._wake.clear()

    # --- one shard

    def _start(self, scoring: Scoring, lease: Lease) -> None:
        try:
            message = read_shard(lease.message.body)
        except ContractError as error:
            self._put_aside(scoring, lease, str(error))
            return
        self._begin(lease, message)

    def _begin(self, lease: Lease, message: ShardMessage, **more: Any) -> None:
        clock = self._desk.clock
        job = Job(lease=lease, message=message, started_at=clock.monotonic(), started_on=clock.now(), **more)
        self._desk.nudges.leased(job.run_id)
        self._ready.board.add(job)
        self._stage_threads.submit(self._ready.stages.source, job)
        self._stage_threads.submit(self._ready.stages.sink, job)

    def _begin_piece(self, family: Family, member: Member) -> None:
        family.lease.narrow(member.note)
        self._begin(
            family.lease, member.message, family=family, attempts=member.known, own_deliveries=member.deliveries
        )

    def _let_go(self, lease: Lease) -> None:
        self._ready.settling.forget(lease)

    def _forget_and_give_back(self, lease: Lease) -> None:
        self._desk.heartbeat.forget(lease)
        self._give_back(lease)

    def _hand_on(self, family: Family, members: list[Member]) -> None:
        def send() -> None:
            self._ready.settling.hand_on(family, members)
            self._settled(family.lease, family)

        self._count_settling(1)
        self._publishers.submit(send)

    def _put_aside(self, scoring: Scoring, lease: Lease, reason: str) -> None:
        def move() -> None:
            try:
                scoring.settling.poison(lease, reason)
            except DropscoreError as error:
                log.warning("A malformed message stays for now: %s", error, extra={"action": "poison_failed"})
            self._settled(lease)

        self._count_settling(1)
        self._publishers.submit(move)

    def ended(self, job: Job) -> None:
        """All stages of a shard have ended (called by the board, with its lock held)."""
        job.lease.note.over()
        self._count_settling(1)
        self._publishers.submit(self._settle, job)

    def _settle(self, job: Job) -> None:
        assert self._scoring is not None
        try:
            settled = self._scoring.settling.settle(job)
            if settled.has_verdict:
                with self._guard:
                    self._desk.will.count_settled()
                    self._scoring.signs.settled(len(job.items))
            self._scoring.pace.ended(job, settled.publish_s)
            if self._desk.nudges.gone(job.run_id, settled=settled.has_verdict):
                self._desk.logs.store(self._desk.blobs)
            if settled.device_lost:
                self.leave(Exit.DEVICE_LOST)
            if job.model is not None:
                self._scoring.models.release(job.model)
        finally:
            self._settled(job.lease, job.family)

    def _settled(self, lease: Lease, family: Family | None = None) -> None:
        if family is None or self._families.over(family, leaving=self._leaving is not None):
            self._desk.heartbeat.forget(lease)
        self._count_settling(-1)
        self._wake.set()
        self._ready.board.wake()

    def _count_settling(self, change: int) -> None:
        with self._guard:
            self._settling += change

    # --- looking after

    def _look_after(self) -> None:
        assert self._scoring is not None
        scoring = self._scoring
        watch = Watch(
            board=scoring.board, marks=self._desk.marks, clock=self._desk.clock, hung=lambda: self._end(Exit.HUNG)
        )
        watch.look()

    # --- leaving

    def _wind_down(self) -> None:
        """Give every lease back at once, but for shards that are nearly done; wait for those a little."""
        for lease in (*self._desk.lanes.drain(), *self._families.resting()):
            self._publishers.submit(self._give_back, lease)
        if self._scoring is not None:
            self._scoring.board.close()
            for job in self._scoring.board.jobs():
                if not job.nearly_done:
                    self._scoring.board.stop(job, Stop.LEAVING)
                    self._publishers.submit(self._give_back, job.lease)
            self._wait_until_done(self._scoring.board)
            self._caretaker.stop()
            self._scoring.pace.write()
            self._scoring.signs.leave()
        self._desk.junk.stop()
        self._publishers.shutdown(wait=self._leaving is not Exit.HUNG)
        self._stage_threads.shutdown(wait=False)
        self._desk.heartbeat.stop()
        self._desk.logs.store(self._desk.blobs, now=True)

    def _wait_until_done(self, board: Board) -> None:
        deadline = self._desk.clock.monotonic() + GRACE_S
        while (board.jobs() or self._settling) and self._desk.clock.monotonic() < deadline:
            board.wait_change(TICK_S)

    def _give_back(self, lease: Lease) -> None:
        try:
            lease.release()
        except DropscoreError as error:
            log.warning("A message was not given back: %s", error, extra={"action": "release_failed"})
