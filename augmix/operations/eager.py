"""The operations in plain torch, for accelerators: no loop over images, and nothing waits for the device.

Which images get which operation is known on the host; there they are grouped, and each group is one call. Every
expression keeps the order and the precision of `compiled`, so that both give the same bits.
"""

from collections.abc import Callable

import numpy as np
import torch

from augmix.operations import table
from augmix.operations.affine import matrices


def _to(device: torch.device, array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).to(device, non_blocking=True)


def _bands(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return red, green and blue (M, 1, H, W); of a grey image, the grey three times."""
    last = images.shape[1] - 1
    return images[:, :1], images[:, last // 2 : last // 2 + 1], images[:, last:]


def _autocontrast(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    low = images.amin((2, 3), keepdim=True).double()
    high = images.amax((2, 3), keepdim=True).double()
    # Tensor by tensor: a number by a tensor is computed as a reciprocal and a product, in other bits.
    scale = (torch.full_like(low, 255.0) / (high - low)).masked_fill(high == low, 1.0)
    offset = (-low * scale).masked_fill(high == low, 0.0)
    return (images * scale + offset).clamp(0, 255).to(torch.uint8)


def _equalize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    count, channels = images.shape[:2]
    values = images.flatten(2).long()
    histograms = torch.zeros(count * channels * 256, dtype=torch.int64, device=images.device)
    first = 256 * torch.arange(count * channels, device=images.device).view(count, channels, 1)
    index = (values + first).flatten()
    histograms = histograms.scatter_add_(0, index, torch.ones_like(index)).view(count, channels, 256)
    brightest = histograms.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - brightest) // 255
    position = step // 2 + histograms.cumsum(2) - histograms
    lut = (position // step.clamp(min=1)).clamp(max=255)
    lut = torch.where(step > 0, lut, torch.arange(256, device=images.device))
    return lut.gather(2, values).view_as(images).to(torch.uint8)


def _posterize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    bits = parameter.long()
    return images & (256 - (torch.ones_like(bits) << (8 - bits))).to(torch.uint8)


def _solarize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    return torch.where(images < parameter, images, 255 - images)


def _invert(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    return 255 - images


def _grey(images: torch.Tensor) -> torch.Tensor:
    red, green, blue = (band.int() for band in _bands(images))
    return (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16


def _blend(degenerate: torch.Tensor, images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Move from `degenerate` to `images` and, where factor > 1, beyond, in single precision."""
    start = degenerate.float()
    return (start + factor.float() * (images.float() - start)).clamp(0, 255).to(torch.uint8)


def _color(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    return _blend(_grey(images), images, parameter)


def _contrast(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    pixels = images.shape[2] * images.shape[3]
    mean = (2 * _grey(images).sum((1, 2, 3), keepdim=True) + pixels) // (2 * pixels)
    return _blend(mean, images, parameter)


def _brightness(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    return _blend(torch.zeros_like(parameter), images, parameter)


def _sharpness(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Blend with the image smoothed by the 3×3 mean with a centre of 5; the border is not smoothed."""
    values = images.int()
    rows = values[:, :, :-2] + values[:, :, 1:-1] + values[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * values[:, :, 1:-1, 1:-1]
    result = images.clone()
    result[:, :, 1:-1, 1:-1] = _blend((2 * total + 13) // 26, images[:, :, 1:-1, 1:-1], parameter)
    return result


def _affine(images: torch.Tensor, matrix: torch.Tensor, fill: int) -> torch.Tensor:
    """Resample bilinearly in double precision; `matrix` is (M, 6)."""
    count, channels, height, width = images.shape
    a, b, c, d, e, f = matrix[:, :, None, None].unbind(1)
    x = torch.arange(width, dtype=torch.float64, device=images.device) + 0.5
    y = torch.arange(height, dtype=torch.float64, device=images.device)[:, None] + 0.5
    x_in = a * x + b * y + c
    y_in = d * x + e * y + f
    inside = (x_in >= 0) & (x_in < width) & (y_in >= 0) & (y_in < height)
    left, top = (x_in - 0.5).floor(), (y_in - 0.5).floor()
    dx, dy = (x_in - 0.5 - left)[:, None], (y_in - 0.5 - top)[:, None]
    left, right = left.clamp(0, width - 1).long(), (left + 1).clamp(0, width - 1).long()
    top, bottom = top.clamp(0, height - 1).long(), (top + 1).clamp(0, height - 1).long()
    flat = images.flatten(2)

    def neighbour(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        index = (row * width + column).view(count, 1, -1).expand(-1, channels, -1)
        return flat.gather(2, index).view_as(images).double()

    north, south = neighbour(top, left), neighbour(bottom, left)
    upper = north + (neighbour(top, right) - north) * dx
    lower = south + (neighbour(bottom, right) - south) * dx
    values = (upper + (lower - upper) * dy).to(torch.uint8)
    return values.masked_fill(~inside[:, None], fill)


_FUNCTIONS: dict[int, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    table.AUTOCONTRAST: _autocontrast,
    table.EQUALIZE: _equalize,
    table.POSTERIZE: _posterize,
    table.SOLARIZE: _solarize,
    table.COLOR: _color,
    table.CONTRAST: _contrast,
    table.BRIGHTNESS: _brightness,
    table.SHARPNESS: _sharpness,
    table.INVERT: _invert,
}
_AFFINE = [table.ROTATE, table.SHEAR_X, table.SHEAR_Y, table.TRANSLATE_X, table.TRANSLATE_Y]


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W)."""
    device = images.device
    height, width = images.shape[-2:]
    matrix = _to(device, matrices(operations, parameters, height, width))
    parameter = _to(device, parameters)
    result = images.clone()
    for i in range(operations.shape[1]):
        step = operations[:, i]
        for operation, function in _FUNCTIONS.items():
            chosen = np.flatnonzero(step == operation)
            if chosen.size:
                rows = _to(device, chosen)
                result[rows] = function(result[rows], parameter[rows, i].view(-1, 1, 1, 1))
        chosen = np.flatnonzero(np.isin(step, _AFFINE))
        if chosen.size:
            rows = _to(device, chosen)
            result[rows] = _affine(result[rows], matrix[rows, i], fill)
    return result


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    weight = _to(images.device, weights)[..., None, None, None]
    mixed = weight[:, 0] * images
    for k in range(operations.shape[1]):
        mixed += weight[:, k + 1] * chain(images, operations[:, k], parameters[:, k], 0)
    return mixed.clamp_(max=255)
