"""Small files that would become huge, given to the real readers in a process of their own: refused, soon, in little."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_bombs import BOMBS
from made_clips import clip
from PIL import Image

from dropscore.contracts.errors import FailedError
from dropscore.workloads.media.claims import check_claims, false_claim
from dropscore.workloads.media.images import probe_picture

pytestmark = pytest.mark.fault(60)

READER = Path(__file__).with_name("bomb_reader.py")
MOST_S = 5.0
MOST_MB = 512


@pytest.fixture(scope="module")
def ask():
    """Has a file read by another process."""
    reader = subprocess.Popen([sys.executable, READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def asked(path):
        reader.stdin.write(f"{path}\n")
        reader.stdin.flush()
        return json.loads(reader.stdout.readline())

    yield asked
    reader.stdin.close()
    assert reader.wait(20) == 0
    reader.stdout.close()


def test_a_dozen_kinds_and_more_are_known():
    assert len(BOMBS) >= 12


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon_and_in_little_memory(ask, tmp_path, name):
    bomb = tmp_path / name
    bomb.write_bytes(BOMBS[name]())
    assert bomb.stat().st_size < 2_000_000
    said = ask(bomb)
    assert said["answer"].startswith("E-INPUT-"), said
    assert said["took_s"] < MOST_S, said
    assert said["grown_mb"] < MOST_MB, said


def test_the_same_reader_reads_what_is_no_bomb(ask, tmp_path):
    picture = io.BytesIO()
    Image.new("L", (2000, 2000)).save(picture, "JPEG", progressive=True)
    for name, data in {"film.mp4": clip("fragmented"), "photograph.jpg": picture.getvalue()}.items():
        (tmp_path / name).write_bytes(data)
        assert ask(tmp_path / name)["answer"] == "read"


def test_what_is_refused_says_what_it_claims():
    with pytest.raises(FailedError, match=r"announces 100000000 frames in 1[0-9]* bytes"):
        check_claims(io.BytesIO(BOMBS["mp4_samples"]()), "film.mp4")
    with pytest.raises(FailedError, match=r"7000 x 7000 pixels drawn in 4[0-9]* scans"):
        probe_picture(io.BytesIO(BOMBS["jpeg_scans"]()), "photograph.jpg")


@pytest.mark.parametrize("name", ["plain", "fragmented", "trimmed start", "pcm sound", "one frame"])
def test_the_figures_of_an_honest_file_are_believed(name):
    data = clip(name)
    assert false_claim(io.BytesIO(data), len(data)) is None


def test_a_file_that_is_cut_off_in_its_index_claims_nothing():
    data = clip("fragmented")
    for end in range(0, len(data), 97):
        assert false_claim(io.BytesIO(data[:end]), end) is None
