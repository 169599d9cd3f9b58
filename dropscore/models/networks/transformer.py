"""The feed-forward network of style transfer, as it is trained and as it is run (Johnson et al. 2016, with the instance
normalisation of Ulyanov et al. 2016).

`TransformerNet` is layer for layer, and name for name, the network of the public fast-neural-style weights.
`FastTransformer` is the same function rearranged for inference: it takes the trained network and gives the same
picture up to rounding, in about half the time on a processor.

Tensors are (N, 3, H, W), RGB from 0 to 255, of any height and width.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name that all torch code uses
from torch import Tensor, nn

SIZE_MULTIPLE = 4
"""Height and width are halved twice, so they are padded to a multiple of this and the result is cropped."""
LEAST_SIZE = 16
"""Smaller pictures are padded to this: a margin by reflection must be narrower than what it reflects."""
WIDEST = 64


class PaddedConv(nn.Module):
    """Convolution whose margin is filled by reflection, after upsampling to the nearest pixel if asked for."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, upsample: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)
        self.margin = kernel // 2
        self.upsample = upsample

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H * upsample / stride, W * upsample / stride)."""
        result: Tensor = self.conv2d(self.padded(x))
        return result

    def padded(self, x: Tensor) -> Tensor:
        """The convolution's own input: upsampled, and with its margin."""
        if self.upsample > 1:
            x = F.interpolate(x, scale_factor=self.upsample, mode="nearest")
        return F.pad(x, (self.margin,) * 4, mode="reflect")


class Residual(nn.Module):
    """Two convolutions whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = PaddedConv(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = PaddedConv(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        inner: Tensor = self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))
        return x + inner


class TransformerNet(nn.Module):
    """The network as published. `width` is the number of channels at full size: 32 in the public weights; 16 and 8
    cost about a quarter and a twelfth of the arithmetic.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        if not 1 <= width <= WIDEST:
            raise ValueError(f"width must be from 1 to {WIDEST}, got {width}")
        self.conv1 = PaddedConv(3, width, 9)
        self.in1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = PaddedConv(width, 2 * width, 3, stride=2)
        self.in2 = nn.InstanceNorm2d(2 * width, affine=True)
        self.conv3 = PaddedConv(2 * width, 4 * width, 3, stride=2)
        self.in3 = nn.InstanceNorm2d(4 * width, affine=True)
        self.res1, self.res2, self.res3, self.res4, self.res5 = (Residual(4 * width) for _ in range(5))
        self.deconv1 = PaddedConv(4 * width, 2 * width, 3, upsample=2)
        self.in4 = nn.InstanceNorm2d(2 * width, affine=True)
        self.deconv2 = PaddedConv(2 * width, width, 3, upsample=2)
        self.in5 = nn.InstanceNorm2d(width, affine=True)
        self.deconv3 = PaddedConv(width, 3, 9)

    @property
    def residuals(self) -> tuple[Residual, ...]:
        """The five residual blocks in order."""
        return self.res1, self.res2, self.res3, self.res4, self.res5

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), 0 to 255, to the same shape; the result may leave that range a little."""
        height, width = x.shape[-2:]
        x = pad_to_multiple(x)
        x = F.relu(self.in1(self.conv1(x)))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        for block in self.residuals:
            x = block(x)
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        result: Tensor = self.deconv3(x)
        return result[..., :height, :width]


def pad_to_multiple(x: Tensor) -> Tensor:
    """Extend (N, C, H, W) at its right and lower edges to a multiple of `SIZE_MULTIPLE`, `LEAST_SIZE` at least: by
    reflection, or by repeating the edge where the picture is too small to be reflected.
    """
    right, below = (_missing(size) for size in (x.shape[-1], x.shape[-2]))
    if not (right or below):
        return x
    mode = "reflect" if right < x.shape[-1] and below < x.shape[-2] else "replicate"
    return F.pad(x, (0, right, 0, below), mode=mode)


def _missing(size: int) -> int:
    return max(-size % SIZE_MULTIPLE, LEAST_SIZE - size)


class FastTransformer(nn.Module):
    """A trained `TransformerNet`, rearranged: the same result up to rounding. For inference only.

    - Normalisation, shift and rectification work in place: each layer's output is nobody else's.
    - Upsampling to the nearest pixel followed by a 3x3 convolution with a margin by reflection is one transposed
      4x4 convolution with a margin by repetition, at less than half the arithmetic and without the large
      intermediate picture.
    - The last convolution has three outputs and would leave most lanes of a vector unit idle. It makes blocks of
      2x2 pixels instead, twelve outputs at a time.
    - A layer's margin is added before the layer is called, so that the picture without it is gone by then: at full
      size each of these pictures is as large as all the rest.
    """

    def __init__(self, net: TransformerNet) -> None:
        super().__init__()
        self.down = nn.ModuleList([net.conv1, net.conv2, net.conv3])
        self.down_norms = nn.ModuleList([net.in1, net.in2, net.in3])
        self.residuals = nn.ModuleList(net.residuals)
        self.up = nn.ModuleList([_Doubling(net.deconv1), _Doubling(net.deconv2)])
        self.up_norms = nn.ModuleList([net.in4, net.in5])
        self.last = _Blocks(net.deconv3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), 0 to 255, to the same shape; the result may leave that range a little."""
        height, width = x.shape[-2:]
        x = pad_to_multiple(x)
        for conv, norm in zip(self.down, self.down_norms, strict=True):
            assert isinstance(conv, PaddedConv)
            x = conv.padded(x)
            x = _normalise(conv.conv2d(x), norm).relu_()
        for block in self.residuals:
            assert isinstance(block, Residual)
            inner = _normalise(block.conv1(x), block.in1).relu_()
            x = _normalise(block.conv2(inner), block.in2).add_(x)
        for doubling, norm in zip(self.up, self.up_norms, strict=True):
            assert isinstance(doubling, _Doubling)
            x = doubling.padded(x)
            x = _normalise(doubling(x), norm).relu_()
        x = self.last.padded(x)
        result: Tensor = self.last(x)
        return result[..., :height, :width]


