"""Log lines: one for each record, whatever is in it, and no secret."""

import json
import logging

import pytest

from dropscore.cloud.json_log import JsonLines
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.masking import masked

SECRETS = [
    (
        "https://a.blob.core.windows.net/x?sv=2025&sig=CANARY%3D&se=1",
        "https://a.blob.core.windows.net/x?sv=2025&sig=***&se=1",
    ),
    ("AccountName=a;AccountKey=CANARY+/==;EndpointSuffix=b", "AccountName=a;AccountKey=***;EndpointSuffix=b"),
    ("GET /api/runs?code=CANARY and more", "GET /api/runs?code=*** and more"),
    ("SharedAccessKey=CANARY;", "SharedAccessKey=***;"),
    ("x-functions-key: CANARY", "x-functions-key: ***"),
    ("Authorization: Bearer CANARY", "Authorization: Bearer ***"),
    ("Authorization: SharedKey CANARY:abc", "Authorization: SharedKey ***"),
    ("https://me:CANARY@example.org/x", "https://me:***@example.org/x"),
]
PLAIN = ["design=2", "exit code=3", "E-INPUT-NAME", "at 12:30:45", "a/b.mp4", "http://127.0.0.1:7071/api", "keys=4"]


def line_of(message, **extra):
    record = logging.LogRecord("a", logging.INFO, "f", 1, message, None, None)
    record.__dict__.update(extra)
    return JsonLines(run_id="r1").format(record)


@pytest.mark.fault(69)
@pytest.mark.parametrize("name", ["a\nb", 'a\r\n{"level": "error"}', "a\u2028b\u2029c\x85d", "\x1b[31mred", "a\x00b"])
def test_a_record_is_one_line_whatever_name_is_in_it(name):
    line = line_of(f"Reads {name}.", input=name)
    assert len(line.split("\n")) == 1
    assert "\r" not in line
    assert "\x1b" not in line
    assert json.loads(line)["input"] == name


@pytest.mark.fault(56)
@pytest.mark.parametrize(("text", "safe"), SECRETS)
def test_what_looks_like_a_secret_is_masked_in_logs_and_failures(text, safe):
    assert masked(text) == safe
    assert "CANARY" not in line_of(text, detail=text)
    told = failure(Code.INTERNAL, text, detail=text, input=text)
    assert "CANARY" not in told.model_dump_json()


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text):
    assert masked(text) == text
