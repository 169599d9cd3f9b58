"""Writes `docs/codes.md`, the table of failure codes, out of `dropscore/contracts/codes.py`.

`python -m tools.codes_page` does it.
"""

from pathlib import Path
from typing import Final

from dropscore.contracts.codes import CODES, FailureClass
from dropscore.contracts.request import PATIENCE_S, RunPolicy

PAGE: Final = Path(__file__).parents[2] / "docs" / "codes.md"

RETRIED: Final = {
    FailureClass.BAD_INPUT: "never",
    FailureClass.TRANSIENT: f"with growing pauses, for {PATIENCE_S / 60:.0f} minutes (`policy.patience_s`)",
    FailureClass.OUT_OF_MEMORY: "at once with half the batch, down to a single item; then as a bug",
    FailureClass.DEVICE_LOST: "at once, by another worker",
    FailureClass.BUG: f"{RunPolicy().shard_attempts} times with growing pauses (`policy.shard_attempts`)",
    FailureClass.CANCELLED: "never",
}
MEANING: Final = {
    FailureClass.BAD_INPUT: "the same input fails again",
    FailureClass.TRANSIENT: "something outside does not answer, or refuses for now",
    FailureClass.OUT_OF_MEMORY: "the device has too little memory",
    FailureClass.DEVICE_LOST: "the device is gone",
    FailureClass.BUG: "unexpected",
    FailureClass.CANCELLED: "somebody asked for it to stop",
}

HEAD: Final = """# Failure codes

Whatever goes wrong has a code that never changes its meaning, one sentence and one next action, in verdicts, reports, \
`rejected/`, the API and the command line alike. This page is made by `python -m tools.codes_page`.

An item that failed for good is in quarantine with its attempts; `dropscore replay` scores it again. A run that failed \
as a whole goes on with `dropscore rewind`.
"""


def page() -> str:
    """The page as it should be."""
    classes = [f"| `{one}` | {MEANING[one]} | {RETRIED[one]} |" for one in FailureClass]
    codes = [
        f"| `{code}` | `{entry.failure_class}` | {entry.meaning} | {entry.action} |"
        for code, entry in sorted(CODES.items())
    ]
    return "\n".join(
        [
            HEAD,
            "## Classes",
            "",
            "| class | what it means | tried again |",
            "|---|---|---|",
            *classes,
            "",
            "## Codes",
            "",
            "| code | class | meaning | next action |",
            "|---|---|---|---|",
            *codes,
            "",
        ]
    )
