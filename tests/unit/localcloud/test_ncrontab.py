"""NCRONTAB expressions."""

from datetime import UTC, datetime

import pytest

from localcloud.host.ncrontab import CronError, Schedule


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "moment", "following"),
    [
        ("0 */5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("0 */5 * * * *", "2026-01-01T23:58:10", "2026-01-02T00:00:00"),
        ("*/10 * * * * *", "2026-01-01T00:00:09", "2026-01-01T00:00:10"),
        ("*/10 * * * * *", "2026-01-01T00:00:10", "2026-01-01T00:00:20"),
        ("5,35 * * * * *", "2026-01-01T00:00:05", "2026-01-01T00:00:35"),
        ("0 30 9-17 * * MON-FRI", "2026-01-02T17:30:00", "2026-01-05T09:30:00"),
        ("0 0 0 * * 7", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("0 0 0 * * 0", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("0 0 12 1 jan *", "2026-01-01T12:00:00", "2027-01-01T12:00:00"),
        ("0 0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 0 31 * *", "2026-03-31T00:00:00", "2026-05-31T00:00:00"),
        ("*/5 * * * *", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
        ("0 10/20 * * * *", "2026-01-01T00:10:00", "2026-01-01T00:30:00"),
    ],
)
def test_the_time_after_a_moment(expression, moment, following):
    assert Schedule.parse(expression).after(at(moment)) == at(following)


def test_fractions_of_seconds_do_not_fire_twice():
    schedule = Schedule.parse("* * * * * *")
    assert schedule.after(datetime(2026, 1, 1, 0, 0, 0, 999_999, UTC)) == at("2026-01-01T00:00:01")


@pytest.mark.parametrize(
    "expression",
    ["", "* * * *", "60 * * * * *", "* * * * 13 *", "0 0 0 0 * *", "a * * * * *", "*/0 * * * * *", "5-1 * * * * *"],
)
def test_expressions_that_cannot_be_read_are_refused(expression):
    with pytest.raises(CronError):
        Schedule.parse(expression)


def test_a_schedule_that_never_comes_true_is_refused():
    with pytest.raises(CronError, match="never comes true"):
        Schedule.parse("0 0 0 30 2 *").after(at("2026-01-01T00:00:00"))
