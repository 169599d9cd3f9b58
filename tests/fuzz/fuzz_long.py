"""The long fuzzing: `fuzz_long.py CASES [SEED]` (`make fuzz CASES=1000000`), shared out over all targets.

Case n of a target is the same for the same seed; the first that goes wrong is printed with its number and its text.
"""

import sys
import time
import traceback
from random import Random

from fuzz_mutations import spoiled
from fuzz_targets import TARGETS, Outcomes, Target


def run(target: Target, cases: int, seed: int) -> tuple[Outcomes, int]:
    """Give a target so many texts. Returns what came of them, and how many went wrong."""
    outcomes, wrong = Outcomes(), 0
    for number in range(cases):
        text = spoiled(target.seeds, Random(f"{seed}/{target.name}/{number}"))
        try:
            outcomes.add(target.check(text))
        except Exception:  # noqa: BLE001 - whatever it is, it is what we look for
            wrong += 1
            if wrong <= 3:
                print(f"{target.name}, case {number} of seed {seed}:\n{text[:2000]!r}\n{traceback.format_exc()}")
    return outcomes, wrong


def main(cases: int, seed: int) -> int:
    """Fuzz every target; returns how many texts went wrong."""
    wrong = 0
    for target in TARGETS:
        began = time.monotonic()
        outcomes, bad = run(target, cases // len(TARGETS), seed)
        rate = cases // len(TARGETS) / (time.monotonic() - began)
        said = ", ".join(f"{count} {word}" for word, count in sorted(outcomes.counts.items()))
        print(f"{target.name:<18} {cases // len(TARGETS):>8} cases, {bad} wrong, {rate:,.0f}/s: {said}", flush=True)
        wrong += bad
    return wrong


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
