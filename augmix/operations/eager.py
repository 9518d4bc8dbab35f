"""The operations in plain torch, for accelerators: no loop over images, and nothing waits for the device.

Which images get which operation is known on the host; there they are sorted by operation, and each group is one
call. Every expression keeps the order and the precision of `compiled`, so that both give the same bits.
"""

from collections.abc import Callable

import numpy as np
import torch

from augmix.operations import kernels, table
from augmix.operations.transfer import to_device


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
    return images.double().mul_(scale).add_(offset).clamp_(0, 255).to(torch.uint8)


def _equalize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    count, channels = images.shape[:2]
    values = images.flatten(2).long()
    histograms = torch.zeros(count * channels * 256, dtype=torch.int64, device=images.device)
    first = 256 * torch.arange(count * channels, device=images.device).view(count, channels, 1)
    index = (values + first).flatten()
    one = torch.ones(1, dtype=torch.int64, device=images.device)
    histograms = histograms.scatter_add_(0, index, one.expand_as(index)).view(count, channels, 256)
    brightest = histograms.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - brightest) // 255
    position = step // 2 + histograms.cumsum(2) - histograms
    # The truncated quotient is exact: it is off by far less than the 1/(2·step) that ½ adds, in double precision.
    lut = ((position.double() + 0.5) / step.clamp(min=1)).clamp_(max=255).to(torch.uint8)
    lut = torch.where(step > 0, lut, torch.arange(256, dtype=torch.uint8, device=images.device))
    return lut.gather(2, values).view_as(images)


def _posterize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    bits = parameter.long()
    return images & (256 - (torch.ones_like(bits) << (8 - bits))).to(torch.uint8)


