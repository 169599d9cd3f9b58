"""A page of items as CSV."""

import csv
import io

from dropscore.contracts.http.items import ItemDocument
from dropscore.contracts.item_table import MILLISECOND_COLUMNS, millisecond_cells, plain_cell

_NO_TIMES = ("",) * len(MILLISECOND_COLUMNS)


def items_csv(items: tuple[ItemDocument, ...]) -> bytes:
    """UTF-8 with CRLF after RFC 4180: one line for each item, times in milliseconds, empty where there are none."""
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(["item", "state", "shard", "worker", *MILLISECOND_COLUMNS, "code", "message"])
    for one in items:
        times = _NO_TIMES if one.timing is None else millisecond_cells(one.timing)
        texts = (plain_cell(text or "") for text in (one.code, one.message))
        writer.writerow([one.item, one.state, one.shard_id, plain_cell(one.worker or ""), *times, *texts])
    return target.getvalue().encode()
