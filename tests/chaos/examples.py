"""What a user sees when something goes wrong: `python tests/chaos/examples.py [--only hang,kill] [--into FILE]`.

Nine things go wrong, one after the other, in real local clouds, and each is shown by the screens of `dropscore`. With
`--into docs/when-things-go-wrong.md` they make that page.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NoReturn

sys.path.append(str(Path(__file__).parent / "workload"))
sys.path.append(str(Path(__file__).parents[2]))

from chaos_lines.lines import Kind
from harness.cloud import running_cloud, wait_for
from harness.drive import left_of
from harness.schedule import Action, Moment, Stage, Strike
from harness.store import Store
from harness.table import machine
from harness.user import LIMIT_S, User, listed_message, started
from PIL import Image
from safetensors.torch import load_file, save_file

from demo.make_clip import make_clip

SHIPPED = Path(__file__).parents[2] / "dropscore" / "models" / "shipped" / "mosaic-night" / "1" / "weights.safetensors"
LARGEST = 3e38
"""About the largest number of 32 bits."""
INTRODUCTION = """\
# When things go wrong

What a user sees, as `python tests/chaos/examples.py --into docs/when-things-go-wrong.md` did it and wrote it down: \
real runs in a local cloud, with nothing made up. *Lines* is a small workload of the tests whose items can be told to \
misbehave.
"""


def lines(count: int, **bad: int) -> list[Kind]:
    """Good lines, with bad ones at some places."""
    kinds = [Kind.GOOD] * count
    for kind, place in bad.items():
        kinds[place] = Kind(kind)
    return kinds


# --- the nine


def corrupt_frame(user: User) -> None:
    """A corrupt frame in the middle of a video"""
    user.say("400 bytes in the middle of a film are overwritten.")
    damaged_film(user)
    run_id = started(user.types("run", "damaged.mp4", "-w", "style_transfer", "--watch"))
    user.types("quarantine", run_id)
    user.types("verify", run_id)


def hang(user: User) -> None:
    """An item that never comes back"""
    run_id = user.drops("hang", lines(100, hangs=42))
    user.say("The run allows an item three seconds. Item 42 takes an hour: its worker's process is ended.")
    user.waits_for(run_id)
    user.types("show", run_id)
    user.types("quarantine", run_id)


def kill(user: User) -> None:
    """An item that ends the process that scores it"""
    run_id = user.drops("kill", lines(100, segfaults=42))
    user.say("Item 42 makes the process read where it must not: SIGSEGV.")
    user.waits_for(run_id)
    user.types("show", run_id)
    user.types("quarantine", run_id)


def malformed_message(user: User) -> None:
    """A message that nobody can read"""
    user.say('Somebody puts `{"shard": 7}` on the queue of shards; a run that is started then is none the slower.')
    user.store.queues.get_queue_client("shards-normal").send_message('{"shard": 7}')
    run_id = user.drops("malformed", lines(100))
    user.waits_for(run_id)
    user.types("show", run_id)
    printed = user.types("poison", "list")
    user.types("poison", "show", "normal", listed_message(printed))


def trigger_that_fails(user: User) -> None:
    """A trigger that fails five times"""
    user.say(
        "Storage refuses every write while a trigger file is read (somebody took a right away). The app fails, and the "
        "host delivers the event five times. It cannot give the file up either, and reads it again once it may write."
    )
    log, given_up = user.cloud.home.log("host"), "goes to webjobs-blobtrigger-poison"
    user.cloud.outage_file.write_text("403")
    try:
        run_id = user.drops("refused", lines(20))
        wait_for(lambda: log.exists() and given_up in log.read_text(), within_s=LIMIT_S, what="it fails five times")
    finally:
        user.cloud.outage_file.unlink()
    user.waits_for(run_id)
    told = [line[:110] for line in log.read_text().splitlines() if "on_trigger" in line or "refused.json" in line]
    user.page += ["", "```", "$ grep refused.json .local/logs/host.log", *(one for one in told if one[0] != " "), "```"]
    user.types("show", run_id)


def eviction(user: User) -> None:
    """A node is taken away"""
    run_id = user.drops("evicted", lines(600), item_ms=20.0)
    user.say("One of two nodes goes while it scores, with no notice, and is back two seconds later.")
    moment = Moment(stage=Stage.SCORING, delay_s=0.0, verdict=10)
    nemesis = user.harms(run_id, Strike(action=Action.EVICT, moment=moment, for_s=2.0))
    user.waits_for(run_id)
    nemesis.end()
    user.types("show", run_id)
    user.types("verify", run_id)


def cancel(user: User) -> None:
    """Cancelled at each stage"""
    user.say("One run after the other is cancelled, each in another stage; then nothing of it is left.")
    rows = ["| cancelled while | it ended | after | nothing left after |", "|---|---|---|---|"]
    for stage in ("pending", "planning", "provisioning", "scoring", "stitching"):
        run_id = user.drops(f"cancel-{stage}", lines(3000), item_ms=4.0)
        status = lambda: (user.store.document("runs", f"{run_id}/state.json") or {}).get("status")  # noqa: E731, B023
        wait_for(lambda: status() == stage, within_s=LIMIT_S, what=f"{run_id} is {stage}", every_s=0.01)  # noqa: B023
        began = time.monotonic()
        if stage == "scoring":
            user.types("cancel", run_id)
        else:
            user.calls("cancel", run_id)
        user.waits_for(run_id)
        ended_s = time.monotonic() - began
        quiet = lambda: not left_of(user.cloud, user.store, run_id)  # noqa: E731, B023
        wait_for(quiet, within_s=60, what=f"nothing of {run_id} is left")
        rows.append(f"| {stage} | {status()} | {ended_s:.1f} s | {time.monotonic() - began:.1f} s |")
        if stage == "scoring":
            user.types("show", run_id)
    user.page += ["", *rows]


def another_model(user: User) -> None:
    """What failed is scored again by another model"""
    user.say(
        "The weights of a model are too large, so that what it makes of pictures is no number. Another scores them."
    )
    weights = {name: (tensor * LARGEST).clamp(-LARGEST, LARGEST) for name, tensor in load_file(SHIPPED).items()}
    save_file(weights, user.folder / "spoiled.safetensors")
    for name in ("morning.png", "evening.png"):
        Image.radial_gradient("L").convert("RGB").save(user.folder / name)
    user.calls("models", "push-shipped")
    user.types("models", "import", "spoiled.safetensors", "--name", "spoiled", "--licence", "MIT")
    asked = ("run", "morning.png", "evening.png", "-w", "style_transfer", "--model", "spoiled", "--watch")
    run_id = started(user.types(*asked))
    user.types("quarantine", run_id)
    replay = started(user.types("replay", run_id, "--model", "mosaic-night", "--watch"))
    user.types("show", replay)
    user.types("verify", replay)


def lost_answers(user: User) -> None:
    """Writes whose answers are lost"""
    user.say("Every tenth request to storage takes effect, and its answer never comes; whoever asked asks again.")
    run_id = user.drops("lost", lines(400))
    user.waits_for(run_id)
    user.types("show", run_id)
    user.types("verify", run_id)
    lost = sum(file.read_text().count("\n") for file in user.cloud.home.folder("weather").glob("*.jsonl"))
    user.say(f"{lost} answers were lost in this cloud meanwhile.")


def damaged_film(user: User) -> None:
    """Make `damaged.mp4`, the same each time, and store the model for it."""
    film = user.folder / "film.mp4"
    make_clip(film)
    data = bytearray(film.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = Random(0).randbytes(400)
    (user.folder / "damaged.mp4").write_bytes(data)
    user.calls("models", "push-shipped")


EXAMPLES: dict[str, tuple[Callable[[User], None], str]] = {
    "frame": (corrupt_frame, "rate=0"),
    "hang": (hang, "rate=0"),
    "kill": (kill, "rate=0"),
    "message": (malformed_message, "rate=0"),
    "trigger": (trigger_that_fails, "rate=0"),
    "eviction": (eviction, "rate=0"),
    "lost": (lost_answers, "seed=1,rate=0.1,kinds=lost"),
    "cancel": (cancel, "rate=0"),
    "replay": (another_model, "rate=0"),
}
"""Each with the weather of its cloud."""


def main() -> int:
    """Show them; 0 when each came to its end."""
    signal.signal(signal.SIGTERM, _leave)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of {', '.join(EXAMPLES)}, joined by commas")
    parser.add_argument("--into", type=Path, help="the page to write")
    asked = parser.parse_args()
    names = asked.only.split(",") if asked.only else list(EXAMPLES)
    page = [INTRODUCTION.rstrip(), "", machine() + "."]
    with tempfile.TemporaryDirectory(prefix="dropscore-examples-") as folder:
        for name in names:
            page += shown(name, Path(folder))
            print("\n".join(page[-60:]), flush=True)
    if asked.into is not None:
        asked.into.write_text("\n".join(page) + "\n")
    return 0


def shown(name: str, folder: Path) -> list[str]:
    """One example, in a cloud of its own."""
    example, weather = EXAMPLES[name]
    with running_cloud(folder / name, weather=weather) as cloud:
        store = Store.of(cloud.settings)
        user = User(cloud=cloud, store=store, folder=folder, page=["", f"## {example.__doc__}"])
        try:
            example(user)
        finally:
            store.close()
        cloud.down()
    return user.page


def _leave(*_: object) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