def _solarize(images: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    below = parameter.ceil().clamp(0, 256) - 1  # an image is compared with a uint8, which has no 256
    inverted = (images > below.clamp(min=0).to(torch.uint8)) | (below < 0)
    return images ^ inverted.to(torch.uint8).neg_()


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


def _centres(images: torch.Tensor, dim: int) -> torch.Tensor:
    """Return ½, 1½, … along dimension 2 (y) or 3 (x) of `images`, float64, of shape (1, 1, H, 1) or (1, 1, 1, W)."""
    centres = torch.arange(images.shape[dim], dtype=torch.float64, device=images.device) + 0.5
    return centres.view((1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1))


def _between(position: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the two pixels around each position, kept within the side, and the way from the first to the second."""
    before = (position - 0.5).floor_()
    first = before.long()
    return first.clamp(0, side - 1), (first + 1).clamp_(0, side - 1), (position - 0.5).sub_(before)


def _interpolate(first: torch.Tensor, second: torch.Tensor, way: torch.Tensor) -> torch.Tensor:
    return (second - first).mul_(way).add_(first)  # in this order, without a fused multiply-add: Pillow's bits


def _outside(position: torch.Tensor, side: int) -> torch.Tensor:
    return (position < 0) | (position >= side)


def _affine(images: torch.Tensor, matrix: torch.Tensor, fill: int) -> torch.Tensor:
    """Resample bilinearly in double precision; `matrix` is (M, 6)."""
    count, channels, height, width = images.shape
    a, b, c, d, e, f = matrix[:, None, None, None].unbind(-1)
    x, y = _centres(images, 3), _centres(images, 2)
    x_in, y_in = a * x + b * y + c, d * x + e * y + f
    left, right, dx = _between(x_in, width)
    top, bottom, dy = _between(y_in, height)
    flat = images.flatten(2)

    def neighbour(row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        index = (row * width + column).view(count, 1, -1).expand(-1, channels, -1)
        return flat.gather(2, index).view_as(images).double()

    upper = _interpolate(neighbour(top, left), neighbour(top, right), dx)
    lower = _interpolate(neighbour(bottom, left), neighbour(bottom, right), dx)
    values = _interpolate(upper, lower, dy).to(torch.uint8)
    return values.masked_fill_(_outside(x_in, width) | _outside(y_in, height), fill)


def _shear(images: torch.Tensor, parameter: torch.Tensor, dim: int, fill: int) -> torch.Tensor:
    """What `_affine` gives where one coordinate stays: only two of the four neighbours have a weight."""
    side = images.shape[dim]
    position = _centres(images, dim) + parameter * _centres(images, 5 - dim)
    first, second, way = _between(position, side)
    one, two = (images.gather(dim, index.expand_as(images)).double() for index in (first, second))
    return _interpolate(one, two, way).to(torch.uint8).masked_fill_(_outside(position, side), fill)


def _translate(images: torch.Tensor, parameter: torch.Tensor, dim: int, fill: int) -> torch.Tensor:
    """Copy from `parameter` pixels further on, an integer; where there is nothing, `fill`."""
    side = images.shape[dim]
    position = _centres(images, dim) + parameter
    index = position.long().clamp_(0, side - 1)
    return images.gather(dim, index.expand_as(images)).masked_fill_(_outside(position, side), fill)


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
_MOVES = {
    table.SHEAR_X: (_shear, 3),
    table.SHEAR_Y: (_shear, 2),
    table.TRANSLATE_X: (_translate, 3),
    table.TRANSLATE_Y: (_translate, 2),
}


def _operate(
    operation: int, images: torch.Tensor, parameter: torch.Tensor, matrix: torch.Tensor, fill: int
) -> torch.Tensor:
    """Apply one operation to (M, C, H, W); `parameter` is (M, 1, 1, 1), `matrix` (M, 6)."""
    if operation == table.IDENTITY:
        return images
    if operation in _FUNCTIONS:
        return _FUNCTIONS[operation](images, parameter)
    if operation in _MOVES:
        function, dim = _MOVES[operation]
        return function(images, parameter, dim, fill)
    return _affine(images, matrix, fill)


def chain(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, fill: int) -> torch.Tensor:
    """Apply each image's operations (N, D) in order to uint8 (N, C, H, W)."""
    device, result = images.device, images.clone()
    coefficients = kernels.matrices(operations, parameters, *images.shape[-2:])
    moved = np.isin(operations, (table.TRANSLATE_X, table.TRANSLATE_Y)) & (parameters != np.trunc(parameters))
    operations = np.where(moved, table.ROTATE, operations)  # resampled by the matrix, as a rotation is
    order = np.argsort(operations, axis=0, kind="stable")
    orders, places = to_device(device, order), to_device(device, np.argsort(order, axis=0))
    parameter = to_device(device, np.take_along_axis(parameters, order, 0))[..., None, None, None]
    matrix = to_device(device, np.take_along_axis(coefficients, order[..., None], 0))
    for i in range(operations.shape[1]):
        present, counts = np.unique(operations[:, i], return_counts=True)
        arrays = (result.index_select(0, orders[:, i]), parameter[:, i], matrix[:, i])
        groups = zip(present.tolist(), *(array.split(counts.tolist()) for array in arrays), strict=True)
        parts = [_operate(id, pixels, number, row, fill) for id, pixels, number, row in groups]
        result = torch.cat(parts).index_select(0, places[:, i])
    return result


def mix(images: torch.Tensor, operations: np.ndarray, parameters: np.ndarray, weights: np.ndarray) -> torch.Tensor:
    """Return Σ weights[:, i] · chain_i as float32, chain 0 the images themselves; operations (N, K, D)."""
    _, chains, depth = operations.shape
    weight = to_device(images.device, weights)[..., None, None, None]
    repeated = images.repeat_interleave(chains, 0)
    views = chain(repeated, operations.reshape(-1, depth), parameters.reshape(-1, depth), 0).unflatten(0, (-1, chains))
    mixed = images.float().mul_(weight[:, 0])
    for k in range(chains):
        mixed += views[:, k].float().mul_(weight[:, k + 1])
    return mixed.clamp_(max=255)
