"""The image operations of AugMix and AutoAugment on batches of uint8 images, equal to Pillow's to the bit.

Two executors give the same bits: compiled kernels on the CPU, and fused ones on CUDA devices. Images on other devices
take the way through the CPU.
"""

from typing import Any, NoReturn

import numpy as np
import torch

from augmix.checks import check_integer
from augmix.operations import kernels
from augmix.operations.executors import choose, eager
from augmix.operations.table import ALL, AUGMIX, GEOMETRIC, IDENTITY, IDS, OPERATIONS, ids, parameters

__all__ = [
    "ALL", "AUGMIX", "GEOMETRIC", "IDENTITY", "IDS", "OPERATIONS", "apply", "chain", "ids", "mix", "parameters",
]  # fmt: skip


def check_images(images: torch.Tensor) -> None:
    """Raise TypeError or ValueError unless `images` is a uint8 (N, C, H, W) tensor with N > 0 and C = 1 or 3."""
    if not isinstance(images, torch.Tensor):
        raise TypeError(f"images must be a uint8 tensor, got {type(images).__name__}")
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 in [0, 255], got {images.dtype}")
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"images must have shape (N, C, H, W), with C = 1 or 3 and none of them empty, got {tuple(images.shape)}"
        )


@eager
def apply(name: str, images: torch.Tensor, parameter: Any = 0.0, fill: int = 0) -> torch.Tensor:
    """Apply one operation to uint8 images (N, C, H, W), C = 1 or 3, and return as many of the same shape.

    `parameter` is one number for all images or N of them, in Pillow's meaning: `rotate` degrees counter-clockwise,
    `translate_x`, `translate_y` pixels, `shear_x`, `shear_y` the coefficient of the affine matrix, `solarize` a
    threshold, `posterize` bits (1 to 8), and the factor of ImageEnhance for `color`, `contrast`, `brightness`
    and `sharpness`; `autocontrast`, `equalize`, `invert` and `identity` do not read it. Geometry resamples
    bilinearly, and what comes from outside the image is the grey value `fill`.

    Raises ValueError on an unknown name, a shape or a value that is not accepted, TypeError on other dtypes.
    """
    check_images(images)
    if isinstance(parameter, torch.Tensor):
        parameter = parameter.detach().cpu()
    try:
        values = np.asarray(parameter, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"parameter must be one number or {len(images)}, got {parameter!r}") from None
    if values.shape not in ((), (len(images),)):
        raise ValueError(f"parameter must be one number or {len(images)}, got shape {values.shape}")
    operations = np.repeat(ids([name]), len(images))
    return chain(images, operations[:, None], np.broadcast_to(values, len(images))[:, None], fill)


@eager
def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int = 0) -> torch.Tensor:
    """Apply to each uint8 image (N, C, H, W) its own operations one after another.

    `operations` (N, D) holds ids (`ids(names)`, `IDENTITY` does nothing), `parameters` (N, D) what `apply` takes.
    """
    check_images(images)
    check_integer("fill", fill, 0, 255)
    operations, parameters = _check_operations(operations, parameters, (len(images), -1))
    return choose(images, mix=False).chain(images, operations, parameters, fill)


@eager
def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return weights[:, 0] · images + Σ weights[:, k] · chain_k as float32 (N, C, H, W), not rounded.

    `operations` and `parameters` (N, K, D) describe K chains for each uint8 image, as in `chain`; `weights` is
    (N, K + 1), not negative, and each row's sum is 1.
    """
    check_images(images)
    count = len(images)
    weights = np.ascontiguousarray(weights, dtype=np.float32)
    if weights.ndim != 2 or len(weights) != count or weights.shape[1] < 2:
        raise ValueError(f"weights must have shape ({count}, chains + 1), got {weights.shape}")
    operations, parameters = _check_operations(operations, parameters, (count, weights.shape[1] - 1, -1))
    return choose(images, mix=True).mix(images, operations, parameters, weights)


def _check_operations(
    operations: np.ndarray, parameters: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as contiguous arrays of `shape`, whose last side is free, or raise ValueError."""
    operations = np.ascontiguousarray(operations, dtype=np.int64)
    parameters = np.ascontiguousarray(parameters, dtype=np.float64)
    for name, array in (("operations", operations), ("parameters", parameters)):
        if array.shape != (*shape[:-1], operations.shape[-1]):
            expected = ", ".join(map(str, shape[:-1]))
            raise ValueError(f"{name} must have shape ({expected}, depth), got {array.shape}")
    fault = kernels.first_fault(operations.ravel(), parameters.ravel())
    if fault >= 0:
        _explain(int(operations.flat[fault]), float(parameters.flat[fault]))
    return operations, parameters


def _explain(operation: int, parameter: float) -> NoReturn:
    if not 0 <= operation < len(OPERATIONS):
        raise ValueError(f"operations must be ids in [0, {len(OPERATIONS) - 1}], got {operation}")
    if not np.isfinite(parameter):
        raise ValueError(f"parameters must be finite, got {parameter}")
    raise ValueError(f"the parameter of posterize must be 1 to 8 bits, got {parameter:g}")
