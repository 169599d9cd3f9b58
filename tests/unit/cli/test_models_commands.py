"""`dropscore models`."""

import json

import pytest
from small_cloud import SmallCloud

from dropscore.cli.models import list_models, push_shipped_models, show_model
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code


def test_without_models_it_says_how_to_bring_some(cloud: SmallCloud) -> None:
    session = cloud.session()

    list_models(session.session)

    assert "dropscore models push-shipped" in session.err


def test_shipped_models_are_stored_and_listed_with_their_alias(cloud: SmallCloud) -> None:
    push_shipped_models(cloud.session().session)
    session = cloud.session(as_json=True)

    list_models(session.session)

    models = {model["name"]: model for model in json.loads(session.out)["models"]}
    assert models["mosaic-night"]["aliases"] == {"stable": models["mosaic-night"]["versions"][-1]["version"]}


def test_storing_them_again_changes_nothing(cloud: SmallCloud) -> None:
    first, second = cloud.session(as_json=True), cloud.session(as_json=True)
    push_shipped_models(first.session)
    cloud.memory.blobs.operations.clear()

    push_shipped_models(second.session)

    assert second.out == first.out
    assert "blob.put" not in cloud.memory.blobs.operations.counts()


def test_a_model_is_shown_by_its_name(cloud: SmallCloud) -> None:
    push_shipped_models(cloud.session().session)
    session = cloud.session()

    show_model(session.session, "mosaic-night")

    assert "mosaic-night@" in session.out
    assert "transformer_net" in session.out
    assert "MIT" in session.out


@pytest.mark.parametrize("reference", ["mosaic-night@stable", "mosaic-night@1"])
def test_a_model_is_shown_by_alias_or_version(cloud: SmallCloud, reference: str) -> None:
    push_shipped_models(cloud.session().session)
    session = cloud.session(as_json=True)

    show_model(session.session, reference)

    told = json.loads(session.out)
    assert (told["name"], told["version"]) == ("mosaic-night", "1")


@pytest.mark.parametrize(
    ("reference", "known"), [("mosaic-nicht", "'mosaic-night'"), ("mosaic-night@7", "mosaic-night@stable")]
)
def test_an_unknown_model_is_told_with_those_there_are(cloud: SmallCloud, reference: str, known: str) -> None:
    push_shipped_models(cloud.session().session)

    with pytest.raises(FailedError) as refused:
        show_model(cloud.session().session, reference)

    assert refused.value.failure.code is Code.MODEL_UNKNOWN
    assert known in refused.value.failure.action
