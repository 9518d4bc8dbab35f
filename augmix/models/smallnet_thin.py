"""SmallNet, thin: half the parameters, by fewer channels, and less than half the time, for many runs on few cores."""

from torch import nn

from augmix.models.smallnet import SmallNet


def build(num_classes: int) -> nn.Module:
    """The net for 28×28 to 64×64 colour images; most is saved at full resolution, with 8 channels in place of 24."""
    return SmallNet(num_classes, (8, 16, 48, 96))
