"""CIFAR-10: 50,000 training and 10,000 test photographs of 32×32 in ten classes, from torchvision's files.

`folder` holds `cifar-10-batches-py`, or is it, or holds the images as files, `train/<class>/*` and `test/<class>/*`;
what is absent is downloaded there (170 MB).
"""

from augmix.suite.data.download import Source
from augmix.suite.data.loaders import _cifar

DOWNLOADS = True
LAYOUT = _cifar.Layout(
    count=10,
    source=Source(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        size=170_498_071,
        checksum="md5:c58f30108f718f92721af3b95e74349a",
        unpacked=200_000_000,
    ),
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test=("test_batch",),
    names="batches.meta",
    names_key="label_names",
    labels_key="labels",
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
)
check, load, side, sizes = LAYOUT.check, LAYOUT.load, LAYOUT.side, LAYOUT.sizes
classes, digest, contents = LAYOUT.classes, LAYOUT.digest, LAYOUT.contents
