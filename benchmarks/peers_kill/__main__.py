"""Runs every system through every seed, and prints the table."""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.goals import machine
from benchmarks.peers_kill.peers import PEERS, UnavailableError, peers_python, run_peer
from benchmarks.peers_kill.product import run_product
from benchmarks.peers_kill.trial import Outcome, Trial

HEADER = "| system | seed | kills | unfinished | run more than once | wall |\n|---|---|---|---|---|---|"


def main() -> int:
    """0, also where the peers cannot run here, which is said."""
    arguments = _parser().parse_args()
    try:
        peers_python()
    except UnavailableError as error:
        print(f"Skipped: {error}.")
        return 0
    outcomes: list[Outcome] = []
    for seed in (int(text) for text in arguments.seeds.split(",")):
        trial = Trial(seed=seed, items=arguments.items, kills=arguments.kills, cap_s=arguments.cap)
        for peer in PEERS:
            outcomes.append(run_peer(peer, trial))
            print(line(outcomes[-1]), flush=True)
        outcomes.append(run_product(trial))
        print(line(outcomes[-1]), flush=True)
    print("\n" + table(outcomes, arguments))
    return 0


def line(outcome: Outcome) -> str:
    """One row."""
    wall = f"{outcome.wall_s:.0f} s" if outcome.wall_s is not None else f"cap; last progress at {outcome.last_s:.0f} s"
    done = f"{outcome.unfinished} of {outcome.items}" + (f" ({outcome.note})" if outcome.note else "")
    return f"| {outcome.system} | {outcome.seed} | {outcome.kills} | {done} | {outcome.run_again} | {wall} |"


def table(outcomes: Sequence[Outcome], arguments: argparse.Namespace) -> str:
    """The whole table, the systems together."""
    ordered = sorted(outcomes, key=lambda one: [one.system for one in outcomes].index(one.system))
    said = f"{arguments.items} items of 0.8 s in the mean, 3 workers, a kill every 2.2 s, cap {arguments.cap:.0f} s"
    return "\n".join([HEADER, *map(line, ordered), "", f"{said}. {machine()}."])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers_kill", description=__doc__)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--cap", type=float, default=220.0, help="seconds after which what is not done is unfinished")
    parser.add_argument("--seeds", default="1,2")
    return parser


if __name__ == "__main__":
    sys.exit(main())
