"""Settings and host.json of the local host."""

import json

import pytest

from localcloud.host.config import (
    ConfigError,
    HostJson,
    QueueOptions,
    read_host_json,
    read_settings,
    resolve,
    time_span_s,
)


def test_an_absent_host_json_has_the_defaults_of_the_real_host(tmp_path):
    read = read_host_json(tmp_path / "host.json")
    assert read == HostJson()
    assert (read.route_prefix, read.poison_blob_threshold) == ("api", 5)
    assert read.queues == QueueOptions(batch_size=16, new_batch_threshold=8, max_dequeue_count=5, base64=True)


def test_host_json_is_observed(tmp_path):
    extensions = {
        "http": {"routePrefix": ""},
        "queues": {"batchSize": 4, "maxDequeueCount": 2, "visibilityTimeout": "00:00:30", "messageEncoding": "none"},
        "blobs": {"poisonBlobThreshold": 3, "maxDegreeOfParallelism": 2},
    }
    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": extensions}))
    queues = QueueOptions(
        batch_size=4, new_batch_threshold=2, max_dequeue_count=2, visibility_timeout_s=30.0, base64=False
    )
    expected = HostJson(route_prefix="", queues=queues, poison_blob_threshold=3, max_degree_of_parallelism=2)
    assert read_host_json(tmp_path / "host.json") == expected


@pytest.mark.parametrize("text", ["{", "[]", '{"extensions": {"queues": {"batchSize": 33}}}'])
def test_a_host_json_that_cannot_be_used_is_named(tmp_path, text):
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(ConfigError, match=r"host\.json cannot be used"):
        read_host_json(tmp_path / "host.json")


@pytest.mark.parametrize(
    ("text", "seconds"), [("00:00:30", 30), ("01:02:03", 3723), ("1.00:00:00", 86_400), ("00:00:00.25", 0.25)]
)
def test_time_spans(text, seconds):
    assert time_span_s(text) == seconds


@pytest.mark.parametrize("text", ["30", "a:b:c", "00:00"])
def test_what_is_no_time_span_is_refused(text):
    with pytest.raises(ValueError, match="is not a time span"):
        time_span_s(text)


@pytest.mark.parametrize("text", ['{"A": "1"}', '{"IsEncrypted": false, "Values": {"A": "1"}}'])
def test_settings_are_read_from_both_kinds_of_file(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    assert read_settings(tmp_path / "s.json") == {"A": "1"}


@pytest.mark.parametrize("text", ["", "[]", '{"A": 1}', '{"Values": []}'])
def test_settings_that_are_no_strings_are_refused(tmp_path, text):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(ConfigError):
        read_settings(tmp_path / "s.json")


def test_settings_in_bindings_are_put_in():
    assert resolve("%A%-%B%", {"A": "x", "B": "y"}) == "x-y"
    assert resolve("plain", {}) == "plain"
    assert resolve("50% off", {}) == "50% off"


def test_a_missing_setting_in_a_binding_is_named():
    with pytest.raises(ConfigError, match="'Nowhere'"):
        resolve("%Nowhere%", {})
