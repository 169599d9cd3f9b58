"""Values that many ask for."""

import threading
from collections.abc import Callable

import pytest

from dropscore.cloud.clock import ManualClock
from dropscore.cloud.coalesced import Coalesced


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come true")


def test_a_value_is_loaded_once_while_it_is_fresh() -> None:
    clock, loads = ManualClock(), list[tuple[str, int | None]]()

    def load(key: str, last: int | None) -> int:
        loads.append((key, last))
        return len(loads)

    known = Coalesced(load, clock, fresh_s=1.0)
    assert [known("a"), known("a"), known("b")] == [1, 1, 2]
    clock.advance(1.0)
    assert known("a") == 3
    assert loads == [("a", None), ("b", None), ("a", 1)]


def test_many_at_once_wait_for_one_loading() -> None:
    begun, go, loads = threading.Event(), threading.Event(), list[int]()

    def load(_key: str, _last: int | None) -> int:
        begun.set()
        assert go.wait(5)
        loads.append(1)
        return len(loads)

    known = Coalesced(load, ManualClock(), fresh_s=1.0)
    got: list[int] = []
    threads = [threading.Thread(target=lambda: got.append(known("a"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    assert begun.wait(5)
    go.set()
    for thread in threads:
        thread.join()
    assert got == [1] * 20


def test_who_asks_often_is_given_the_last_value_while_it_is_loaded_anew() -> None:
    clock, loads = ManualClock(), list[int]()

    def load(_key: str, _last: int | None) -> int:
        loads.append(1)
        return len(loads)

    known = Coalesced(load, clock, fresh_s=1.0, linger_s=1.0)
    known("a")
    clock.advance(1.5)
    assert known("a") == 1
    wait_until(lambda: known("a") == 2)
    clock.advance(2.5)
    assert known("a") == 3


def test_a_slow_loading_keeps_nobody_waiting_for_a_while() -> None:
    clock, loads, go = ManualClock(), list[int](), threading.Event()

    def load(_key: str, last: int | None) -> int:
        assert last is None or go.wait(5)
        loads.append(1)
        return len(loads)

    known = Coalesced(load, clock, fresh_s=1.0, linger_s=1.0, slow_s=5.0)
    known("a")
    clock.advance(1.5)
    assert known("a") == 1
    clock.advance(4.0)
    assert known("a") == 1
    go.set()
    wait_until(lambda: known("a") == 2)


def test_a_value_that_took_long_to_load_is_fresh_when_it_comes() -> None:
    clock, loads = ManualClock(), list[int]()

    def load(_key: str, _last: int | None) -> int:
        clock.advance(10.0)
        loads.append(1)
        return len(loads)

    known = Coalesced(load, clock, fresh_s=1.0)
    assert [known("a"), known("a")] == [1, 1]


def test_a_loading_aside_that_fails_leaves_the_value_and_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, failing = ManualClock(), list[bool]()

    def load(_key: str, _last: int | None) -> int:
        if failing:
            raise RuntimeError("no storage")
        return 7

    known = Coalesced(load, clock, fresh_s=1.0, linger_s=1.0)
    known("a")
    failing.append(True)
    clock.advance(1.5)
    assert known("a") == 7
    wait_until(lambda: bool(caplog.records))
    clock.advance(1.0)
    with pytest.raises(RuntimeError, match="no storage"):
        known("a")
    failing.clear()
    assert known("a") == 7


def test_keys_not_asked_for_longest_go() -> None:
    known = Coalesced(lambda key, _last: key, ManualClock(), fresh_s=1.0, most=3)
    for key in "abcdefg":
        known(key)
    assert len(known) == 3
