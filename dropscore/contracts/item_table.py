"""The items of a run as a table that a spreadsheet opens safely: its columns, and what may stand in a cell."""

from typing import Final

from dropscore.contracts.verdict import ItemTiming

STEPS: Final = ("fetch", "decode", "preprocess", "predict", "postprocess", "encode")
"""The steps of one item in a worker, in the order in which they happen."""
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def step_seconds(timing: ItemTiming) -> tuple[float, ...]:
    """An item's seconds by step, in the order of `STEPS`."""
    return (
        timing.fetch_s,
        timing.decode_s,
        timing.preprocess_s,
        timing.predict_s,
        timing.postprocess_s,
        timing.encode_s,
    )


def total_seconds(timing: ItemTiming) -> float:
    """An item's seconds over all steps."""
    return sum(step_seconds(timing))


def millisecond_cells(timing: ItemTiming) -> tuple[str, ...]:
    """An item's milliseconds by step, and over all of them."""
    return tuple(f"{seconds * 1000:.3f}" for seconds in (*step_seconds(timing), total_seconds(timing)))


MILLISECOND_COLUMNS: Final = (*(f"{step}_ms" for step in STEPS), "total_ms")
"""The heads of `millisecond_cells`."""


def plain_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what would start one."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
