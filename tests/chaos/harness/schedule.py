"""What is done to a run: a schedule drawn from one integer, the same each time.

A schedule names moments by what the run is doing (its 117th verdict is written, its stitcher has started), not by the
clock, so that it means the same on a slow machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random

from chaos_lines.lines import Kind

from harness.processes import Role

CALM = "rate=0"
"""The weather in which storage answers."""


class Stage(StrEnum):
    """What a moment is counted from."""

    DROPPED = "dropped"
    PLANNING = "planning"
    SCORING = "scoring"
    """A certain verdict is written."""
    STITCHING = "stitching"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When to strike: `delay_s` after a stage is reached; `verdict` is the number of the shard for `SCORING`."""

    stage: Stage
    delay_s: float
    verdict: int = 0

    def __str__(self) -> str:
        which = f" of shard {self.verdict}" if self.stage is Stage.SCORING else ""
        return f"{self.stage}{which} + {self.delay_s:.2f} s"


class Action(StrEnum):
    """What to do."""

    KILL = "kill"
    KILL_ALL = "kill-all"
    """Everything of ours at once, the supervisor too; then the cloud is started again."""
    STOP = "stop"
    """SIGSTOP, and SIGCONT `for_s` later."""
    EVICT = "evict"
    """Take a node away, with no notice; it comes back `for_s` later."""
    REFUSE_NODES = "refuse-nodes"
    """Take all nodes away, and refuse new ones for a while."""
    CONTAINER_TROUBLE = "container-trouble"
    """The next container is refused, slow, or dies half way."""
    BATCH_TROUBLE = "batch-trouble"
    """Batch refuses requests, or loses its answers."""
    OUTAGE = "outage"
    """No process reaches storage for `for_s`."""
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One harm. `share` (0 to 1) decides what is left open, such as which of two workers."""

    action: Action
    moment: Moment
    role: Role | None = None
    for_s: float = 0.0
    share: float = 0.0

    def __str__(self) -> str:
        lasting = f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.action}{f' {self.role}' if self.role else ''}{lasting} at {self.moment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The run itself. `bad` says how many items of each kind there are among the good ones."""

    shards: int = 200
    shard_items: int = 5
    item_ms: float = 2.0
    lease_s: float = 2.0
    stall_s: float = 6.0
    bad: Mapping[Kind, int] = field(default_factory=dict)
    apart: bool = False
    """Whether no two bad items are in the same shard."""

    @property
    def items(self) -> int:
        """Items in all."""
        return self.shards * self.shard_items


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What happens to one run. `copies` are the deliveries of its trigger event."""

    kind: str
    seed: int
    shape: Shape
    strikes: tuple[Strike, ...] = ()
    copies: int = 1
    weather: str = CALM
    """A line for the storage faults that the cloud is started with."""
    look_s: float = 0.02
    """Time between two looks whether the moment of a strike has come. A large run asks less often, since every look is
    a request to the same storage that it needs itself.
    """
    redriven: bool = False
    """Whether what is wrong with the bad items is mended once the run has ended, and the run replayed."""

    @property
    def name(self) -> str:
        """For run ids and messages."""
        return f"{self.kind}-{self.seed}"

    def kinds(self) -> list[Kind]:
        """What each item is."""
        random = Random(f"items/{self.kind}/{self.seed}")
        kinds = [Kind.GOOD] * self.shape.items
        places = self._places(random, sum(self.shape.bad.values()))
        for kind, count in self.shape.bad.items():
            for _ in range(count):
                kinds[places.pop()] = kind
        return kinds

    def _places(self, random: Random, count: int) -> list[int]:
        """Where the bad items are."""
        if not self.shape.apart:
            return random.sample(range(self.shape.items), count)
        size = self.shape.shard_items
        return [shard * size + random.randrange(size) for shard in random.sample(range(self.shape.shards), count)]

    @property
    def again(self) -> str:
        """The command that does the same again."""
        return f"make chaos KIND={self.kind} SEEDS={self.seed}"


SHARDS = 200

KILLED: Sequence[Role | None] = (
    Role.WORKER,
    Role.WORKER_CHILD,
    Role.PLANNER,
    Role.STITCHER,
    Role.HOST,
    Role.BATCH,
    Role.CONTAINERS,
    Role.BATCH_KEEPER,
    Role.CONTAINERS_KEEPER,
    None,
)
"""What `kill` draws from; None is everything at once."""
STOPPED = (
    Role.WORKER,
    Role.WORKER,
    Role.WORKER,
    Role.WORKER_CHILD,
    Role.PLANNER,
    Role.STITCHER,
    Role.HOST,
    Role.BATCH,
    Role.CONTAINERS,
    Role.AZURITE,
)
MOST_LEASES = 3.0
"""Longest stop, in leases."""


def _kill(random: Random, shape: Shape) -> Strike:
    role = random.choice(KILLED)
    action = Action.KILL_ALL if role is None else Action.KILL
    return Strike(action=action, role=role, moment=_moment(random, shape, role), share=random.random())


def _stop(random: Random, shape: Shape) -> Strike:
    role = random.choice(STOPPED)
    for_s = random.uniform(0.25, MOST_LEASES) * shape.lease_s
    return Strike(
        action=Action.STOP, role=role, moment=_moment(random, shape, role), for_s=for_s, share=random.random()
    )


def _cloud(random: Random, shape: Shape) -> Strike:
    """What the services of the cloud do to their customers."""
    action = random.choice((Action.EVICT, Action.REFUSE_NODES, Action.CONTAINER_TROUBLE, Action.BATCH_TROUBLE))
    if action is Action.CONTAINER_TROUBLE:
        moment = Moment(stage=random.choice((Stage.DROPPED, Stage.SCORING)), delay_s=0.0)
    else:
        moment = _moment(random, shape, Role.WORKER)
    return Strike(action=action, moment=moment, for_s=random.uniform(0.5, 4.0), share=random.random())


def _outage(random: Random, shape: Shape) -> Strike:
    return Strike(action=Action.OUTAGE, moment=_moment(random, shape, None), for_s=random.uniform(0.5, 6.0))


def _moment(random: Random, shape: Shape, role: Role | None) -> Moment:
    """A moment at which a process of this role lives."""
    if role is Role.PLANNER:
        return Moment(stage=Stage.PLANNING, delay_s=random.uniform(0.0, 0.6))
    if role is Role.STITCHER:
        return Moment(stage=Stage.STITCHING, delay_s=random.uniform(0.0, 1.0))
    scoring = Moment(
        stage=Stage.SCORING, delay_s=random.uniform(0.0, 0.2), verdict=random.randrange(max(1, shape.shards * 9 // 10))
    )
    if role in (Role.WORKER, Role.WORKER_CHILD):
        return scoring
    stage = random.choices(tuple(Stage), weights=(2, 2, 5, 2, 1))[0]
    return scoring if stage is Stage.SCORING else Moment(stage=stage, delay_s=random.uniform(0.0, 0.8))


def kill(seed: int, shards: int = SHARDS) -> Schedule:
    """One process of ours, or all of them at once, ends by SIGKILL (R1)."""
    random, shape = Random(f"kill/{seed}"), Shape(shards=shards)
    strike = _kill(random, shape)
    if strike.role in (Role.WORKER, Role.WORKER_CHILD):
        shape = replace(shape, item_ms=20.0)  # so that it is killed in the middle of a shard, and R4 can be measured
    return Schedule(kind="kill", seed=seed, shape=shape, strikes=(strike,))


def stop(seed: int, shards: int = SHARDS) -> Schedule:
    """One or two processes are stopped for up to three leases, Azurite among them (R2)."""
    random, shape = Random(f"stop/{seed}"), Shape(shards=shards, item_ms=4.0)
    strikes = tuple(_stop(random, shape) for _ in range(random.choice((1, 2))))
    return Schedule(kind="stop", seed=seed, shape=shape, strikes=strikes)


def storage(seed: int, shards: int = 60) -> Schedule:
    """A fifth of all requests to storage fails in every process, some of them after they took effect (R3)."""
    weather = f"seed={seed},rate=0.2,slow=0.3,retry_after=0.2"
    return Schedule(kind="storage", seed=seed, shape=Shape(shards=shards), weather=weather)


def cloud(seed: int, shards: int = SHARDS) -> Schedule:
    """Nodes are evicted and refused, containers are refused, slow or die, Batch refuses requests and loses answers."""
    random, shape = Random(f"cloud/{seed}"), Shape(shards=shards)
    strikes = tuple(_cloud(random, shape) for _ in range(random.choice((1, 2, 3))))
    return Schedule(kind="cloud", seed=seed, shape=shape, strikes=strikes)


def poison(seed: int, shards: int = 60) -> Schedule:
    """Nothing from outside: items are bad in every way there is, some of them end the process that scores them."""
    bad = {Kind.CORRUPT: 3, Kind.RAISES: 3, Kind.NAN: 2, Kind.SEGFAULTS: 1, Kind.KILLS: 1, Kind.KILLS_ONCE: 1}
    return Schedule(kind="poison", seed=seed, shape=Shape(shards=shards, shard_items=8, bad=bad))


def redrive(seed: int, shards: int = SHARDS) -> Schedule:
    """One shard in twenty has an item that cannot be scored; what is wrong is mended, and the run replayed (R8)."""
    shape = Shape(shards=shards, bad={Kind.BROKEN: max(1, shards // 20)}, apart=True)
    return Schedule(kind="redrive", seed=seed, shape=shape, redriven=True)


def hangs(seed: int, shards: int = 30) -> Schedule:
    """Nothing from outside: one item never comes back."""
    return Schedule(kind="hangs", seed=seed, shape=Shape(shards=shards, shard_items=4, bad={Kind.HANGS: 1}))


def mixed(seed: int, shards: int = SHARDS) -> Schedule:
    """Two to four harms of all these kinds and storage outages, doubled trigger events, and a few bad items."""
    random = Random(f"mixed/{seed}")
    shape = Shape(shards=shards, bad={Kind.CORRUPT: 2, Kind.RAISES: 2, Kind.KILLS: 1})
    draws = [random.choice((_kill, _stop, _cloud, _outage)) for _ in range(random.choice((2, 3, 4)))]
    return Schedule(
        kind="mixed",
        seed=seed,
        shape=shape,
        strikes=tuple(draw(random, shape) for draw in draws),
        copies=random.choice((1, 2, 10)),
    )


def duplicates(seed: int, shards: int = 20) -> Schedule:
    """Fifty deliveries of the same trigger event, at once (R7)."""
    return Schedule(kind="duplicates", seed=seed, shape=Shape(shards=shards, lease_s=10.0), copies=50)


def cancel(seed: int, shards: int = 100) -> Schedule:
    """Somebody cancels at a random moment (R9)."""
    random, shape = Random(f"cancel/{seed}"), Shape(shards=shards)
    strike = Strike(action=Action.CANCEL, moment=_moment(random, shape, None))
    return Schedule(kind="cancel", seed=seed, shape=shape, strikes=(strike,))


KINDS: Mapping[str, Callable[..., Schedule]] = {
    make.__name__: make for make in (kill, stop, storage, cloud, poison, redrive, hangs, mixed, duplicates, cancel)
}
"""Each makes a schedule of a seed, and of a number of shards if another is wanted."""
