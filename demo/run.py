"""The demo: style a clip on the local cloud and check the result against its source.

    python -m demo.run [--video FILE]

1. Make the clip (or take the video given) while the local cloud starts, unless one runs already.
2. Store the model that comes with dropscore.
3. Run style transfer through the command line, watching.
4. Download the outputs and the report into `demo-output/`.
5. Check the video against its source: frames, times, size, sound.
6. Say where everything is, and stop the local cloud if it was started here.
"""

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from demo.check import Check, compare
from dropscore.contracts.codec import decode
from dropscore.contracts.identity import run_id_of_key
from dropscore.contracts.receipt import OutputFile, Receipt

OUTPUT: Final = Path("demo-output")
CLIP: Final = OUTPUT / "clip.mp4"
API_CALLER: Final = "api"
"""In whose name the API tells idempotency keys apart."""


class StepError(Exception):
    """A step of the demo failed; what it printed says why."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


def main() -> int:
    """Run the demo; returns 0 when everything came out as promised."""
    parser = argparse.ArgumentParser(prog="python -m demo.run", description="Style a clip on the local cloud.")
    parser.add_argument("--video", type=Path, help="a video to use instead of the clip made here")
    started = time.monotonic()
    try:
        passed = _demo(parser.parse_args().video)
    except StepError as error:
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    _say(f"Done in {time.monotonic() - started:.0f} s.")
    return 0 if passed else 1


def _demo(video: Path | None) -> bool:
    with _local_cloud() as starting:
        source = video or _clip()
        starting.wait_until_up()
        _dropscore("models", "push-shipped", quiet=True)
        run_id = _run(source)
        folder = OUTPUT / run_id
        _dropscore("download", run_id, "--to", str(folder), quiet=True)
        receipt = decode(Receipt, (folder / "receipt.json").read_bytes())
        videos = [output for output in receipt.outputs if output.media_type.startswith("video/")]
        checks = compare(source, folder / videos[0].name) if videos else ()
        _report(checks, folder, receipt.outputs)
        return all(check.passed for check in checks)


def _clip() -> Path:
    """The demo's own clip, made unless it is there."""
    if not CLIP.exists():
        from demo.make_clip import make_clip

        _say("Making a clip from four photographs, with music")
        partial = CLIP.with_suffix(".part")
        make_clip(partial)
        partial.replace(CLIP)
    return CLIP


class Starting:
    """The local cloud on its way up; nothing to do when it was up before."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    def wait_until_up(self) -> None:
        """Wait for it. Raises `StepError` when it does not come up."""
        if self._process is not None and (code := self._process.wait()) != 0:
            raise StepError(code)


@contextmanager
def _local_cloud() -> Iterator[Starting]:
    """A local cloud: the one that runs here, or one of our own, which is stopped in the end."""
    if _localcloud("status", quiet=True).wait() == 0:
        yield Starting(None)
        return
    _say("Starting the local cloud")
    process = _localcloud("up", "--detach", quiet=True)
    try:
        yield Starting(process)
    finally:
        process.wait()
        _localcloud("down").wait()


def _run(source: Path) -> str:
    """Run style transfer to its end; returns the run's id, which follows from its key."""
    key = secrets.token_hex(16)
    _say(f"Styling {source}")
    _dropscore("run", str(source), "--workload", "style_transfer", "--key", key, "--note", "Demo", "--watch")
    return run_id_of_key(API_CALLER, key)


def _report(checks: Sequence[Check], folder: Path, outputs: Sequence[OutputFile]) -> None:
    _say("The result, held against its source")
    for check in checks:
        _line(f"  {'✓' if check.passed else '✕'} {check.name:<7} {check.detail}")
    _say("Look at")
    for output in outputs:
        _line(f"  {folder / output.name}")
    _line(f"  {folder / 'report.html'}")


def _dropscore(*arguments: str, quiet: bool = False) -> None:
    """Run the command line. Raises `StepError` with its exit code; a run with gaps is no failure of the demo."""
    target = subprocess.DEVNULL if quiet else None
    here = {**os.environ, "DROPSCORE_URL": ""}  # the local cloud, whatever address the user's shell knows
    command = [sys.executable, "-m", "dropscore.cli", *arguments]
    code = subprocess.run(command, stdout=target, env=here, check=False).returncode
    if code not in (0, 5):
        raise StepError(code)


def _localcloud(*arguments: str, quiet: bool = False) -> subprocess.Popen[bytes]:
    target = subprocess.DEVNULL if quiet else None
    return subprocess.Popen([sys.executable, "-m", "localcloud", *arguments], stdout=target)


def _say(text: str) -> None:
    _line(f"\n{text}")


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
