"""`python -m gpu_worker`: a keeper, which forks the worker (see `gpu_worker.keeper` and `gpu_worker.main`)."""

import os

from gpu_worker.keeper import Keeper
from gpu_worker.lives import Life
from gpu_worker.wills import Wills


def live(life: Life) -> int:
    """A worker, in a process of its own."""
    from gpu_worker.main import main

    return main(os.environ, life)


def prepare(lives: int) -> None:
    """In the keeper, before the first life and after it."""
    from gpu_worker.main import import_for_lives

    import_for_lives(lives)


if __name__ == "__main__":
    shared = os.environ.get("AZ_BATCH_NODE_SHARED_DIR")  # of this node; a task that is started anew is given the same
    wills = Wills(f"{shared}/wills" if shared else None)
    # Not sys.exit: nothing is left to be done, and a task that does not end costs money.
    os._exit(Keeper(live, prepare, wills).run())
