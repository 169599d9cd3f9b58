"""The items table as a CSV file that a spreadsheet opens safely."""

import csv
import io

from cpu_worker.report.sources import ItemSources
from dropscore.contracts.item_table import MILLISECOND_COLUMNS, millisecond_cells, plain_cell
from dropscore.contracts.report import Report


def items_csv(report: Report) -> bytes:
    """UTF-8 with CRLF after RFC 4180: one line for each item the report holds, times in milliseconds."""
    sources = ItemSources(report.inputs)
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(["item", "input", *MILLISECOND_COLUMNS])
    for timing in report.items:
        writer.writerow([timing.item, plain_cell(sources.name_of(timing.item)), *millisecond_cells(timing)])
    return target.getvalue().encode()
