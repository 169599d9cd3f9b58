"""The scorers, handled as the worker handles them."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from style_scorers import Inputs, items, package_of, photograph, png, run

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import ShardSpec
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import LoadedPackage
from dropscore.workloads.base import Independent, Scorer
from dropscore.workloads.style_transfer.options import StyleTransferOptions
from dropscore.workloads.style_transfer.score import SCORING, working_size

type Load = Callable[..., Scorer]

SHARD = ShardSpec(shard_id=0, input_index=0, first_item=0, items=3)


def luma(pixels: np.ndarray) -> np.ndarray:
    return pixels @ np.array([0.299, 0.587, 0.114])


def test_a_frame_comes_back_restyled_in_its_own_size(load: Load) -> None:
    for height, width in ((48, 64), (33, 47), (7, 5)):
        frame = photograph(height, width)
        (painted,) = run(load(), frame)
        assert painted.shape == frame.shape
        assert painted.dtype == np.uint8
        assert not np.array_equal(painted, frame)


def test_the_same_frame_gives_the_same_bytes_in_any_company(load: Load) -> None:
    frame, other = photograph(seed=1), photograph(seed=2)
    scorer = load()
    (alone,) = run(scorer, frame)
    (again,) = run(load(), frame)
    assert np.array_equal(alone, again)
    assert np.array_equal(run(scorer, other, frame)[1], alone)


def test_predicting_leaves_the_frame_as_it_was(load: Load) -> None:
    frame = photograph()
    before = frame.copy()
    run(load(), frame)
    assert np.array_equal(frame, before)


def test_the_result_is_the_network_rounded_and_clamped(load: Load, small: LoadedPackage) -> None:
    from dropscore.models.architectures import build

    frame = photograph()
    with torch.inference_mode():
        exact = build(small.package, small.files)(torch.from_numpy(frame).permute(2, 0, 1)[None].float())
    expected = exact.clamp(0, 255).round()[0].permute(1, 2, 0).numpy()
    (painted,) = run(load(), frame)
    assert np.abs(painted - expected).max() <= 1
    assert (painted != expected).mean() < 0.01


def test_strength_zero_gives_the_input_back(load: Load) -> None:
    frame = photograph()
    assert np.array_equal(run(load(strength=0.0), frame)[0], frame)


def test_strength_mixes_evenly(load: Load) -> None:
    frame = photograph()
    (full,), (half,) = run(load(), frame), run(load(strength=0.5), frame)
    expected = (frame.astype(float) + full) / 2
    assert np.abs(half - expected).max() <= 1


def test_preserved_colours_change_in_brightness_only(load: Load) -> None:
    frame = (photograph() // 4 + 96).astype(np.uint8)  # away from black and white, where clipping would change colours
    (plain,), (kept,) = run(load(strength=0.3), frame), run(load(strength=0.3, preserve_colour=True), frame)
    difference = kept.astype(int) - frame
    assert (np.ptp(difference, axis=2) <= 1).all()
    assert np.abs(luma(kept) - luma(plain)).max() <= 2
    assert not np.array_equal(kept, frame)


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.77])
def test_a_smaller_scale_gives_full_size_and_less_detail(load: Load, scale: float) -> None:
    frame = photograph(64, 96)
    (full,), (coarse,) = run(load(), frame), run(load(scale=scale), frame)
    assert coarse.shape == frame.shape
    detail = [np.abs(np.diff(luma(pixels), axis=0)).mean() for pixels in (coarse, full)]
    assert detail[0] < detail[1]


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_result_that_is_not_a_number_is_noticed_and_named(load: Load, poison: float) -> None:
    torch.manual_seed(1)
    network = TransformerNet(2)
    with torch.no_grad():
        network.deconv3.conv2d.bias[0] = 3e38
        network.deconv3.conv2d.weight.fill_(3e38 if poison == float("inf") else 0.0)
        if poison != poison:
            network.in5.weight.fill_(3e38)
            network.deconv3.conv2d.weight.fill_(-3e38)
    scorer = load(package_of(network, 2))
    batch = items(photograph())
    with torch.inference_mode():
        result = scorer.predict(scorer.preprocess(batch))
    with pytest.raises(FailedError) as caught:
        scorer.postprocess(result, batch)
    assert caught.value.failure.code is Code.OUTPUT_INVALID
    assert caught.value.failure.item == 0


def test_layout_changes_nothing_visible(load: Load) -> None:
    frame = photograph()
    (plain,), (last,) = run(load(), frame), run(load(channels_last=True), frame)
    assert np.abs(plain.astype(int) - last).max() <= 1


def test_16_bits_change_little(load: Load) -> None:
    frame = photograph()
    (exact,), (half,) = run(load(), frame), run(load(dtype=torch.bfloat16, channels_last=True), frame)
    assert np.abs(exact.astype(int) - half).mean() < 3


def test_16_bits_do_not_depend_on_the_engines_own_autocast(load: Load) -> None:
    frame = photograph()
    scorer = load(dtype=torch.bfloat16)
    (plain,) = run(scorer, frame)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (cast,) = run(scorer, frame)
    assert np.array_equal(plain, cast)


def test_frames_of_the_network_are_independent_and_those_of_optimisation_are_not(
    load: Load, features: LoadedPackage
) -> None:
    network = load()
    optimisation = load(
        features, inputs=Inputs({"s.png": png(photograph())}), method="optimisation", style_image="s.png"
    )
    assert isinstance(network, Independent)
    assert isinstance(optimisation, Independent)
    assert (network.independent, optimisation.independent) == (True, False)


def test_memory_is_that_of_the_weights(load: Load, small: LoadedPackage) -> None:
    weights = len(small.files["weights.safetensors"])
    assert 0.5 * weights < load().memory_bytes < 3 * weights
    assert load(dtype=torch.bfloat16).memory_bytes == load().memory_bytes // 2


def test_every_option_that_decides_the_result_is_in_the_models_key() -> None:
    plain = SCORING.model_key(StyleTransferOptions())
    changes = ({"strength": 0.5}, {"preserve_colour": True}, {"scale": 0.5})
    keys = {SCORING.model_key(StyleTransferOptions(**change)) for change in changes}
    assert len(keys | {plain}) == 4
    assert SCORING.model_key(StyleTransferOptions(crf=30, side_by_side=False)) == plain


def test_every_option_of_optimisation_is_in_the_models_key() -> None:
    def key(**changes: object) -> str:
        chosen = {"method": "optimisation", "style_image": "a.png", **changes}
        return SCORING.model_key(StyleTransferOptions.model_validate_json(__import__("json").dumps(chosen)))

    changed = (
        {"style_image": "b.png"},
        {"style_weight": 1.0},
        {"content_weight": 2.0},
        {"num_steps": 7},
        {"image_size": 64},
        {"strength": 0.5},
    )
    assert len({key(**change) for change in changed} | {key()}) == len(changed) + 1


def test_a_model_of_the_other_method_is_refused(load: Load, features: LoadedPackage) -> None:
    with pytest.raises(FailedError, match="'feed_forward' cannot use") as caught:
        load(features)
    assert caught.value.failure.code is Code.MODEL_INVALID


class TestOptimisation:
    """Painting with random features, on tiny frames and for few steps."""

    @pytest.fixture
    def scorer(self, load: Load, features: LoadedPackage) -> Scorer:
        return load(
            features,
            inputs=Inputs({"style.png": png(photograph(60, 80, seed=9))}),
            method="optimisation",
            style_image="style.png",
            num_steps=4,
            image_size=32,
        )

    def test_a_frame_is_painted_at_the_working_size_and_returned_at_its_own(self, scorer: Scorer) -> None:
        frame = photograph(48, 64)
        (painted,) = run(scorer, frame)
        assert painted.shape == frame.shape
        assert np.abs(painted.astype(int) - frame).mean() > 2

    def test_a_shard_gives_the_same_bytes_whatever_came_before(self, scorer: Scorer) -> None:
        frames = [photograph(seed=1), photograph(seed=1) // 2 + 60]
        first, second = copy.copy(scorer), copy.copy(scorer)
        first.begin(SHARD)
        one = [run(first, frame)[0] for frame in frames]
        run(second, photograph(seed=5))
        second.begin(SHARD)
        assert all(np.array_equal(a, run(second, frame)[0]) for a, frame in zip(one, frames, strict=True))

    def test_one_batch_is_the_same_as_frame_by_frame(self, scorer: Scorer) -> None:
        frames = photograph(seed=1), photograph(seed=1)
        scorer.begin(SHARD)
        together = run(scorer, *frames)
        scorer.begin(SHARD)
        assert all(np.array_equal(a, run(scorer, frame)[0]) for a, frame in zip(together, frames, strict=True))

    def test_a_similar_frame_starts_from_the_result_before(self, scorer: Scorer) -> None:
        """Four more steps on the same frame: nearer to the style than four steps are."""
        frame = photograph(seed=1)
        scorer.begin(SHARD)
        (first,), (second,) = run(scorer, frame), run(scorer, frame)
        scorer.begin(SHARD)
        assert np.array_equal(run(scorer, frame)[0], first)
        assert not np.array_equal(first, second)

    def test_another_scene_starts_from_itself(self, scorer: Scorer) -> None:
        dark, bright = photograph(seed=1) // 8, photograph(seed=2) // 8 + 200
        scorer.begin(SHARD)
        run(scorer, dark)
        (after_cut,) = run(scorer, bright)
        scorer.begin(SHARD)
        assert np.array_equal(run(scorer, bright)[0], after_cut)

    def test_a_failed_batch_leaves_the_shard_where_it_was(self, scorer: Scorer) -> None:
        frame = photograph(seed=1)
        scorer.begin(SHARD)
        (expected,) = run(scorer, frame)
        scorer.begin(SHARD)
        calls = []

        def fail() -> None:
            calls.append(1)
            if len(calls) == 6:
                raise MemoryError

        object.__setattr__(scorer, "_checkpoint", fail)
        with pytest.raises(MemoryError):
            run(scorer, frame, frame)
        object.__setattr__(scorer, "_checkpoint", lambda: None)
        assert np.array_equal(run(scorer, frame)[0], expected)

    def test_strength_zero_gives_the_input_back(self, load: Load, features: LoadedPackage) -> None:
        scorer = load(
            features,
            inputs=Inputs({"s.png": png(photograph())}),
            method="optimisation",
            style_image="s.png",
            num_steps=1,
            image_size=32,
            strength=0.0,
        )
        frame = photograph()
        assert np.array_equal(run(scorer, frame)[0], frame)

    def test_a_style_picture_that_is_none_is_refused_by_name(self, load: Load, features: LoadedPackage) -> None:
        with pytest.raises(FailedError, match=r"bad\.png"):
            load(features, inputs=Inputs({"bad.png": b"no picture"}), method="optimisation", style_image="bad.png")


@pytest.mark.parametrize(
    ("size", "longer", "expected"),
    [
        ((720, 1280), 512, (288, 512)),
        ((1280, 720), 512, (512, 288)),
        ((100, 200), 512, (100, 200)),
        ((8, 400), 200, (16, 200)),
    ],
)
def test_the_working_size_keeps_the_aspect(size: tuple[int, int], longer: int, expected: tuple[int, int]) -> None:
    assert working_size(torch.empty(1, 3, *size), longer) == expected
