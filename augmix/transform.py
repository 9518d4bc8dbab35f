"""AugMix as a transform of torchvision's, of images and of their views."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from augmix import operations
from augmix.checks import check_integer
from augmix.compilation import njit
from augmix.mixing import Plan, Sampler, with_image
from augmix.operations.executors import choose, eager


@njit(cache=True, error_model="numpy")
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


IMAGES = (Image.Image, tv_tensors.Image, tv_tensors.Video)
AUGMENTED = (*IMAGES, functional.is_pure_tensor)
"""The parts of a sample that are augmented, as torchvision asks for them."""


class AugMix(Sampler, v2.Transform):
    """Mix an image with randomly augmented versions of itself (Hendrycks et al., ICLR 2020, algorithm 1).

    Takes a PIL image (L or RGB), a uint8 tensor or tv_tensors.Image (C, H, W), or a batch (N, C, H, W) whose
    images are augmented independently; C = 1 or 3. Of a tv_tensors.Video (T, C, H, W) or (N, T, C, H, W) all frames
    of one video are augmented alike. Returns the same kind, with the mix rounded to uint8: `sample` and `apply` give
    it as float, which is what the paper trains on. Randomness follows `torch.manual_seed`.

    Float images in [0, 1] are rounded to uint8 first, since the operations are defined on it; their mix is not
    rounded. A mix has no one geometry, so torchvision's masks, boxes and key points beside an image are refused, unless
    `geometry` is off: then nothing moves, and they stay as they are. Plain tensors and arrays beside an image stay as
    they are in any case, since they may be labels: wrap masks as tv_tensors.Mask, boxes as tv_tensors.BoundingBoxes.

    Args:
        width: number of augmentation chains.
        depth: operations in a chain; -1 draws it from {1, 2, 3} for each chain.
        alpha: α of Dirichlet(α, …, α), which weighs the chains, and of Beta(α, α), which mixes in the image.
        severity: upper end, in (0, 10], of the level drawn for each operation from U(0.1, severity).
        all_ops: also use color, contrast, brightness and sharpness, which overlap with the corruptions of -C.
        geometry: also use rotation, shears and translations.
    """

    _transformed_types = AUGMENTED

    def __init__(
        self,
        width: int = 3,
        depth: int = -1,
        alpha: float = 1.0,
        severity: float = 3,
        all_ops: bool = False,
        geometry: bool = True,
    ) -> None:
        v2.Transform.__init__(self)
        Sampler.__init__(self, width, depth, alpha, severity, all_ops, geometry)

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
        _check_sample(flat_inputs, self.geometry)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw the seed that all images of a sample share, from torch's generator."""
        return {"seed": _draw_seed()}

    def transform(self, inpt: Image.Image | torch.Tensor, params: dict[str, Any]) -> Any:
        """Augment one image or video, or a batch of them, and return the same kind."""
        image = _from_pil(inpt) if isinstance(inpt, Image.Image) else inpt
        if type(image) is not torch.Tensor:
            image = image.as_subclass(torch.Tensor)
        batch, frames = _batch(image, isinstance(inpt, tv_tensors.Video))
        operations.check_images(batch)
        height, width = batch.shape[-2:]
        if len(batch) == frames:
            plan = self._sample_one((height, width), params["seed"])
        else:
            plan = self.sample(len(batch) // frames, (height, width), np.random.default_rng(params["seed"]))
        if frames > 1:
            ids, parameters, weights, m = (np.repeat(drawn, frames, axis=0) for drawn in plan[:-1])
            plan = Plan(ids, parameters, weights, m, plan.size)
        # `mixing.apply` checks the plan, which takes as long as a small image's view; this one is right.
        weights = with_image(plan.weights, plan.m)
        mix = choose(batch, mix=True).mix(batch, plan.operations, plan.parameters, weights)
        if image.dtype.is_floating_point:
            mixed = mix.div_(255).to(image.dtype).reshape(image.shape)
        else:
            mixed = _rounded(mix, image.shape)
        if isinstance(inpt, Image.Image):
            return Image.frombytes(inpt.mode, inpt.size, mixed.numpy().transpose(1, 2, 0).tobytes())
        return tv_tensors.wrap(mixed, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else mixed


class AugMixViews(v2.Transform):
    """Return [image, view 1, …, view n]: the image as it is and `n` views of it by `AugMix(**parameters)`.

    These are the views of the Jensen-Shannon loss, `losses.jensen_shannon`. Takes what `AugMix` takes and returns
    a list of the same kind. Where torchvision transforms follow, give it PIL images or tv_tensors.Image: of a list
    of plain tensors they transform the first alone.
    """

    _transformed_types = AUGMENTED

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
        _check_sample(flat_inputs, self.augmix.geometry)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draw a seed for each view, from torch's generator."""
        return {"seeds": [_draw_seed() for _ in range(self.n)]}

    def transform(self, inpt: Image.Image | torch.Tensor, params: dict[str, Any]) -> list[Any]:
        """Return the image and its views, all of one kind."""
        return [inpt, *(self.augmix.transform(inpt, {"seed": seed}) for seed in params["seeds"])]


def _draw_seed() -> int:
    # torch's generator is seeded differently in each DataLoader worker, numpy's global one is not. It is the host's,
    # whatever torch's default device is: a worker cannot use a GPU.
    return int(torch.randint(2**63 - 1, (), device="cpu").item())


def _batch(image: torch.Tensor, is_video: bool) -> tuple[torch.Tensor, int]:
    """Return the images (N, C, H, W) as uint8, and how many in a row are frames of one video, 1 for images."""
    if image.dtype.is_floating_point:
        levels = (image.detach() * 255).round()
        low, high = (float(bound) / 255 for bound in levels.aminmax()) if image.numel() else (0.0, 0.0)
        if not 0 <= low <= high <= 1:
            raise ValueError(f"a float image must lie in [0, 1], got {low:g} to {high:g}: augment before normalising")
        image = levels.to(torch.uint8)
    if not is_video:
        return image.unsqueeze(0) if image.ndim == 3 else image, 1
    if image.ndim not in (4, 5) or not image.shape[-4]:
        raise ValueError(f"a video must be (T, C, H, W) or (N, T, C, H, W) with frames, got {tuple(image.shape)}")
    return image.flatten(0, -4), image.shape[-4]


def _check_sample(flat_inputs: list[Any], geometry: bool) -> None:
    for value in flat_inputs:
        moves = isinstance(value, tv_tensors.TVTensor) and not isinstance(value, IMAGES)
        if moves and geometry:
            raise TypeError(
                f"the sample holds {type(value).__name__}, which would have to move with the image, and a mix of "
                "chains has no one geometry: use AugMix(geometry=False), which moves nothing"
            )
    if not any(isinstance(value, IMAGES) or functional.is_pure_tensor(value) for value in flat_inputs):
        kinds = ", ".join(sorted({type(value).__name__ for value in flat_inputs})) or "nothing"
        raise TypeError(f"image must be a PIL image, a tensor, a tv_tensors.Image or a tv_tensors.Video, got {kinds}")


def _from_pil(image: Image.Image) -> torch.Tensor:
    """Return the image as uint8 (C, H, W), without torchvision's detours."""
    if image.mode not in ("L", "RGB"):
        # Pillow cuts these off at 255, so that a photograph of 16 bits would turn white.
        if image.mode.startswith("I;16"):
            help = "take its upper eight bits, Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))"
        elif image.mode in ("I", "F"):
            help = "scale its values to [0, 255], and give Image.fromarray(values.astype(np.uint8))"
        else:
            help = "use image.convert('RGB')"
        raise ValueError(f"image must have mode L or RGB, got {image.mode}: {help}")
    pixels = np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, len(image.getbands()))
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1), order="C"))
