"""How fast a run goes, and when it will be done."""

from collections import deque
from statistics import median
from typing import Final

LEAST_STEPS: Final = 3
"""Steps of progress before anything is said about the end."""
MOST_STEPS: Final = 40


class Progress:
    """Follows a count that grows in steps.

    The rate is the median of the slopes between all pairs of steps seen (after Theil and Sen), so that one slow
    start, one pause or one burst does not move it much.
    """

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int]] = deque(maxlen=MOST_STEPS)

    def see(self, at_s: float, done: int) -> None:
        """Tell how many are done at a time in seconds. Times and counts that do not grow are passed over, and so is the
        time before the first: workers were still starting.
        """
        if (done > 0 and not self._steps) or (self._steps and done > self._steps[-1][1] and at_s > self._steps[-1][0]):
            self._steps.append((at_s, done))

    @property
    def rate(self) -> float | None:
        """Items a second; None before there were enough steps."""
        if len(self._steps) < LEAST_STEPS:
            return None
        steps = list(self._steps)
        return median(
            (later[1] - earlier[1]) / (later[0] - earlier[0])
            for place, earlier in enumerate(steps)
            for later in steps[place + 1 :]
        )

    def eta_s(self, at_s: float, total: int) -> float | None:
        """Seconds until all `total` are done; None when that cannot be said yet."""
        rate = self.rate
        if rate is None or rate <= 0:
            return None
        last_s, done = self._steps[-1]
        return max(0.0, (total - done) / rate - (at_s - last_s))
