"""What a failure means for its shard: one table."""

import pytest

from dropscore.contracts.failures import Code, failure
from gpu_worker.steps import Next, backoff_s, next_step


@pytest.mark.parametrize(
    ("code", "tries", "expected"),
    [
        (Code.INPUT_CORRUPT, 1, Next.GIVE_UP),
        (Code.INPUT_CHANGED, 1, Next.GIVE_UP),
        (Code.MODEL_INVALID, 1, Next.GIVE_UP),
        (Code.STORAGE_UNAVAILABLE, 1, Next.REQUEUE),
        (Code.STORAGE_UNAVAILABLE, 9, Next.REQUEUE),
        (Code.INTERNAL, 1, Next.RETRY),
        (Code.INTERNAL, 4, Next.RETRY),
        (Code.INTERNAL, 5, Next.GIVE_UP),
        (Code.OUTPUT_INVALID, 5, Next.GIVE_UP),
        (Code.OUT_OF_MEMORY, 1, Next.RETRY),
        (Code.OUT_OF_MEMORY, 5, Next.GIVE_UP),
        (Code.SHARD_POISON, 1, Next.GIVE_UP),
        (Code.DEVICE_LOST, 1, Next.LEAVE),
        (Code.DEVICE_LOST, 5, Next.LEAVE),
        (Code.RUN_CANCELLED, 1, Next.DROP),
        (Code.MESSAGE_MALFORMED, 1, Next.POISON),
    ],
)
def test_the_class_of_a_failure_decides_with_the_tries(code, tries, expected):
    assert next_step(failure(code), tries=tries, attempts=5) is expected


def test_waits_double_up_to_a_minute_and_never_coincide():
    for earlier, longest in ((0, 1.0), (1, 2.0), (3, 8.0), (6, 60.0), (40, 60.0)):
        waits = {backoff_s(1.0, earlier) for _ in range(50)}
        assert len(waits) > 40
        assert longest * 0.75 <= min(waits)
        assert max(waits) <= longest
