"""The options of style transfer: typed, bounded, described. Imports no media library, so that the Function app
can check a request and publish the JSON Schema.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from dropscore.contracts.request import BlobName
from dropscore.workloads.base import WorkloadOptions


class Method(StrEnum):
    """How a picture gets its style."""

    FEED_FORWARD = "feed_forward"
    """One pass through a network trained for one style (Johnson et al. 2016)."""
    OPTIMISATION = "optimisation"
    """Gradient descent on the picture itself (Gatys et al. 2016): any style picture, a thousand times slower."""


class OnMissing(StrEnum):
    """What to do about frames and pictures that failed for good. The report names them, whatever is done."""

    FAIL = "fail"
    """Publish nothing."""
    GAPS = "gaps"
    """Leave them out. In a video the frame before stays until the next good one; times and sound stay as they are."""
    PASSTHROUGH = "passthrough"
    """Show the originals in their place."""
    REPEAT = "repeat"
    """Show the last good frame again in their place; pictures are left out."""


class OnTruncated(StrEnum):
    """What to do about a video whose end is missing."""

    SALVAGE = "salvage"
    """Score the frames that are there and say in the report how many are missing."""
    REFUSE = "refuse"
    """Refuse the file."""


class Preset(StrEnum):
    """x264's own names for its trade of speed against file size, fastest first."""

    ULTRAFAST = "ultrafast"
    SUPERFAST = "superfast"
    VERYFAST = "veryfast"
    FASTER = "faster"
    FAST = "fast"
    MEDIUM = "medium"


WITH_AND_WITHOUT_PICTURE: list[JsonValue] = [
    {"properties": {"method": {"const": Method.FEED_FORWARD.value}, "style_image": {"type": "null"}}},
    {
        "properties": {"method": {"const": Method.OPTIMISATION.value}, "style_image": {"type": "string"}},
        "required": ["method", "style_image"],
    },
]
"""In JSON Schema: the network takes its style from the model, painting by optimisation from a picture."""


class StyleTransferOptions(WorkloadOptions):
    """Options of the workload `style_transfer`.

    `style_weight`, `content_weight`, `num_steps` and `image_size` carry the names and defaults of the 2018
    reference architecture and matter to the method `optimisation` only.
    """

    model_config = ConfigDict(json_schema_extra={"oneOf": WITH_AND_WITHOUT_PICTURE})

    method: Method = Field(
        Method.FEED_FORWARD,
        description="feed_forward: one pass through a network trained for one style. optimisation: any style picture, "
        "given as style_image, a thousand times slower.",
    )
    style_image: BlobName | None = Field(
        None,
        description="Blob name in the container `inputs` of the style picture. Needed by the method optimisation.",
    )
    strength: Annotated[float, Field(ge=0, le=1)] = Field(
        1.0, description="Share of the styled picture in the result, 0 (the original) to 1 (fully styled)."
    )
    preserve_colour: bool = Field(
        False, description="Keep the colours of the input: only its brightness takes on the style."
    )
    scale: Annotated[float, Field(ge=0.25, le=1)] = Field(
        1.0,
        description="Size at which the network works, as a share of the input's size, 0.25 to 1. Smaller is faster and "
        "gives coarser strokes; the result has the input's full size.",
    )
    style_weight: Annotated[float, Field(gt=0, le=1e15)] = Field(
        1e8, description="Weight of the style loss (method optimisation)."
    )
    content_weight: Annotated[float, Field(ge=0, le=1e15)] = Field(
        1.0, description="Weight of the content loss (method optimisation)."
    )
    num_steps: Annotated[int, Field(ge=1, le=10_000)] = Field(
        300, description="Steps of L-BFGS for each picture (method optimisation)."
    )
    image_size: Annotated[int, Field(ge=32, le=4096)] = Field(
        512,
        description="Longer side, in pixels, at which pictures are optimised; the aspect is kept and the result has "
        "the input's full size (method optimisation).",
    )
    crf: Annotated[int, Field(ge=8, le=40)] = Field(
        19, description="Quality of the output video as x264's constant rate factor: lower is better and larger."
    )
    preset: Preset = Field(
        Preset.VERYFAST, description="x264's preset: slower ones make smaller files of the same quality."
    )
    encoder_threads: Annotated[int, Field(ge=1, le=16)] = Field(
        1,
        description="Threads of one video encoder. Another number gives other (equally good) bytes, so it is part of "
        "the options and never chosen by the machine.",
    )
    side_by_side: bool = Field(
        True, description="Also make a small video that shows the original on the left and the result on the right."
    )
    on_missing: OnMissing = Field(
        OnMissing.REPEAT,
        description="What stands in for frames and pictures that cannot be scored. repeat: the last good frame again "
        "(pictures are left out). passthrough: the originals. gaps: nothing; in a video the frame before stays. fail: "
        "nothing is published.",
    )
    on_truncated: OnTruncated = Field(
        OnTruncated.SALVAGE,
        description="When the end of a video is missing: salvage scores what is there and says what is missing; refuse "
        "refuses the file.",
    )

    @model_validator(mode="after")
    def _style_image_where_needed(self) -> Self:
        if self.method is Method.OPTIMISATION and self.style_image is None:
            raise ValueError("the method 'optimisation' needs style_image, a blob name in the container 'inputs'")
        if self.method is Method.FEED_FORWARD and self.style_image is not None:
            raise ValueError(
                "style_image is used by the method 'optimisation' only; 'feed_forward' takes its style from the model"
            )
        return self

    @property
    def default_model(self) -> str | None:
        """`mosaic-night@stable` for the network, `vgg19@stable` for optimisation."""
        return "vgg19@stable" if self.method is Method.OPTIMISATION else "mosaic-night@stable"

    @property
    def extra_inputs(self) -> tuple[str, ...]:
        """The style picture, when there is one."""
        return () if self.style_image is None else (self.style_image,)
