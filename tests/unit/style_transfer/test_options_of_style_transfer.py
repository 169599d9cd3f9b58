import subprocess
import sys

import pytest

from dropscore.contracts.codec import decode, encode
from dropscore.contracts.errors import ContractError
from dropscore.workloads.registry import options_type, workload
from dropscore.workloads.style_transfer.options import Method, StyleTransferOptions


def read(**fields):
    return decode(StyleTransferOptions, fields)


def test_defaults_are_those_of_the_2018_reference():
    options = read()
    assert options.method is Method.FEED_FORWARD
    assert (options.style_weight, options.content_weight) == (1e8, 1.0)
    assert (options.num_steps, options.image_size) == (300, 512)


def test_the_registry_names_these_options():
    assert options_type(workload("style_transfer")) is StyleTransferOptions


@pytest.mark.parametrize(
    ("fields", "model", "inputs"),
    [
        ({}, "mosaic-night@stable", ()),
        ({"method": "optimisation", "style_image": "styles/wave.jpg"}, "vgg19@stable", ("styles/wave.jpg",)),
    ],
)
def test_the_method_decides_the_default_model_and_further_inputs(fields, model, inputs):
    assert read(**fields).default_model == model
    assert read(**fields).extra_inputs == inputs


@pytest.mark.parametrize(
    ("fields", "path", "said"),
    [
        ({"strength": 1.5}, "$.strength", "less than or equal to 1"),
        ({"strength": -0.1}, "$.strength", "greater than or equal to 0"),
        ({"scale": 0.1}, "$.scale", "greater than or equal to 0.25"),
        pytest.param({"scale": 8.0}, "$.scale", "less than or equal to 1", marks=pytest.mark.fault(61)),
        ({"crf": 60}, "$.crf", "less than or equal to 40"),
        ({"num_steps": 0}, "$.num_steps", "greater than or equal to 1"),
        ({"num_steps": 1.5}, "$.num_steps", "valid integer"),
        ({"image_size": 100_000}, "$.image_size", "less than or equal to 4096"),
        ({"style_weight": 0}, "$.style_weight", "greater than 0"),
        ({"preset": "placebo"}, "$.preset", "'ultrafast'"),
        ({"side_by_side": "yes"}, "$.side_by_side", "valid boolean"),
        ({"on_missing": "guess"}, "$.on_missing", "'passthrough'"),
        ({"styel_weight": 1.0}, "$.styel_weight", "unknown field"),
        ({"method": "optimisation"}, "$", "needs style_image"),
        ({"style_image": "wave.jpg"}, "$", "used by the method 'optimisation' only"),
        ({"style_image": ""}, "$.style_image", "at least 1 character"),
    ],
)
def test_what_is_not_allowed_is_named_with_its_place(fields, path, said):
    with pytest.raises(ContractError) as caught:
        read(**fields)
    problems = dict(caught.value.problems)
    assert said in problems[path]


def test_options_survive_the_wire():
    options = read(method="optimisation", style_image="a.png", strength=0.5, preset="medium", on_missing="passthrough")
    assert decode(StyleTransferOptions, encode(options)) == options


def test_every_option_is_described_in_the_published_schema():
    properties = StyleTransferOptions.model_json_schema()["properties"]
    assert len(properties) >= 15
    for name, schema in properties.items():
        assert len(schema.get("description", "")) > 20, name
        assert "default" in schema, name


def test_options_bring_no_media_library_into_the_function_app():
    code = (
        "import sys, dropscore.workloads.style_transfer.options, dropscore.workloads.media\n"
        "print(sorted({'av', 'numpy', 'PIL', 'torch'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
