"""Weights made elsewhere, renamed to ours: pure functions from one set of tensor names to another.

`transformer_net` takes the public fast-neural-style family (`TransformerNet` of pytorch/examples) under all names its
checkpoints have had:

    conv1.conv2d.weight  in1.weight  res1.in1.bias        today's, and ours
    in1.running_mean  in1.running_var                     stored by torch before 0.4 and never used: left out
    in1.scale  in1.shift                                  of the first versions' own normalisation: weight and bias

`vgg19` takes torchvision's VGG-19 (`features.0.weight`, or `0.weight` of its `features` alone) and leaves out what lies
after conv5_1.

A checkpoint may wrap its tensors (`state_dict`, `model`), and each name may begin with `module.`, as training on
several devices leaves it.
"""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from dropscore.contracts.base import Json
from dropscore.contracts.errors import FailedError
from dropscore.contracts.failures import Code

if TYPE_CHECKING:
    from torch import Tensor

type Tensors = Mapping[str, Tensor]
type Converted = tuple[dict[str, Tensor], dict[str, Json]]
"""Tensors under our names, and the architecture's parameters read off them."""

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
PREFIXES = ("module.", "_orig_mod.")

_STATISTICS = re.compile(r"(^|\.)in\d+\.(running_mean|running_var|num_batches_tracked)$")
_OLD_NORM = re.compile(r"((?:^|\.)in\d+)\.(scale|shift)$")
_VGG_LAYER = re.compile(r"^(?:features\.)?(\d+)\.(weight|bias)$")

VGG19_POSITIONS = {
    0: "conv1_1", 2: "conv1_2", 5: "conv2_1", 7: "conv2_2", 10: "conv3_1", 12: "conv3_2", 14: "conv3_3",
    16: "conv3_4", 19: "conv4_1", 21: "conv4_2", 23: "conv4_3", 25: "conv4_4", 28: "conv5_1",
}  # fmt: skip
"""Position in torchvision's `features` to name in the paper; rectification and pooling take the other positions."""


def unwrap(checkpoint: Any) -> dict[str, "Tensor"]:
    """The tensors of a checkpoint by name, without wrappers and prefixes.

    Raises `FailedError` (E-MODEL-INVALID) when there are none.
    """
    from torch import Tensor

    for wrapper in WRAPPERS:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(wrapper), Mapping):
            checkpoint = checkpoint[wrapper]
    if not isinstance(checkpoint, Mapping):
        raise _invalid(f"the file holds a {type(checkpoint).__name__}, expected tensors by name")
    tensors = {_bare(str(name)): value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not tensors:
        raise _invalid("the file holds no tensors")
    return tensors


def transformer_net(tensors: Tensors) -> Converted:
    """Weights of the public fast-neural-style family; the width is that of the first layer."""
    kept = {name: value for name, value in tensors.items() if not _STATISTICS.search(name)}
    renamed = {_OLD_NORM.sub(_new_norm, name): value for name, value in kept.items()}
    first = renamed.get("conv1.conv2d.weight")
    if first is None or first.ndim != 4:
        raise _invalid(f"no tensor 'conv1.conv2d.weight'; {_found(tensors)} are not of the fast-neural-style family")
    return renamed, {"width": int(first.shape[0])}


def vgg19(tensors: Tensors) -> Converted:
    """Weights of torchvision's VGG-19, up to conv5_1."""
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        found = _VGG_LAYER.match(name)
        if found and int(found[1]) in VGG19_POSITIONS:
            renamed[f"{VGG19_POSITIONS[int(found[1])]}.{found[2]}"] = value
    if len(renamed) != 2 * len(VGG19_POSITIONS):
        raise _invalid(f"not all convolutions of VGG-19; {_found(tensors)} are not torchvision's vgg19")
    return renamed, {}


CONVERTERS: Mapping[str, Callable[[Tensors], Converted]] = {"transformer_net": transformer_net, "vgg19": vgg19}
"""Architecture to converter."""


def _bare(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name


def _new_norm(found: re.Match[str]) -> str:
    return f"{found[1]}.{'weight' if found[2] == 'scale' else 'bias'}"


def _found(tensors: Tensors) -> str:
    names = sorted(tensors)
    return ", ".join(map(repr, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _invalid(message: str) -> FailedError:
    return FailedError.of(Code.MODEL_INVALID, f"weights: {message}")
