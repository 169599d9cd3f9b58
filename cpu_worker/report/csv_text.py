"""The items table as a CSV file that a spreadsheet opens safely."""

import csv
import io
from typing import Final

from cpu_worker.report.ledger import STEPS, step_seconds, total_seconds
from cpu_worker.report.sources import ItemSources
from dropscore.contracts.report import Report

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def items_csv(report: Report) -> bytes:
    """UTF-8 with CRLF after RFC 4180: one line for each item the report holds, times in milliseconds."""
    sources = ItemSources(report.inputs)
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(["item", "input", *(f"{step}_ms" for step in STEPS), "total_ms"])
    for timing in report.items:
        milliseconds = (f"{seconds * 1000:.3f}" for seconds in (*step_seconds(timing), total_seconds(timing)))
        writer.writerow([timing.item, plain_cell(sources.name_of(timing.item)), *milliseconds])
    return target.getvalue().encode()


def plain_cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before what would start one."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
