"""Bad items in real inputs, from the plan to the report: whatever is good is published, in its place."""

import io

import av
import numpy as np
import pytest
from made_clips import Clip, damaged, frame_times, make, sound_packets
from PIL import Image
from style_runs import StyleRun

from dropscore.contracts.failures import Code
from dropscore.contracts.layout import BlobPath
from dropscore.contracts.names import ContainerName
from dropscore.contracts.run import RunStatus

FILM = Clip(frames=72, b_frames=2, audio="aac", codec_options={"x264-params": "keyint=12:min-keyint=12:scenecut=0"})
SOUND = make(FILM)
BROKEN, _ = damaged(SOUND, 41, whole=True)
"""The same film, one packet of its fourth group of pictures (frames 36 to 47) all noise."""


def pictures_of(data: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(data)) as container:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]


def alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two frames show the same, but for what compression does."""
    return float(np.abs(one - other).mean()) < 6.0


@pytest.mark.fault(14)
@pytest.mark.parametrize("on_missing", ["repeat", "passthrough", "gaps"])
def test_one_damaged_frame_in_the_middle_of_a_film(run: StyleRun, on_missing: str) -> None:
    run({"film.mp4": SOUND}, side_by_side=False)
    whole = pictures_of(run.output("film-styled.mp4"))

    result = run({"film.mp4": BROKEN}, side_by_side=False, on_missing=on_missing)

    (shelved,) = run.quarantined()
    lost = range(shelved.range.first_item, shelved.range.end)
    assert lost.stop == 48
    assert 36 < lost.start <= 41
    assert (shelved.input, shelved.failure.code) == ("film.mp4", Code.INPUT_CORRUPT)
    assert (result.items_published, result.items_missing) == (72 - len(lost), len(lost))

    styled = run.output("film-styled.mp4")
    left_out = lost if on_missing == "gaps" else range(0)
    assert frame_times(styled) == [time for item, time in enumerate(frame_times(BROKEN)) if item not in left_out]
    assert sound_packets(styled) == sound_packets(BROKEN)
    places = [item for item in range(72) if item not in left_out]
    for item, picture in zip(places, pictures_of(styled), strict=True):
        if item not in lost:
            assert alike(picture, whole[item])
        elif on_missing == "repeat":
            assert alike(picture, whole[lost.start - 1])
        else:
            assert not alike(picture, whole[lost.start - 1])

    coverage = (72 - len(lost)) / 72
    assert result.outputs[0].facts["coverage"] == pytest.approx(coverage)
    receipt, report = run.receipt(), run.report()
    assert (receipt.coverage, receipt.items_missing) == (pytest.approx(coverage), len(lost))
    for failures in (result.failures, receipt.failures, report.failures):
        assert [(one.item, one.last_item) for one in failures] == [(lost.start, lost.stop - 1)]
    assert report.status is RunStatus.SUCCEEDED_WITH_GAPS


@pytest.mark.fault(14)
def test_several_damaged_groups_cost_three_pieces_each_at_most(run: StyleRun) -> None:
    data = SOUND
    for packet in (15, 41, 44, 62):
        data, _ = damaged(data, packet, whole=True)
    result = run({"film.mp4": data}, side_by_side=False)

    lost = [(one.range.first_item, one.range.end) for one in run.quarantined()]
    assert [end for _, end in lost] == [24, 48, 72]
    pieces = list(run.cloud.blobs.list(BlobPath(ContainerName.RUNS, f"{run.run_id}/pieces/")))
    assert len(pieces) <= 3 * 3
    assert result.items_missing == sum(end - first for first, end in lost)
    assert frame_times(run.output("film-styled.mp4")) == frame_times(data)


def test_one_corrupt_picture_of_a_folder(run: StyleRun) -> None:
    noise = np.random.default_rng(3)
    files = {f"photos/{n}.png": png(noise.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for n in range(6)}
    good = dict(files)
    files["photos/3.png"] = files["photos/3.png"][:500] + bytes(600) + files["photos/3.png"][1100:]

    result = run(files, planned_with={"photos/3.png": good["photos/3.png"]})

    assert [output.name for output in result.outputs] == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    (shelved,) = run.quarantined()
    assert (shelved.range.first_item, shelved.range.items) == (3, 1)
    assert run.receipt().coverage == pytest.approx(5 / 6)
    assert [(one.item, one.input) for one in run.report().failures] == [(3, "photos/3.png")]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()
