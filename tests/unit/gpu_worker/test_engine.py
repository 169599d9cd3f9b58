"""Batches on the device: halving, checking, order, finiteness."""

import pytest
import torch
from worker_parts import CPU, Turning, batch, loaded, profile

from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.measured import Precision
from dropscore.contracts.plan import ShardSpec
from gpu_worker.engine import Engine
from gpu_worker.job import Stop, StoppedError
from gpu_worker.runner import CpuRunner


def no_check() -> None:
    """Nothing stops the work."""


@pytest.fixture
def engine() -> Engine:
    return Engine(CPU, CpuRunner())


def fits(most: int):
    """A cost that fails for batches of more than `most`, and remembers all sizes it saw."""
    sizes: list[int] = []

    def cost(tensor: torch.Tensor) -> None:
        sizes.append(len(tensor))
        if len(tensor) > most:
            raise torch.OutOfMemoryError("full")

    return cost, sizes


def test_a_result_holds_one_row_for_each_item_in_order(engine):
    model = loaded()
    tensor, seconds = engine.predict(model, model.scorer, batch(1, 2, 3), check=no_check).wait()
    assert [int(row[0, 0, 0]) for row in tensor] == [254, 253, 252]
    assert seconds >= 0


def test_a_batch_too_large_is_halved_until_it_fits_with_the_same_result(engine):
    cost, sizes = fits(2)
    model = loaded(Turning(cost))
    tensor, _ = engine.predict(model, model.scorer, batch(*range(7)), check=no_check).wait()
    assert [int(row[0, 0, 0]) for row in tensor] == [255 - number for number in range(7)]
    assert sizes == [7, 3, 1, 1, 1, 1, 1, 1, 1]


def test_the_size_that_fits_is_remembered_for_the_model_and_the_size_of_its_items(engine):
    cost, _ = fits(2)
    model = loaded(Turning(cost))
    engine.predict(model, model.scorer, batch(*range(4)), check=no_check)
    assert engine.batch_size(model, 12) == 2
    assert engine.batch_size(model, 3) > 2
    assert engine.batch_size(loaded(key="other"), 12) == 4


def test_one_item_that_does_not_fit_is_told(engine):
    cost, _ = fits(0)
    model = loaded(Turning(cost))
    with pytest.raises(FailedError) as caught:
        engine.predict(model, model.scorer, batch(0, 1), check=no_check)
    assert caught.value.failure.code is Code.OUT_OF_MEMORY


def test_larger_items_come_in_smaller_batches(engine):
    model = loaded()  # profiled: 4 items of 12 bytes
    assert [engine.batch_size(model, 6 * width) for width in (1, 2, 4, 100)] == [8, 4, 2, 1]


def test_a_scorer_whose_batches_depend_on_each_other_gets_single_items(engine):
    assert engine.batch_size(loaded(Turning(independent=False)), 12) == 1


def test_a_long_predict_can_ask_whether_to_stop(engine):
    def stopped() -> None:
        raise StoppedError(Stop.CANCELLED)

    model = loaded(Turning(lambda tensor: engine.checkpoint()))
    with pytest.raises(StoppedError):
        engine.predict(model, model.scorer, batch(0), check=stopped)
    engine.checkpoint()


def test_predictions_run_without_gradients_in_the_precision_of_the_profile(engine):
    seen: list[object] = []

    def look(tensor: torch.Tensor) -> None:
        seen.append(
            (
                torch.is_inference_mode_enabled(),
                torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None,
            )
        )

    scorer = Turning(look)
    for precision in (Precision.FLOAT32, Precision.BFLOAT16):
        engine.run(profile(precision=precision), scorer, batch(0).tensor, check=no_check)
    assert seen == [(True, None), (True, torch.bfloat16)]


def test_a_result_that_is_no_number_is_refused(engine):
    engine.require_finite(torch.tensor([1.0, 2.0]), (7, 8))
    engine.require_finite(torch.tensor([255], dtype=torch.uint8), (7,))
    for value in (float("nan"), float("inf")):
        with pytest.raises(FailedError) as caught:
            engine.require_finite(torch.tensor([1.0, value]), (7, 8))
        assert (caught.value.failure.code, caught.value.failure.item) == (Code.OUTPUT_INVALID, 8)


def test_each_shard_has_its_own_copy_of_the_scorer():
    model = loaded()
    shards = [ShardSpec(shard_id=number, input_index=0, first_item=0, items=1) for number in range(2)]
    copies = [model.for_shard(shard) for shard in shards]
    assert [copy.begun for copy in copies] == [[0], [1]]
    assert model.scorer.begun == []
