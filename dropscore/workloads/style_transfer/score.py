"""The scorers of style transfer: uint8 frames in, uint8 frames out, everything between on the device.

A result carries one row more than its frame. Its first byte says whether the network gave numbers: so a result that is
none is noticed when it is fetched, and the device never has to wait for the host to look.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code
from dropscore.contracts.plan import ShardSpec
from dropscore.models.architectures import build
from dropscore.models.networks.transformer import FastTransformer, TransformerNet
from dropscore.models.networks.vgg import Vgg19
from dropscore.workloads.base import InputFiles, Item, LoadRequest, Scorer, Sink, WorkloadOptions
from dropscore.workloads.media.images import read_picture
from dropscore.workloads.style_transfer.frames import open_sink, open_source
from dropscore.workloads.style_transfer.model import Recipe, paint, style_of
from dropscore.workloads.style_transfer.options import Method, StyleTransferOptions

LUMA = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in brightness (Rec. 601)."""
SAME_SCENE = 0.1
"""Mean difference of two frames, of 1, up to which the second is painted over the result of the first."""
LEAST_SIDE = 16
"""Shorter pictures than this vanish in the poolings of VGG-19."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """What is done to a styled picture before it leaves the device."""

    strength: float
    preserve_colour: bool

    def __call__(self, content: Tensor, styled: Tensor) -> Tensor:
        """Mix two pictures (N, 3, H, W) in float32, 0 to 255: the result, (N, H + 1, W, 3) uint8 with the row of marks.

        Uses up `styled`.
        """
        good = styled.sum((1, 2, 3)).isfinite()
        styled.clamp_(0.0, 255.0)
        if self.preserve_colour:
            # Adding the same amount to red, green and blue changes brightness and neither colour difference.
            styled = (content + (_luma(styled) - _luma(content))).clamp_(0.0, 255.0)
        if self.strength < 1.0:
            styled = torch.lerp(content, styled, self.strength)
        return _with_marks(styled.round_().to(torch.uint8).permute(0, 2, 3, 1), good)


class FeedForwardScorer:
    """One pass through a network trained for one style. Every frame on its own."""

    def __init__(
        self, network: FastTransformer, finish: Finish, scale: float, *, dtype: torch.dtype, channels_last: bool
    ) -> None:
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._network = network.to(dtype)
        self._network.to(memory_format=self._layout)  # type: ignore[call-overload] # torch's types lack it
        self._finish = finish
        self._scale = scale
        self._dtype = dtype

    @property
    def independent(self) -> bool:
        """No frame depends on another."""
        return True

    @property
    def memory_bytes(self) -> int:
        return _weight_bytes(self._network)

    def begin(self, shard: ShardSpec) -> None:
        """Nothing is kept from frame to frame."""

    def preprocess(self, items: Sequence[Item]) -> Tensor:
        return stack(items)

    def predict(self, batch: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, H + 1, W, 3) uint8: the frames and their marks."""
        if self._finish.strength == 0.0:
            return _with_marks(batch, torch.ones(len(batch), dtype=torch.bool, device=batch.device))
        # A CPU gains nothing from more frames in a call, and its kernels round differently for other numbers of them.
        together = 1 if batch.device.type == "cpu" else len(batch)
        with torch.autocast(batch.device.type, enabled=False):
            results = [self._painted(frames) for frames in torch.split(batch, together)]
        return results[0] if len(results) == 1 else torch.cat(results)

    def postprocess(self, result: Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return unstack(result, items)

    def _painted(self, frames: Tensor) -> Tensor:
        content = frames.permute(0, 3, 1, 2).to(dtype=torch.float32, memory_format=self._layout)
        return self._finish(content, self._styled(content))

    def _styled(self, content: Tensor) -> Tensor:
        height, width = content.shape[-2:]
        size = max(1, round(height * self._scale)), max(1, round(width * self._scale))
        styled = self._network(_resized(content, size).to(self._dtype))
        return _resized(styled.float(), (height, width))


class OptimisationScorer:
    """Gradient descent on each frame. A frame like the one before it starts from that one's result."""

    def __init__(
        self,
        network: Vgg19,
        style: Mapping[str, Tensor],
        recipe: Recipe,
        finish: Finish,
        image_size: int,
        checkpoint: Callable[[], None],
    ) -> None:
        self._network = network
        self._style = style
        self._recipe = recipe
        self._finish = finish
        self._image_size = image_size
        self._checkpoint = checkpoint
        self._before: tuple[Tensor, Tensor] | None = None
        """Content and result of the frame before, both as optimised."""

    @property
    def independent(self) -> bool:
        """Each frame starts from the one before."""
        return False

    @property
    def memory_bytes(self) -> int:
        return _weight_bytes(self._network)

    def begin(self, shard: ShardSpec) -> None:  # noqa: ARG002 - the protocol's
        self._before = None

    def preprocess(self, items: Sequence[Item]) -> Tensor:
        return stack(items)

    def predict(self, batch: Tensor) -> Tensor:
        """(N, H, W, 3) uint8 to (N, H + 1, W, 3) uint8: the frames and their marks."""
        before = self._before
        results = []
        with torch.inference_mode(mode=False), torch.enable_grad(), torch.autocast(batch.device.type, enabled=False):
            for frame in batch.clone().permute(0, 3, 1, 2).float()[:, None]:
                content = _resized(frame, working_size(frame, self._image_size)).clamp(0, 255) / 255
                result = self._paint(content, before)
                before = content, result
                results.append(self._finish(frame, _resized(result * 255, tuple(frame.shape[-2:]))))
        # Only now: a batch that failed and comes again in halves must start from the same frame.
        self._before = before
        return torch.cat(results)

    def postprocess(self, result: Tensor, items: Sequence[Item]) -> Sequence[Any]:
        return unstack(result, items)

    def _paint(self, content: Tensor, before: tuple[Tensor, Tensor] | None) -> Tensor:
        start = None
        if before is not None and before[0].shape == content.shape:
            same = (before[0] - content).abs().mean() <= SAME_SCENE
            start = before[1] if same else None
        return paint(self._network, content, self._style, self._recipe, start=start, checkpoint=self._checkpoint)


class StyleTransferScoring:
    """The worker's side of style transfer (`dropscore.workloads.base.Scoring`)."""

    def model_key(self, options: WorkloadOptions) -> str:
        """Everything a scorer is built from besides its package."""
        options = _ours(options)
        key: dict[str, Json] = {
            "method": options.method.value,
            "strength": options.strength,
            "preserve_colour": options.preserve_colour,
        }
        if options.method is Method.FEED_FORWARD:
            key["scale"] = options.scale
        else:
            names = ("style_image", "style_weight", "content_weight", "num_steps", "image_size")
            key |= {name: getattr(options, name) for name in names}
        return json.dumps(key, sort_keys=True)

    def load(self, request: LoadRequest) -> Scorer:
        """Build the network on the device. Raises `FailedError` when the package is not one for this method."""
        options = _ours(request.options)
        if request.package is None:
            raise FailedError.of(Code.MODEL_UNKNOWN, "style transfer needs a model package", field="model")
        network = build(request.package, request.files)
        finish = Finish(strength=options.strength, preserve_colour=options.preserve_colour)
        if options.method is Method.FEED_FORWARD and isinstance(network, TransformerNet):
            fast = FastTransformer(network).to(request.device)
            return FeedForwardScorer(
                fast, finish, options.scale, dtype=request.dtype, channels_last=request.channels_last
            )
        if options.method is Method.OPTIMISATION and isinstance(network, Vgg19):
            return _optimisation(network.to(request.device), finish, options, request)
        raise FailedError.of(
            Code.MODEL_INVALID,
            f"the model {request.package.name!r} is a {request.package.architecture}, which the method "
            f"{options.method.value!r} cannot use",
            field="model",
        )

    def open_source(self, shard: ShardSpec, options: WorkloadOptions, inputs: InputFiles) -> Iterator[Item]:
        return open_source(shard, _ours(options), inputs)

    def open_sink(self, shard: ShardSpec, options: WorkloadOptions) -> Sink:
        return open_sink(shard, _ours(options))


SCORING = StyleTransferScoring()


def _ours(options: WorkloadOptions) -> StyleTransferOptions:
    assert isinstance(options, StyleTransferOptions)
    return options


def _optimisation(
    network: Vgg19, finish: Finish, options: StyleTransferOptions, request: LoadRequest
) -> OptimisationScorer:
    assert options.style_image is not None
    with request.inputs.open_named(options.style_image) as file:
        pixels = read_picture(file, options.style_image).pixels
    picture = torch.from_numpy(pixels).to(request.device).permute(2, 0, 1)[None].float()
    size = working_size(picture, options.image_size)
    recipe = Recipe(style_weight=options.style_weight, content_weight=options.content_weight, steps=options.num_steps)
    with torch.inference_mode(mode=False):
        style = style_of(network, _resized(picture, size).clamp(0, 255) / 255)
    return OptimisationScorer(network, style, recipe, finish, options.image_size, request.checkpoint)


def working_size(picture: Tensor, longer: int) -> tuple[int, int]:
    """Height and width at which (N, 3, H, W) is optimised: `longer` pixels at most on the longer side, the aspect
    kept, never enlarged but for pictures too small for the network.
    """
    height, width = picture.shape[-2:]
    share = min(1.0, longer / max(height, width))
    return max(LEAST_SIDE, round(height * share)), max(LEAST_SIDE, round(width * share))


def stack(items: Sequence[Item]) -> Tensor:
    """Items of one size as one tensor on the host, (N, H, W, 3) uint8. Only to be read: a single item is not copied."""
    pixels = items[0].pixels[None] if len(items) == 1 else np.stack([item.pixels for item in items])
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())


