"""Spoiled pictures and videos for the real readers: `fuzz_media.py CASES [SEED]` (`make fuzz-media CASES=100000`).

The readers run in a process of their own, as a worker's do. Case n is the same for the same seed. What comes of a case
is that it is read or refused under a code; anything else, an exception, a crash or a hang, is printed and counted.
"""

import io
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from select import select

MEDIA = Path(__file__).parents[1] / "unit" / "media"
sys.path.append(str(MEDIA))

from made_clips import clip, picture  # noqa: E402
from PIL import Image  # noqa: E402

LONGEST_S = 20.0
VIDEOS = (
    "plain",
    "b-frames",
    "vp9",
    "motion jpeg",
    "transport stream",
    "avi with b-frames",
    "fragmented",
    "with sound",
)
PICTURES = ("PNG", "JPEG", "WEBP", "BMP")


def originals() -> list[bytes]:
    """Whole files of every kind that is read."""
    films, stills = [clip(name) for name in VIDEOS], []
    for kind in PICTURES:
        out = io.BytesIO()
        Image.fromarray(picture(1, 128, 96)).save(out, kind)
        stills.append(out.getvalue())
    return films + stills


def spoil(data: bytes, random: Random) -> bytes:
    """A file with some bytes changed, cut out, doubled or cut off; more often near its beginning and its end."""
    spoiled = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.choice((random.randrange(len(spoiled)), random.randrange(min(256, len(spoiled)))))
        at = random.choice((at, len(spoiled) - 1 - at))
        match random.randrange(5):
            case 0:
                spoiled[at] ^= 1 << random.randrange(8)
            case 1:
                spoiled[at : at + 4] = random.choice((b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"))
            case 2:
                del spoiled[at : at + random.randrange(1, 64)]
            case 3:
                spoiled[at:at] = spoiled[at : at + random.randrange(1, 64)]
            case 4:
                spoiled[at : at + 8] = random.randbytes(8)
        if len(spoiled) < 64:
            break
    return bytes(spoiled[: random.randrange(len(spoiled))] if random.random() < 0.1 else spoiled)


@contextmanager
def reader() -> Iterator["subprocess.Popen[str]"]:
    """A process that reads what it is given the path of."""
    command = [sys.executable, "-W", "ignore", str(MEDIA / "bomb_reader.py")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: "subprocess.Popen[str]", path: Path) -> str:
    """What the process says about a file: `read`, a code, or what became of the process."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{path}\n")
    process.stdin.flush()
    if not select([process.stdout], [], [], LONGEST_S)[0]:
        return "hung"
    line = process.stdout.readline()
    return str(json.loads(line)["answer"]) if line else f"died with {process.wait()}"


def run(cases: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Give so many files to the readers. Returns what came of them, and what went wrong."""
    wholes, said, wrong, number = originals(), Counter[str](), list[str](), 0
    with tempfile.TemporaryDirectory(prefix="dropscore-fuzz-") as folder:
        path = Path(folder) / "file"
        while number < cases:
            with reader() as process:
                while number < cases:
                    random = Random(f"{seed}/media/{number}")
                    path.write_bytes(spoil(random.choice(wholes), random))
                    came = answer(process, path)
                    said[came] += 1
                    number += 1
                    if came != "read" and not came.startswith("E-INPUT-"):
                        wrong.append(f"case {number - 1} of seed {seed}: {came}")
                        break
    return said, wrong


def main(cases: int, seed: int) -> int:
    """Fuzz; returns how many files went wrong."""
    began = time.monotonic()
    said, wrong = run(cases, seed)
    rate = cases / (time.monotonic() - began)
    print(f"{cases} files, {len(wrong)} wrong, {rate:,.0f}/s: {dict(said.most_common())}")
    print("\n".join(wrong[:20]))
    return len(wrong)


if __name__ == "__main__":
    sys.exit(min(1, main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