class _Doubling(nn.Module):
    """Upsampling by two and a 3x3 convolution, as one transposed convolution."""

    def __init__(self, layer: PaddedConv) -> None:
        super().__init__()
        taps = layer.conv2d.weight.detach()  # (outputs, inputs, 3, 3)
        spread = F.conv_transpose2d(taps.transpose(0, 1).flip(2, 3).reshape(-1, 1, 3, 3), taps.new_ones(1, 1, 2, 2))
        self.weight = nn.Parameter(spread.reshape(taps.shape[1], taps.shape[0], 4, 4), requires_grad=False)
        self.bias = layer.conv2d.bias

    def padded(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) with its margin."""
        return F.pad(x, (1, 1, 1, 1), mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """What `padded` gives of (N, inputs, H, W), to (N, outputs, 2 H, 2 W)."""
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=3)


class _Blocks(nn.Module):
    """A convolution with odd kernel k, made as one with stride 2 and kernel k + 1 whose outputs are 2x2 blocks."""

    def __init__(self, layer: PaddedConv) -> None:
        super().__init__()
        taps, bias = layer.conv2d.weight.detach(), layer.conv2d.bias
        outputs, inputs, k, _ = taps.shape
        weight = taps.new_zeros(outputs, 2, 2, inputs, k + 1, k + 1)
        for row in (0, 1):
            for column in (0, 1):
                weight[:, row, column, :, row : row + k, column : column + k] = taps
        self.weight = nn.Parameter(weight.reshape(-1, inputs, k + 1, k + 1), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().repeat_interleave(4), requires_grad=False)
        self.margin = layer.margin

    def padded(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) with its margin."""
        return F.pad(x, (self.margin,) * 4, mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        """What `padded` gives of (N, inputs, H, W) with even H and W, to (N, outputs, H, W)."""
        return F.pixel_shuffle(F.conv2d(x, self.weight, self.bias, stride=2), 2)


def _normalise(x: Tensor, norm: nn.Module) -> Tensor:
    """Instance normalisation of (N, C, H, W), in place on a processor.

    torch's own collects its statistics in double precision one value at a time there, which takes five times as
    long. The mean is taken out before the squares are summed, so flat pictures lose no digits.
    """
    assert isinstance(norm, nn.InstanceNorm2d)
    assert norm.weight is not None
    assert norm.bias is not None
    if x.device.type != "cpu":
        return F.instance_norm(x, weight=norm.weight, bias=norm.bias, eps=norm.eps)
    weight, bias = norm.weight.float().view(1, -1, 1, 1), norm.bias.float().view(1, -1, 1, 1)
    x.sub_(x.mean((2, 3), keepdim=True, dtype=torch.float32))
    length = torch.linalg.vector_norm(x, 2, (2, 3), keepdim=True, dtype=torch.float32)
    gain = weight / torch.sqrt(length.square() / (x.shape[2] * x.shape[3]) + norm.eps)
    return x.mul_(gain).add_(bias)
