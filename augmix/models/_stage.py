"""The trunk of two small nets that differ in their last stage alone: convolution or attention, of equal parameters."""

from torch import Tensor, nn

WIDTH = 48
"""The channels of the last stage."""


class Staged(nn.Module):
    """Convolutions of 8, 16 and 48 channels, halving the side twice, then a stage that keeps (N, 48, H/4, W/4)."""

    def __init__(self, num_classes: int, stage: nn.Module) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for channels in (8, 16, WIDTH):
            if layers:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.Conv2d(before, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
            before = channels
        self.trunk = nn.Sequential(*layers)
        self.stage = stage
        self.classifier = nn.Linear(WIDTH, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.stage(self.trunk(x)).mean((2, 3)))
        return logits
