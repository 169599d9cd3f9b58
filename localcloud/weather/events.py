"""Which blobs the Functions host is never told about: drawn from the seed and the blob's name, the same each time.

Event Grid promises to deliver, and yet events get lost: a subscription is renewed, a delivery is given up. A blob whose
event is lost is not found by the host's own listing either, so that only the product can notice it.
"""

from collections.abc import Callable, Mapping
from random import Random

from localcloud.weather.spec import VARIABLE, Spec

type Loses = Callable[[str], bool]
"""Whether the event about a blob of this name is lost."""


def lost_events(environment: Mapping[str, str]) -> Loses:
    """What the line in an environment asks for. Raises `SpecError`."""
    spec = Spec.parse(environment.get(VARIABLE, ""))
    return lambda name: is_lost(spec, name)


def is_lost(spec: Spec, name: str) -> bool:
    """Whether the event about a blob is lost in this weather."""
    return Random(f"{spec.seed}/event/{name}").random() < spec.events
