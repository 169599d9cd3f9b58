"""The in-memory twin of the courier: it keeps what it was given, and answers what it is told to."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from dropscore.cloud.courier import Letter, Reply
from dropscore.cloud.targets import read_target, require_public
from dropscore.contracts.errors import FailedError


@dataclass(slots=True, kw_only=True)
class MemoryCourier:
    """A `Courier` whose receivers are functions by host; a host without one cannot be reached. `addresses` are those of
    a host, a public one unless given.
    """

    allow: Collection[str] = ()
    receivers: dict[str, Callable[[Letter], int]] = field(default_factory=dict)
    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    """All that were taken to a receiver, whatever it answered."""

    async def check(self, url: str) -> None:
        self._host(url)

    async def post(self, letter: Letter) -> Reply:
        try:
            receiver = self.receivers.get(self._host(letter.url))
        except FailedError as error:
            return Reply(problem=error.failure.message)
        if receiver is None:
            return Reply(problem="the receiver could not be reached (ConnectionRefusedError)")
        self.letters.append(letter)
        return Reply(status=receiver(letter))

    def _host(self, url: str) -> str:
        target = read_target(url, self.allow)
        is_number = target.host.replace(".", "").isdecimal() or ":" in target.host
        require_public(self.addresses.get(target.host, (target.host if is_number else "9.9.9.9",)), target)
        return target.host
