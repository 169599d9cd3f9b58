"""Results kept in a file, so that a long series may be run in several sittings, and one seed of it again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.figures import Result


@dataclass(frozen=True, slots=True)
class Records:
    """A file of one line for each result. Of a run that is there twice the later line counts."""

    file: Path

    def add(self, kind: str, seed: int, result: Result) -> None:
        """Write one down, at once."""
        with self.file.open("a") as lines:
            lines.write(json.dumps({"kind": kind, "seed": seed, "result": asdict(result)}) + "\n")

    def of(self, kind: str) -> dict[int, Result]:
        """Everything known of a kind, by seed in their order."""
        if not self.file.exists():
            return {}
        lines = [json.loads(line) for line in self.file.read_text().splitlines()]
        found = {line["seed"]: _result(line["result"]) for line in lines if line["kind"] == kind}
        return dict(sorted(found.items()))


def seeds_of(text: str) -> list[int]:
    """`7`, `3,5,9` or `0..99`, both ends included."""
    found: list[int] = []
    for part in text.split(","):
        first, dots, last = part.partition("..")
        found += range(int(first), int(last) + 1) if dots else [int(first)]
    return found


def text_of(seeds: list[int]) -> str:
    """The other way round: `[0, 1, 2, 7]` is `0..2,7`."""
    ranges: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if ranges and ranges[-1][-1] == seed - 1:
            ranges[-1].append(seed)
        else:
            ranges.append([seed])
    return ",".join(f"{one[0]}..{one[-1]}" if len(one) > 1 else str(one[0]) for one in ranges)


def _result(values: dict[str, object]) -> Result:
    made = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Result(**made)  # type: ignore[arg-type]
