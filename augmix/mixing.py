"""AugMix (Hendrycks et al., ICLR 2020, section 3): sample a plan, apply it, and the transform that does both."""

from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from augmix import operations
from augmix.checks import check_flag, check_integer, check_number
from augmix.compilation import njit
from augmix.operations.executors import eager

_compiled = njit(cache=True, error_model="numpy")


class Plan(NamedTuple):
    """Everything random about AugMix on a batch of N images; K chains of at most D operations.

    `operations` (N, K, D): ids, `operations.IDENTITY` beyond a chain's depth. `parameters` (N, K, D): what
    `operations.apply` takes. `weights` (N, K): the chains' convex weights. `m` (N,): the weight of the chains
    together against the image itself. `size`: the images' (height, width), of which translations are fractions.
    """

    operations: np.ndarray
    parameters: np.ndarray
    weights: np.ndarray
    m: np.ndarray
    size: tuple[int, int]


@eager
def apply(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Return (1 − m)·x + m·Σ wᵢ·chainᵢ(x) for uint8 images (N, C, H, W): float32 in [0, 255], not rounded."""
    _check_size(images, plan)
    if plan.weights.ndim != 2 or plan.m.shape != plan.weights.shape[:1]:
        raise ValueError(f"weights must be (N, K) and m (N,), got shapes {plan.weights.shape} and {plan.m.shape}")
    weights = _with_image(plan.weights, plan.m)
    return operations.mix(images, plan.operations, plan.parameters, weights)


@eager
def apply_chain(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """Return each image's first chain alone, without mixing: uint8 (N, C, H, W)."""
    _check_size(images, plan)
    return operations.chain(images, plan.operations[:, 0], plan.parameters[:, 0])


def _check_size(images: torch.Tensor, plan: Plan) -> None:
    if tuple(images.shape[-2:]) != tuple(plan.size):
        raise ValueError(f"the plan is for images of {plan.size}, got {tuple(images.shape[-2:])}: sample one for them")


@_compiled
def _with_image(weights: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return the weights (N, K + 1) of the image, which comes first, and of its chains."""
    count, width = weights.shape
    result = np.empty((count, width + 1), np.float32)
    for n in range(count):
        result[n, 0] = 1 - m[n]
        for k in range(width):
            result[n, k + 1] = m[n] * weights[n, k]
    return result


@_compiled
def _finish(ids: np.ndarray, available: np.ndarray, depths: np.ndarray, weights: np.ndarray) -> None:
    """Make, in place, operations of indices into `available`, up to each chain's depth, and weights of Gammas."""
    batch, width, longest = ids.shape
    for n in range(batch):
        total = 0.0
        for k in range(width):
            for i in range(longest):
                ids[n, k, i] = available[ids[n, k, i]] if i < depths[n, k] else operations.IDENTITY
            total += weights[n, k]
        for k in range(width):
            weights[n, k] *= 1 / total


@_compiled
def _round(mixed: np.ndarray, rounded: np.ndarray) -> None:
    for i in range(mixed.size):
        rounded[i] = np.uint8(np.int32(np.rint(mixed[i])))


def _rounded(mixed: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return the mix as uint8 of a shape."""
    if not mixed.is_cpu:
        return mixed.round_().to(torch.uint8).reshape(shape)
    rounded = np.empty(shape, np.uint8)  # one pass, where torch makes three
    _round(mixed.numpy().ravel(), rounded.ravel())
    return torch.from_numpy(rounded)


class AugMix(v2.Transform):
    """Mix an image with randomly augmented versions of itself (Hendrycks et al., ICLR 2020, algorithm 1).

    Takes a PIL image (L or RGB), a uint8 tensor or tv_tensors.Image (C, H, W), or a batch (N, C, H, W) whose
    images are augmented independently; C = 1 or 3. Returns the same kind, with the mix rounded to uint8:
    `sample` and `apply` give it as float, which is what the paper trains on. Randomness follows
    `torch.manual_seed`.

    Args:
        width: number of augmentation chains.
        depth: operations in a chain; -1 draws it from {1, 2, 3} for each chain.
        alpha: α of Dirichlet(α, …, α), which weighs the chains, and of Beta(α, α), which mixes in the image.
        severity: upper end, in (0, 10], of the level drawn for each operation from U(0.1, severity).
        all_ops: also use color, contrast, brightness and sharpness, which overlap with the corruptions of -C.
    """

    def __init__(
        self, width: int = 3, depth: int = -1, alpha: float = 1.0, severity: float = 3, all_ops: bool = False
    ) -> None:
        super().__init__()
        check_integer("width", width, 1)
        check_integer("depth", depth)
        if depth == 0 or depth < -1:
            raise ValueError(f"depth must be -1 (drawn from 1, 2, 3) or at least 1, not {depth}")
        check_number("alpha", alpha, 0, 1e6, above=True)
        check_number("severity", severity, 0, 10, above=True)
        check_flag("all_ops", all_ops)
        self.width = width
        self.depth = depth
        self.alpha = alpha
        self.severity = severity
        self.all_ops = all_ops

    @eager
    def sample(self, batch: int, size: tuple[int, int], rng: np.random.Generator) -> Plan:
        """Draw the plan of a batch of images of `size` (height, width)."""
        available = operations.ALL if self.all_ops else operations.AUGMIX
        longest = 3 if self.depth == -1 else self.depth
        shape = (batch, self.width, longest)
        ids = rng.integers(len(available), size=shape)
        depths = rng.integers(1, 4, size=shape[:2]) if self.depth == -1 else np.full(shape[:2], longest)
        levels = rng.uniform(min(0.1, self.severity), self.severity, shape)
        signs = rng.integers(2, size=shape)
        if self.alpha < 0.1:  # Gammas this small underflow, which `dirichlet` allows for
            weights = rng.dirichlet(np.full(self.width, self.alpha), batch)
        else:
            weights = rng.standard_gamma(self.alpha, shape[:2])
        _finish(ids, available, depths, weights)
        parameters = operations.parameters(ids, levels, signs, size)
        return Plan(ids, parameters, weights, rng.beta(self.alpha, self.alpha, batch), size)

    @eager
    def forward(self, *inputs: Any) -> Any:
        """Augment the images of a sample; also within `torch.compile`, which goes on behind it.

        An image alone goes without torchvision's search for the images of a sample, which takes as long as augmenting.
        """
        if len(inputs) == 1 and (
            type(inputs[0]) in (torch.Tensor, tv_tensors.Image) or isinstance(inputs[0], Image.Image)
        ):
            return self.transform(inputs[0], self.make_params(list(inputs)))
        return super().forward(*inputs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError unless the sample holds an image and nothing that would have to move with it."""
        _check_sample(flat_inputs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the seed that all images of a sample share, from torch's generator."""
        return {"seed": _draw_seed()}

    def transform(self, inpt: Image.Image | torch.Tensor, params: dict[str, Any]) -> Any:
        """Augment one image, or a batch of them, and return the same kind."""
        image = functional.pil_to_tensor(_check_mode(inpt)) if isinstance(inpt, Image.Image) else inpt
        batch = image.as_subclass(torch.Tensor)
        if image.ndim == 3:
            batch = batch[None]
        operations.check_images(batch)
        height, width = batch.shape[-2:]
        plan = self.sample(len(batch), (height, width), np.random.default_rng(params["seed"]))
        mixed = _rounded(apply(batch, plan), image.shape)
        if isinstance(inpt, Image.Image):
            return functional.to_pil_image(mixed)
        return tv_tensors.wrap(mixed, like=inpt) if isinstance(inpt, tv_tensors.Image) else mixed


class AugMixViews(v2.Transform):
    """Return [image, view 1, …, view n]: the image as it is and `n` views of it by `AugMix(**parameters)`.

    These are the views of the Jensen-Shannon loss, `losses.jensen_shannon`. Takes what `AugMix` takes and returns
    a list of the same kind. Where torchvision transforms follow, give it PIL images or tv_tensors.Image: of a list
    of plain tensors they transform the first alone.
    """

    def __init__(self, n: int = 2, **parameters: Any) -> None:
        super().__init__()
        check_integer("n", n, 1)
        self.n = n
        self.augmix = AugMix(**parameters)

    @eager
    def forward(self, *inputs: Any) -> Any:
        """Augment the images of a sample; also within `torch.compile`, which goes on behind it."""
        return super().forward(*inputs)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise TypeError unless the sample holds an image and nothing that would have to move with it."""
        _check_sample(flat_inputs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw a seed for each view, from torch's generator."""
        return {"seeds": [_draw_seed() for _ in range(self.n)]}

    def transform(self, inpt: Image.Image | torch.Tensor, params: dict[str, Any]) -> list[Any]:
        """Return the image and its views, all of one kind."""
        return [inpt, *(self.augmix.transform(inpt, {"seed": seed}) for seed in params["seeds"])]


def _draw_seed() -> int:
    # torch's generator is seeded differently in each DataLoader worker, numpy's global one is not.
    return int(torch.randint(2**63 - 1, ()).item())


def _check_sample(flat_inputs: list[Any]) -> None:
    for value in flat_inputs:
        if isinstance(value, tv_tensors.TVTensor) and not isinstance(value, tv_tensors.Image):
            raise TypeError(f"AugMix augments images alone, the sample holds {type(value).__name__}")
    if not any(isinstance(value, torch.Tensor | Image.Image) for value in flat_inputs):
        kinds = ", ".join(sorted({type(value).__name__ for value in flat_inputs})) or "nothing"
        raise TypeError(f"image must be a PIL image, a uint8 tensor or a tv_tensors.Image, got {kinds}")


def _check_mode(image: Image.Image) -> Image.Image:
    if image.mode not in ("L", "RGB"):
        # Pillow cuts these off at 255, so that a photograph of 16 bits would turn white.
        if image.mode.startswith("I;16"):
            help = "take its upper eight bits, Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))"
        elif image.mode in ("I", "F"):
            help = "scale its values to [0, 255], and give Image.fromarray(values.astype(np.uint8))"
        else:
            help = "use image.convert('RGB')"
        raise ValueError(f"image must have mode L or RGB, got {image.mode}: {help}")
    return image
