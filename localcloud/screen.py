"""What the local cloud prints when it is up: every endpoint, as `func start` does."""

from collections.abc import Iterable, Sequence

from dropscore.contracts.names import Account
from localcloud.azurite import ACCOUNT_NAMES
from localcloud.home import HOST
from localcloud.services import BATCH_ACCOUNT, POOL_ID, Cloud


def opening_lines(cloud: Cloud, functions: Sequence[str]) -> list[str]:
    """The lines about a cloud that is up. `functions` are the host's own, `name: trigger`."""
    ports = cloud.ports
    storage = [
        (ACCOUNT_NAMES[account], f"{_url(ports.blob)}/{ACCOUNT_NAMES[account]}", f"queues {_url(ports.queue)}")
        for account in Account
    ]
    return [
        "",
        f"The page: {_url(ports.host)}/",
        "",
        "Functions",
        *_table(line.partition(": ")[::2] for line in functions),
        "",
        "Storage accounts",
        *_table(storage),
        "",
        "Emulators",
        *_table(
            [
                ("Batch", cloud.batch_url, f"account {BATCH_ACCOUNT}, pool {POOL_ID}"),
                ("Container Instances", cloud.arm_url),
            ]
        ),
        "",
        f"Files and logs: {cloud.home.root}",
    ]


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    listed = [tuple(row) for row in rows]
    width = max((len(row[0]) for row in listed), default=0)
    return [f"  {row[0].ljust(width)}  {'  '.join(row[1:])}".rstrip() for row in listed]


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"
