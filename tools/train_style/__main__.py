"""The command: paint or read the style picture, train, write the package and pictures to judge it by."""

import argparse
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import skimage
import torch
from PIL import Image
from safetensors.torch import save as to_safetensors

from dropscore.contracts.base import Json
from dropscore.contracts.identity import sha256_hex
from dropscore.contracts.package import InputContract, ModelPackage
from dropscore.models.architectures import WEIGHTS
from dropscore.models.importing import with_half_precision
from dropscore.models.networks.transformer import TransformerNet
from dropscore.models.package import bundle, save
from dropscore.models.shipped import SHIPPED
from tools.train_style.painting import paint
from tools.train_style.perceptual import read_vgg
from tools.train_style.photographs import NAMES
from tools.train_style.training import Progress, Recipe, train


def main() -> None:
    """Read the arguments and do it all."""
    arguments = _arguments()
    recipe = replace(Recipe(), width=arguments.width, steps=arguments.steps, seed=arguments.seed)
    pixels = np.array(Image.open(arguments.style).convert("RGB")) if arguments.style else _own_picture()
    started = time.monotonic()

    def report(step: int, progress: Progress) -> None:
        if step % 50 == 0 or step + 1 == recipe.steps:
            print(f"{step:5d}  {time.monotonic() - started:5.0f} s  {progress.means()}", flush=True)

    vgg = read_vgg(arguments.vgg) if arguments.vgg else None
    net, progress = train(recipe, _enlarged(pixels, recipe.style_zoom), report, vgg=vgg)
    description = _describe(arguments, recipe, pixels, progress)
    tensors = {name: value.contiguous() for name, value in net.state_dict().items()}
    package = with_half_precision(bundle(description, {WEIGHTS: to_safetensors(tensors)}))
    save(package, arguments.out)
    print(f"{arguments.out}: digest {package.digest}")
    if arguments.preview:
        _preview(net, pixels, arguments.preview)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.train_style", description=__doc__)
    parser.add_argument("--style", type=Path, help="style picture; painted by this tool when absent")
    parser.add_argument("--vgg", type=Path, help="torchvision's VGG-19 weights; random features judge when absent")
    parser.add_argument("--name", default="mosaic-night")
    parser.add_argument("--version", default="1")
    parser.add_argument("--title", default="Mosaic night: short strokes of oil paint in the colours of a starry night")
    parser.add_argument("--licence", default="MIT")
    parser.add_argument("--out", type=Path, help="folder of the package")
    parser.add_argument("--preview", type=Path, help="folder for pictures to judge the network by")
    parser.add_argument("--width", type=int, default=Recipe().width)
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    arguments = parser.parse_args()
    arguments.out = arguments.out or SHIPPED / arguments.name / arguments.version
    return arguments


def _own_picture() -> np.ndarray:
    return (paint() * 255 + 0.5).astype(np.uint8)


def _enlarged(pixels: np.ndarray, zoom: float) -> torch.Tensor:
    height, width = pixels.shape[:2]
    size = round(width * zoom), round(height * zoom)
    resized = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float()


def _describe(arguments: argparse.Namespace, recipe: Recipe, pixels: np.ndarray, progress: Progress) -> ModelPackage:
    settings: dict[str, Json] = dict(asdict(recipe))
    judge = "VGG-19" if arguments.vgg else "random features instead of a pretrained network"
    style = str(arguments.style.name) if arguments.style else "painted by tools/train_style/painting.py"
    return ModelPackage(
        name=arguments.name,
        version=arguments.version,
        workload="style_transfer",
        title=arguments.title,
        description=f"Trained with {judge}: see `recipe`.",
        architecture="transformer_net",
        parameters={"width": recipe.width},
        files=(),
        input=InputContract(size_multiple=4, notes="Any size: the network pads by reflection and crops."),
        licence=arguments.licence,
        source="python -m tools.train_style",
        recipe={
            "script": "python -m tools.train_style",
            "settings": settings,
            "style_picture": style,
            "style_picture_sha256": sha256_hex(pixels.tobytes()),
            "photographs": [f"skimage/data/{name}" for name in NAMES],
            "torch": torch.__version__.partition("+")[0],
            "scikit_image": version("scikit-image"),
        },
        metrics=dict(progress.means()),
    )


def _preview(net: TransformerNet, style: np.ndarray, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(style).save(folder / "style.png")
    data = Path(skimage.__file__).parent / "data"
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"):
        pixels = np.array(Image.open(data / name).convert("RGB"))
        with torch.inference_mode():
            painted = net(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())
        shown = painted.clamp(0, 255).round().byte()[0].permute(1, 2, 0).numpy()
        Image.fromarray(np.concatenate([pixels, shown], axis=1)).save(folder / f"{Path(name).stem}.png")


if __name__ == "__main__":
    main()
