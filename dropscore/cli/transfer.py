"""Files on their way, several at once, with a bar."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from dropscore.cli.screen import Screen

FILES_SIDE_BY_SIDE: Final = 4

type Advance = Callable[[int], None]
"""Is told how many more bytes have gone their way."""


def side_by_side[F](
    screen: Screen, action: str, files: Sequence[tuple[F, int]], transfer: Callable[[F, Advance], None]
) -> None:
    """Transfer files, each given with its size in bytes. Raises what the first that failed raised, and begins no more
    of them then.
    """
    with _bar(screen) as bar, ThreadPoolExecutor(FILES_SIDE_BY_SIDE) as side:
        task = bar.add_task(action, total=sum(size for _, size in files))
        under_way = [side.submit(transfer, file, lambda count: bar.advance(task, count)) for file, _ in files]
        try:
            for one in under_way:
                one.result()
        finally:
            side.shutdown(cancel_futures=True)


def _bar(screen: Screen) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=screen.err,
        disable=not screen.lively,
        transient=True,
    )
