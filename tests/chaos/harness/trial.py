"""Runs of many seeds, one after the other in the same cloud, each judged."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from harness.checks import Found, cancel_took, committed_after, violations
from harness.cloud import Cloud, CloudError
from harness.drive import Ended, drive
from harness.figures import Result, hits, recoveries
from harness.redrive import redriven
from harness.schedule import Schedule, Shape
from harness.store import Store


@dataclass(kw_only=True)
class Trial:
    """A cloud for as many runs as it can take: a new one where the weather is another, or a run did not end.

    Use it as a context. What it leaves in `keep` (logs of clouds in which something was wrong) stays.
    """

    keep: Path | None = None
    nodes: int = 2
    _folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="dropscore-chaos-")))
    _cloud: Cloud | None = None
    _store: Store | None = None
    _clouds: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def results(self, schedules: Iterable[Schedule]) -> Iterator[Result]:
        """Run each schedule, and judge it."""
        for schedule in schedules:
            yield self.result(schedule)

    def result(self, schedule: Schedule) -> Result:
        """Run one schedule, and judge it."""
        strikes = tuple(str(strike) for strike in schedule.strikes)
        try:
            cloud, store = self._under(schedule.weather)
            ended = drive(cloud, store, schedule)
            result = _judged(ended, Found.read(store, ended.run_id), strikes)
            if schedule.redriven:
                result = replace(result, wrong=(*result.wrong, *redriven(cloud, store, ended)))
        except CloudError as error:
            result = Result(
                name=schedule.name, strikes=strikes, hits=0, wrong=(str(error),), wall_s=float("nan"), quiet_s=0.0
            )
        if not result.passed:
            self._keep_evidence(schedule)
        if any(wrong.startswith(("not within", "left behind")) for wrong in result.wrong):
            self._drop()
        return result

    def down(self) -> None:
        """Stop the cloud as a user does. Raises `CloudError` when a process is left."""
        if self._cloud is not None:
            cloud, self._cloud = self._cloud, None
            try:
                cloud.down()
            finally:
                cloud.kill_everything()

    def _under(self, weather: str) -> tuple[Cloud, Store]:
        """The cloud of this weather, warm: its workers run."""
        if self._cloud is None or self._store is None or self._cloud.weather != weather:
            self.down()
            self._drop()
            self._clouds += 1
            self._cloud = Cloud.at(self._folder / f"cloud-{self._clouds}", nodes=self.nodes, weather=weather)
            self._cloud.up()
            self._store = Store.of(self._cloud.settings)
            drive(
                self._cloud,
                self._store,
                Schedule(kind="warm", seed=self._clouds, shape=Shape(shards=20), weather=weather),
            )
        return self._cloud, self._store

    def _drop(self) -> None:
        if self._store is not None:
            self._store.close()
        if self._cloud is not None:
            self._cloud.kill_everything()
        self._cloud = self._store = None

    def _keep_evidence(self, schedule: Schedule) -> None:
        if self.keep is None or self._cloud is None:
            return
        folder = self.keep / schedule.name
        with suppress(OSError):
            shutil.copytree(self._cloud.home.root / "logs", folder / "logs", dirs_exist_ok=True)
            shutil.copytree(self._cloud.home.root / "journal", folder / "journal", dirs_exist_ok=True)
            shutil.copytree(self._cloud.home.root / "batch", folder / "batch", dirs_exist_ok=True)
            (folder / "printed.txt").write_text("".join(self._cloud.lines))


def _judged(ended: Ended, found: Found, strikes: tuple[str, ...]) -> Result:
    return Result(
        name=ended.schedule.name,
        strikes=strikes,
        hits=hits(ended.blows),
        wrong=tuple(violations(ended, found)),
        wall_s=ended.wall_s,
        quiet_s=ended.quiet_s,
        recoveries_s=tuple(recoveries(ended)),
        scored_again=ended.history.scored_again,
        executed_twice=ended.history.executed_twice,
        cancel_s=cancel_took(ended),
        committed_after_s=tuple(committed_after(ended, found)),
    )
