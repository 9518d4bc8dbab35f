"""DenseNet-40: the net of the AugMix authors' released script, 40 layers, no bottlenecks; 1,059,298 parameters.

The paper's own is `densenet`; the script builds this one under the same name.
"""

from torch import nn

from augmix.models.densenet import DenseNet, Layer


def build(num_classes: int) -> nn.Module:
    """DenseNet of growth rate 12 whose transitions keep every channel. For 32×32 images."""
    return DenseNet(num_classes, Layer, layers=12, compression=1)
