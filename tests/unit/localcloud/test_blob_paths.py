"""Blob path patterns of bindings."""

import pytest

from localcloud.host.config import ConfigError
from localcloud.host.paths import BlobPattern


@pytest.mark.parametrize(
    ("path", "name", "tokens"),
    [
        ("triggers/{name}", "a.json", {"name": "a.json"}),
        ("triggers/{name}", "deep/er/büro #1.json", {"name": "deep/er/büro #1.json"}),
        ("in/{folder}/{id}.json", "x/7.json", {"folder": "x", "id": "7"}),
        ("in/{folder}/{id}.json", "x/7.txt", None),
        ("in/{a}-{a}", "x-x", {"a": "x"}),
        ("in/{a}-{a}", "x-y", None),
        ("in/fixed.json", "fixed.json", {}),
        ("in/fixed.json", "fixedXjson", None),
        ("in", "anything", {"blobname": "anything"}),
    ],
)
def test_names_fit_or_do_not(path, name, tokens):
    assert BlobPattern.parse(path).match(name) == tokens


@pytest.mark.parametrize(("path", "prefix"), [("triggers/{name}", ""), ("in/a/b-{id}.json", "a/b-"), ("in", "")])
def test_the_listed_prefix_is_what_stands_before_the_first_token(path, prefix):
    assert BlobPattern.parse(path).prefix == prefix


@pytest.mark.parametrize("path", ["", "{container}/x", "in/{a", "in/a}", "in/{not a name}"])
def test_paths_that_cannot_be_served_are_refused(path):
    with pytest.raises(ConfigError):
        BlobPattern.parse(path)
