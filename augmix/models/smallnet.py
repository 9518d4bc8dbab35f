"""SmallNet: a small convolutional net for CPUs, 4 convolutions, about 0.1 million parameters, seconds an epoch."""

from torch import Tensor, nn


class SmallNet(nn.Module):
    """Convolutions of 24, 48, 64 and 96 channels, batch norm and ReLU, halving the side three times."""

    def __init__(self, num_classes: int, widths: tuple[int, ...] = (24, 48, 64, 96)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels_in = 3
        for i, channels in enumerate(widths):
            layers += [
                nn.Conv2d(channels_in, channels, 3, 1, 1, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            ]
            if i < len(widths) - 1:
                layers.append(nn.MaxPool2d(2))
            channels_in = channels
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels_in, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def build(num_classes: int) -> nn.Module:
    """The net for 28×28 to 64×64 colour images."""
    return SmallNet(num_classes)