def unstack(result: Tensor, items: Sequence[Item]) -> Sequence[Any]:
    """Frames (H, W, 3) uint8 of a fetched result. Raises `FailedError` (E-OUTPUT-INVALID) that names the item."""
    pixels = result.numpy()
    for item, marks in zip(items, pixels[:, -1], strict=True):
        if not marks[0, 0]:
            raise FailedError.of(Code.OUTPUT_INVALID, item=item.index)
    return list(pixels[:, :-1])


def _with_marks(pixels: Tensor, good: Tensor) -> Tensor:
    """Add the row that says for each frame of (N, H, W, 3) whether it is good."""
    n, height, width, channels = pixels.shape
    result = torch.empty((n, height + 1, width, channels), dtype=torch.uint8, device=pixels.device)
    result[:, :height] = pixels
    result[:, height] = good.to(torch.uint8)[:, None, None]
    return result


def _resized(picture: Tensor, size: tuple[int, ...]) -> Tensor:
    if tuple(picture.shape[-2:]) == size:
        return picture
    return F.interpolate(picture, size=size, mode="bicubic", align_corners=False, antialias=True)


def _luma(picture: Tensor) -> Tensor:
    red, green, blue = picture.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]


def _weight_bytes(network: torch.nn.Module) -> int:
    return sum(tensor.nbytes for tensor in network.state_dict().values())
