"""The long series: `python tests/chaos/series.py --kind kill --seeds 0..99`, or `make chaos KIND=kill SEEDS=0..99`.

Every seed is one run; a seed that goes wrong is printed with the command that does the same again. In the end a table
is printed; `--into docs/reliability.md` puts its rows there. With `--results FILE` a row counts what earlier sittings
wrote there too, of a seed that was run again the last.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

sys.path.append(str(Path(__file__).parent / "workload"))

from harness.figures import Result
from harness.records import Records, seeds_of, text_of
from harness.schedule import KINDS, Schedule
from harness.table import machine, put_into, row, table
from harness.trial import Trial


def main() -> int:
    """Run the series; 0 when every run was right."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, _leave)
    seeds = seeds_of(arguments.seeds)
    kinds = list(KINDS) if arguments.kind == "all" else arguments.kind.split("+")
    shape = {} if arguments.shards is None else {"shards": arguments.shards}
    rows, wrong = [], 0
    with tempfile.TemporaryDirectory(prefix="dropscore-series-") as folder, Trial(keep=arguments.keep) as trial:
        records = Records(arguments.results or Path(folder) / "results.jsonl")
        for kind in kinds:
            for schedule in (KINDS[kind](seed, **shape) for seed in seeds):
                result = trial.result(schedule)
                records.add(kind, schedule.seed, result)
                tell(schedule, result)
                wrong += not result.passed
            known = records.of(kind)
            rows.append(row(kind, text_of(list(known)), list(known.values())))
        trial.down()
    text = f"{table(rows)}\n\n{machine()}\n"
    print("\n" + text)
    if arguments.into is not None:
        arguments.into.write_text(put_into(arguments.into.read_text(), rows))
    return 1 if wrong else 0


def _leave(*_: object) -> NoReturn:
    """SIGTERM, as from `timeout`: nothing of a cloud may live on."""
    raise SystemExit(143)


def tell(schedule: Schedule, result: Result) -> None:
    """One line for each run, and more for one that went wrong."""
    twice = f", {result.executed_twice} executed twice" if result.executed_twice else ""
    slowest = f", taken up after {max(result.recoveries_s):.1f} s" if result.recoveries_s else ""
    cancelled = f", quiet {result.cancel_s:.1f} s after the cancellation" if result.cancel_s is not None else ""
    late = f", {len(result.committed_after_s)} verdicts after it" if result.committed_after_s else ""
    print(
        f"{time.strftime('%H:%M:%S')} {schedule.name:<14} {'right' if result.passed else 'WRONG'}  "
        f"{result.wall_s:5.1f} s + {result.quiet_s:4.1f} s  {result.hits}/{len(schedule.strikes)} hit"
        f"{twice}{slowest}{cancelled}{late}  {'; '.join(result.strikes)}",
        flush=True,
    )
    if not result.passed:
        for line in result.wrong[:20]:
            print(f"    {line}")
        print(f"    again: {schedule.again}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", default="mixed", help=f"{', '.join(KINDS)}; several joined by +; or all")
    parser.add_argument("--seeds", default="0..9", help="such as 7 or 3,5 or 0..99")
    parser.add_argument("--shards", type=int, help="of each run; as many as its kind has if not said")
    parser.add_argument("--into", type=Path, help="Markdown file whose rows of these kinds are replaced")
    parser.add_argument("--results", type=Path, help="file to keep results in, for a series in several sittings")
    parser.add_argument("--keep", type=Path, help="folder for the logs of runs that went wrong")
    return parser


if __name__ == "__main__":
    sys.exit(main())
