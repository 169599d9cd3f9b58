"""Instants and durations as Azure writes them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.emulation.clock import (
    UNLIMITED,
    format_duration,
    http_date,
    instant,
    parse_duration,
    parse_http_date,
    parse_instant,
)


def test_an_instant_has_seven_digits_and_a_z():
    assert instant(datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)) == "2025-01-02T03:04:05.6789010Z"


def test_an_instant_without_zone_is_utc():
    assert parse_instant("2025-01-01T00:00:00") == datetime(2025, 1, 1, tzinfo=UTC)


def test_an_http_date_comes_back_without_its_fraction():
    at = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert parse_http_date(http_date(at)) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("PT5M", timedelta(minutes=5)),
        ("PT05M00S", timedelta(minutes=5)),
        ("PT02H00M00S", timedelta(hours=2)),
        ("P7D", timedelta(days=7)),
        ("P1DT2H3M4.5S", timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        (UNLIMITED, timedelta(days=10675199, hours=2, minutes=48, seconds=5.477581)),
    ],
)
def test_both_spellings_of_a_duration_are_read(text, length):
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "P", "PT", "5m", "PT5", "P1Y", "P1M", "PT1H2", "pt5m", "-PT5M"])
def test_other_texts_are_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=5), "PT5M"),
        (timedelta(hours=25), "P1DT1H"),
        (timedelta(days=7), "P7D"),
        (timedelta(seconds=1.25), "PT1.25S"),
        (parse_duration(UNLIMITED), UNLIMITED),
    ],
)
def test_a_duration_is_written_without_zero_parts(length, text):
    assert format_duration(length) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=100_000)))
def test_what_is_written_is_read_back(length):
    assert abs(parse_duration(format_duration(length)) - length) <= timedelta(microseconds=1)
