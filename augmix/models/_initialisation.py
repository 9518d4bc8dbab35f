"""How the CIFAR nets start."""

from torch import nn


def initialise(net: nn.Module) -> None:
    """He's normal weights by fan-out for every convolution, zero biases for every linear layer."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
