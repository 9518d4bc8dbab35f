"""WideResNet 40-2 (Zagoruyko & Komodakis, BMVC 2016): 2,243,546 parameters at ten classes."""

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Pre-activation residual block of two 3×3 convolutions."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        changes = stride != 1 or channels_in != channels
        self.shortcut = nn.Conv2d(channels_in, channels, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        activated = F.relu(self.norm1(x))
        y = self.conv2(F.relu(self.norm2(self.conv1(activated))))
        # Where the shape changes, the shortcut starts after the activation, as in the original.
        return y + (x if self.shortcut is None else self.shortcut(activated))


class WideResNet(nn.Module):
    """Three groups of `(depth - 4) / 6` blocks with 16·`widen`, 32·`widen` and 64·`widen` channels."""

    def __init__(self, num_classes: int, depth: int = 40, widen: int = 2) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        self.stem = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        groups: list[nn.Module] = []
        channels_in = 16
        for group, channels in enumerate((16 * widen, 32 * widen, 64 * widen)):
            for block in range(blocks):
                groups.append(Block(channels_in, channels, 2 if group and not block else 1))
                channels_in = channels
        self.blocks = nn.Sequential(*groups)
        self.norm = nn.BatchNorm2d(channels_in)
        self.classifier = nn.Linear(channels_in, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.classifier.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.blocks(self.stem(x))))
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def build(num_classes: int) -> nn.Module:
    """WideResNet of depth 40 and widening factor 2, for 32×32 images."""
    return WideResNet(num_classes)
