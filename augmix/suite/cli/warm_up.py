"""Compile the kernels for this CPU ahead of their first use: when an image is built, or once on a cluster.

example: augmix warm-up
"""

import argparse
import contextlib
from collections.abc import Callable
from multiprocessing import get_context

from augmix.errors import UserError
from augmix.registry import find_package, module_names


def add(command: argparse.ArgumentParser) -> None:
    """It has no options of its own."""


def run(args: argparse.Namespace) -> None:
    from augmix import compilation

    folder, shipped = compilation.folders()
    if folder is None:
        raise UserError("no folder to keep compiled kernels in can be written; set NUMBA_CACHE_DIR to one")
    # Numba compiles one function at a time in a process.
    parts = [_transform, *([_corruptions, _perturbations] if find_package("cv2") and find_package("scipy") else [])]
    parts += [_methods] if "pixmix" in module_names("baselines") else []  # else it is another's package
    with get_context("spawn").Pool(len(parts)) as pool:
        pool.map(_call, parts, chunksize=1)
    print(f"compiled kernels are in {folder}" + (f" and {shipped}" if shipped else ""))


def _call(part: Callable[[], None]) -> None:
    from augmix.compilation import quiet

    quiet()
    part()


def _transform() -> None:
    """Compile the functions of the transform, AutoAugment and single operations."""
    import numpy as np
    import torch

    from augmix import AugMix, mixing, operations

    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    AugMix()(images)
    plan = AugMix().sample(1, (8, 8), np.random.default_rng(0))
    mixing.apply(images, plan)
    mixing.apply_chain(images, plan)
    operations.apply("identity", images)


def _methods() -> None:
    """Compile the steps of methods that have some of their own."""
    import numpy as np
    import torch

    from augmix import methods

    images, labels, rng = torch.zeros(64, 3, 8, 8, dtype=torch.uint8), torch.zeros(64), np.random.default_rng(0)
    for name, parameters in (("pixmix", {"pictures": 2}), ("ipmix", {"pictures": 2}), ("prime", {}), ("noisymix", {})):
        method = methods.build({"name": name, "preset": name, "parameters": parameters}, ["baselines"])
        method.mix(method.views(images, labels, torch.nn.Identity(), rng), torch.eye(64), rng)


def _corruptions() -> None:
    import numpy as np

    from augmix.corruptions import NAMES, bar, corrupt

    for preset in bar.LEVELS:
        for name in bar.corruptions_of(preset):
            bar.corrupt(np.zeros((1, 8, 8, 3), np.uint8), name, 1, preset=preset)
    for name in NAMES:
        for severity in (1, 5):  # severity 1 leaves something out, and 5 is other liquids
            with contextlib.suppress(UserError):  # frost's photographs are not there
                corrupt(np.zeros((1, 8, 8, 3), np.uint8), name, severity)


def _perturbations() -> None:
    import numpy as np

    from augmix.perturbations import EXTRA_PERTURBATIONS, PERTURBATIONS, perturb

    for name in (*PERTURBATIONS, *EXTRA_PERTURBATIONS):
        perturb(np.zeros((1, 8, 8, 3), np.uint8), name)
