"""Which input an item came from."""

from bisect import bisect_right
from collections.abc import Sequence

from dropscore.contracts.report import InputLine


class ItemSources:
    """Finds an item's input by the first item of each."""

    def __init__(self, inputs: Sequence[InputLine]) -> None:
        self._inputs = [line for line in inputs if line.items]
        self._starts = [line.first_item for line in self._inputs]

    def name_of(self, item: int) -> str:
        """Name of the input that holds item `item` (0-based over the whole run); empty when none does."""
        place = bisect_right(self._starts, item) - 1
        if place < 0 or item >= self._starts[place] + self._inputs[place].items:
            return ""
        return self._inputs[place].name
