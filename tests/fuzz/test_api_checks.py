"""A short round of Schemathesis against a whole local cloud; `make api-checks` is the long one."""

import pytest
from api_checks import asking_cloud, check

pytestmark = [pytest.mark.azurite, pytest.mark.localcloud, pytest.mark.slow, pytest.mark.timeout(300)]


def test_nothing_that_the_description_allows_or_forbids_breaks_the_api():
    with asking_cloud() as (url, key):
        done = check(url, key, seed=1, examples=4, phases="coverage,fuzzing")
    assert not done.found, done.said
    assert done.cases > 500
