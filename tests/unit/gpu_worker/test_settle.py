"""What a failure means for its shard: one table."""

import pytest

from dropscore.contracts.failures import Code, failure
from gpu_worker.settle import Next, next_step


@pytest.mark.parametrize(
    ("code", "delivery", "expected"),
    [
        (Code.INPUT_CORRUPT, 1, Next.VERDICT),
        (Code.INPUT_CHANGED, 1, Next.VERDICT),
        (Code.MODEL_INVALID, 1, Next.VERDICT),
        (Code.STORAGE_UNAVAILABLE, 1, Next.REQUEUE),
        (Code.STORAGE_UNAVAILABLE, 9, Next.REQUEUE),
        (Code.INTERNAL, 1, Next.RETRY),
        (Code.INTERNAL, 4, Next.RETRY),
        (Code.INTERNAL, 5, Next.VERDICT),
        (Code.OUTPUT_INVALID, 5, Next.VERDICT),
        (Code.OUT_OF_MEMORY, 1, Next.RETRY),
        (Code.OUT_OF_MEMORY, 5, Next.VERDICT),
        (Code.SHARD_POISON, 6, Next.VERDICT),
        (Code.DEVICE_LOST, 1, Next.LEAVE),
        (Code.DEVICE_LOST, 5, Next.LEAVE),
        (Code.RUN_CANCELLED, 1, Next.DROP),
        (Code.MESSAGE_MALFORMED, 1, Next.POISON),
    ],
)
def test_the_class_of_a_failure_decides_with_the_attempts(code, delivery, expected):
    assert next_step(failure(code), delivery=delivery, attempts=5) is expected
