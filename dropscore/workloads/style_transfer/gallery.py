"""Choose the pictures of the report: a few pairs, spread evenly over the run, as they come by."""

from typing import Final

from dropscore.workloads.base import Picture

MOST_PAIRS: Final = 12


class Gallery:
    """Keeps pairs of pictures. Pairs are offered in the order of their items."""

    def __init__(self, items: int, most: int = MOST_PAIRS) -> None:
        self._wanted = [(2 * nth + 1) * items // (2 * most) for nth in range(most)]
        self._before: list[Picture] = []
        self._after: list[Picture] = []

    def wants(self, item: int) -> bool:
        """Whether a pair of this item, or of a later one, is still to be kept."""
        return bool(self._wanted) and item >= self._wanted[0]

    def add(self, item: int, caption: str, before: bytes, after: bytes) -> None:
        """Keep a pair of JPEG pictures."""
        self._before.append(Picture(jpeg=before, caption=caption, item=item))
        self._after.append(Picture(jpeg=after, caption=caption, item=item))
        self._wanted = [wanted for wanted in self._wanted if wanted > item]

    @property
    def before(self) -> tuple[Picture, ...]:
        """The originals."""
        return tuple(self._before)

    @property
    def after(self) -> tuple[Picture, ...]:
        """The results, in the same order."""
        return tuple(self._after)
