"""CIFAR-100: 50,000 training and 10,000 test photographs of 32×32 in a hundred classes, from torchvision's files.

`folder` holds `cifar-100-python`, or is it, or holds the images as files, `train/<class>/*` and `test/<class>/*`;
what is absent is downloaded there (169 MB). The labels are the fine ones.
"""

from augmix.suite.data.download import Source
from augmix.suite.data.loaders import _cifar

DOWNLOADS = True
LAYOUT = _cifar.Layout(
    count=100,
    source=Source(
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        size=169_001_437,
        checksum="md5:eb9058c3a382ffc7106e4002c42a8d85",
        unpacked=200_000_000,
    ),
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    names="meta",
    names_key="fine_label_names",
    labels_key="fine_labels",
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)
check, load, side, sizes = LAYOUT.check, LAYOUT.load, LAYOUT.side, LAYOUT.sizes
classes, digest, contents = LAYOUT.classes, LAYOUT.digest, LAYOUT.contents
