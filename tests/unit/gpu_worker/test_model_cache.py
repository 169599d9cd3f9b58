"""Models are loaded once, shared, and given up oldest first."""

import threading
from dataclasses import replace

import pytest
from worker_parts import Turning, loaded

from gpu_worker.model_cache import ModelCache


class Freed:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


@pytest.fixture
def freed() -> Freed:
    return Freed()


@pytest.fixture
def cache(freed: Freed) -> ModelCache:
    return ModelCache(budget_bytes=250, freed=freed)


def of(size: int, key: str = "m"):
    return lambda: loaded(Turning(bytes_=size), key=key)


def use(cache: ModelCache, key: str, size: int = 100) -> None:
    cache.acquire(key, of(size, key))
    cache.release(key)


def test_the_second_use_loads_nothing_and_says_so(cache):
    first = cache.acquire("m", lambda: replace(loaded(), load_s=0.0))
    again = cache.acquire("m", lambda: pytest.fail("loaded again"))
    assert first.load_s > 0
    assert again.load_s == 0
    assert again.scorer is first.scorer
    assert (cache.counts().hits, cache.counts().misses) == (1, 1)


def test_many_that_want_a_model_at_once_load_it_once(cache):
    loads, begun, go = [], threading.Event(), threading.Event()

    def load():
        loads.append(1)
        begun.set()
        assert go.wait(5)
        return loaded()

    threads = [threading.Thread(target=cache.acquire, args=("m", load)) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(5)
    go.set()
    for thread in threads:
        thread.join(5)
    assert len(loads) == 1


def test_the_least_recently_used_goes_first(cache, freed):
    use(cache, "a")
    use(cache, "b")
    use(cache, "a")
    use(cache, "c")
    assert cache.counts().bytes == 200
    cache.acquire("a", lambda: pytest.fail("a was given up"))
    loads: list[int] = []
    cache.acquire("b", lambda: (loads.append(1), of(100)())[1])
    assert loads == [1]
    assert freed.times >= 1


def test_a_model_in_use_is_never_given_up(cache):
    held = cache.acquire("held", of(200))
    use(cache, "other", 200)
    assert cache.counts().evicted == 1
    assert cache.acquire("held", lambda: pytest.fail("held was given up")).scorer is held.scorer


def test_a_failed_load_is_told_to_all_who_waited_and_not_remembered(cache):
    def fail():
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cache.acquire("m", fail)
    assert cache.acquire("m", of(10)).load_s > 0


def test_a_full_device_is_cleared_of_unused_models_and_the_load_tried_again(cache, freed):
    use(cache, "old")
    tries: list[int] = []

    def load():
        tries.append(1)
        if len(tries) == 1:
            raise MemoryError
        return loaded(key="new")

    cache.acquire("new", load)
    assert len(tries) == 2
    assert cache.counts().evicted == 1
    assert freed.times == 1


def test_a_full_device_without_unused_models_fails_the_load(cache):
    cache.acquire("held", of(100))

    def load():
        raise MemoryError

    with pytest.raises(MemoryError):
        cache.acquire("new", load)
