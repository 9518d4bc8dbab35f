"""Scores of any net on clean, corrupted (-C) and perturbed (-P) images, each with an interval over test images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from augmix.checks import check_choice, check_images, check_integer, choose_preset
from augmix.corruptions import CORRUPTIONS, corrupt
from augmix.metrics import flips
from augmix.models import Normalised
from augmix.perturbations import NOISE_PERTURBATIONS, frame_count, perturb, perturbations_of
from augmix.registry import nearest

TESTSETS = ("clean", "C", "P")
SEVERITIES = (1, 2, 3, 4, 5)
CHUNK_BYTES = 2**26
"""Bytes of shifted images that are made at a time."""
NORMAL_QUANTILE = 1.959964
"""The standard normal's 97.5 % quantile."""


class Score(NamedTuple):
    """One measure on one shift, a fraction (nats of `nll`), with its 95 % interval over other test images."""

    testset: str
    shift: str
    """A corruption or a perturbation; mCE and mFP are the means over all of them; empty of clean images."""
    metric: str
    """error, nll and brier of clean images, error of a corruption, flip_probability of a perturbation."""
    value: float
    low: float
    high: float


class Scores(list[Score]):
    """A table of scores, as `evaluate` returns it; `pandas.DataFrame(scores)` has a column a field."""

    def value(self, testset: str, shift: str = "", metric: str | None = None) -> float:
        """The value of one score; without `metric` the first. Raises KeyError where there is none."""
        for score in self:
            if (score.testset, score.shift) == (testset, shift) and metric in (None, score.metric):
                return score.value
        known = [" ".join(filter(None, score[:3])) for score in self]
        wanted = " ".join(filter(None, (testset, shift, metric)))
        raise KeyError(f"no score {wanted!r}; {nearest(wanted, known)}")

    def __str__(self) -> str:
        lines = [f"{'test set':9}{'shift':20}{'measure':18}{'value':>8}   95 % interval over images"]
        for score in self:
            scale, unit = (1, "nats") if score.metric == "nll" else (100, "%")
            value, low, high = (scale * number for number in score[3:])
            lines.append(
                f"{score.testset:9}{score.shift or '–':20}{score.metric:18}{value:8.2f}   {low:.2f} … {high:.2f} {unit}"
            )
        return "\n".join(lines)


def evaluate(
    net: nn.Module | Callable[[Tensor], Tensor],
    images: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    testsets: str | Sequence[str] = TESTSETS,
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch_size: int = 256,
    seed: int = 0,
    preset: str | None = None,
    device: torch.device | str | None = None,
) -> Scores:
    """Evaluate a net on test images and on the -C and -P that are generated from them.

    `net` takes (B, 3, H, W), float32 or of its weights' type, and returns logits (B, classes). It is given values in
    [0, 1], less `mean` and over `std` where these are given, one number a channel; nothing else is normalised, but for
    an `augmix.models.Normalised`, compiled or in parallel too, which takes 0 … 255 itself. A module is evaluated in
    evaluation mode, on the device of its weights unless `device` says otherwise, and its parts are left in the modes
    that they were in.

    `images` are uint8 (N, H, W, 3), `labels` (N,) class numbers. `testsets` are one or some of "clean", "C" (15
    corruptions at severities 1 … 5, unnormalised mCE) and "P" (ten perturbation sequences, unnormalised mFP), as
    Hendrycks & Dietterich (ICLR 2019) define them; `preset` and `seed` are those of `augmix.corruptions.corrupt`.

    An interval is over other test images, each with all of its copies. Those of shares are Wilson's (1927) at the
    effective number of images (Korn & Graubard, Survey Methodology 24, 1998), so that no error in N images is not
    certainty; those of other means are normal. They say nothing of other trainings of the net.

    Raises TypeError or ValueError naming the argument, also for logits that are not finite or of too few classes.
    """
    check_images(images)
    labels = _labels(labels, len(images))
    testsets = [testsets] if isinstance(testsets, str) else testsets
    for name in testsets:
        check_choice("testsets", name, TESTSETS)
    check_integer("batch_size", batch_size, 1)
    check_integer("seed", seed)
    preset = choose_preset(preset, images)
    scale, offset = _scaling(net, mean, std)
    predict = partial(_predict, net, scale, offset, batch_size, *_place(net, device))
    scores = Scores()
    modes = {part: part.training for part in net.modules()} if isinstance(net, nn.Module) else {}
    for part in modes:
        part.training = False
    try:
        for name in dict.fromkeys(testsets):
            scores += _TESTSETS[name](predict, images, labels, seed, preset)
    finally:
        for part, training in modes.items():  # a part may be frozen within a net that trains
            part.training = training
    return scores


Predict = Callable[[np.ndarray], np.ndarray]


def _clean(predict: Predict, images: np.ndarray, labels: np.ndarray, seed: int, preset: str) -> Iterator[Score]:
    logits = predict(images)
    _check_classes(logits, labels)
    shifted = logits - logits.max(1, keepdims=True)
    probability = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    true = probability[np.arange(len(labels)), labels]
    yield share_score("clean", "", "error", logits.argmax(1) != labels)
    yield _mean("clean", "", "nll", np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(labels)), labels])
    yield _mean("clean", "", "brier", (probability**2).sum(1) - 2 * true + 1)


def _corrupted(predict: Predict, images: np.ndarray, labels: np.ndarray, seed: int, preset: str) -> Iterator[Score]:
    wrong = []
    for name in _bar(CORRUPTIONS, "-C"):
        of_name = np.zeros(len(labels))
        for severity in SEVERITIES:
            for start, chunk in _chunks(images, 1):
                logits = predict(corrupt(chunk, name, severity, seed, preset, first=start))
                _check_classes(logits, labels)
                of_name[start : start + len(chunk)] += logits.argmax(1) != labels[start : start + len(chunk)]
        wrong.append(of_name / len(SEVERITIES))
        yield share_score("C", name, "error", wrong[-1])
    yield share_score("C", "mCE", "error", np.mean(wrong, 0))


def _perturbed(predict: Predict, images: np.ndarray, labels: np.ndarray, seed: int, preset: str) -> Iterator[Score]:
    shares = []
    for name in _bar(perturbations_of(preset), "-P"):
        frames = frame_count(name, preset)
        made = (perturb(chunk, name, seed, preset, first=start) for start, chunk in _chunks(images, frames))
        seen = np.concatenate([predict(some.reshape(-1, *some.shape[2:])).argmax(1) for some in made])
        shares.append(flips(seen.reshape(-1, frames), name in NOISE_PERTURBATIONS).mean(1))
        yield share_score("P", name, "flip_probability", shares[-1])
    yield share_score("P", "mFP", "flip_probability", np.mean(shares, 0))


_TESTSETS = {"clean": _clean, "C": _corrupted, "P": _perturbed}


def _chunks(images: np.ndarray, copies: int) -> Iterator[tuple[int, np.ndarray]]:
    """Pieces of the images, each with the index of its first, of which so many copies are made at a time."""
    step = max(1, CHUNK_BYTES // (copies * images[0].nbytes))
    return ((start, images[start : start + step]) for start in range(0, len(images), step))


def share_score(testset: str, shift: str, metric: str, scores: np.ndarray) -> Score:
    """The mean of scores in [0, 1], one an image, with Wilson's interval at the effective number of images."""
    share, count = float(scores.mean()), len(scores)
    variance = float(scores.var(ddof=1)) / count if count > 1 else 0.0
    effective = share * (1 - share) / variance if variance else float(count)
    weight = NORMAL_QUANTILE**2 / effective
    centre = (share + weight / 2) / (1 + weight)
    half = NORMAL_QUANTILE * np.sqrt(share * (1 - share) / effective + weight / (4 * effective)) / (1 + weight)
    return Score(testset, shift, metric, share, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def _mean(testset: str, shift: str, metric: str, scores: np.ndarray) -> Score:
    """The mean of any scores, one an image, with the normal interval."""
    mean, count = float(scores.mean()), len(scores)
    half = NORMAL_QUANTILE * float(scores.std(ddof=1)) / count**0.5 if count > 1 else float("inf")
    return Score(testset, shift, metric, mean, mean - half, mean + half)


@torch.inference_mode()
def _predict(
    net: Callable[[Tensor], Tensor],
    scale: Tensor | None,
    offset: Tensor | None,
    batch_size: int,
    device: torch.device,
    dtype: torch.dtype,
    images: np.ndarray,
) -> np.ndarray:
    """Logits of uint8 (A, H, W, 3) images: float64 (A, classes)."""
    found = []
    for start in range(0, len(images), batch_size):
        batch = torch.tensor(images[start : start + batch_size], device=device).permute(0, 3, 1, 2).contiguous()
        if scale is not None and offset is not None:
            batch = (batch.to(torch.float32) * scale.to(device) - offset.to(device)).to(dtype)
        logits = net(batch)
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(batch) or logits.shape[1] < 2:
            what = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ValueError(f"net gives {what} for {len(batch)} images; logits (images, classes) are accepted")
        if not logits.isfinite().all():
            raise ValueError("net gives logits that are not finite; see whether its weights or its inputs are right")
        found.append(logits.to("cpu", torch.float64).numpy())
    return np.concatenate(found)


def _scaling(
    net: object, mean: Sequence[float] | None, std: Sequence[float] | None
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Factor and offset (3, 1, 1) of the normalisation; None for a net that does it itself."""
    if isinstance(_unwrapped(net), Normalised):
        if mean is not None or std is not None:
            raise ValueError("mean and std are given, but the net is an augmix.models.Normalised and has its own")
        return None, None
    if (mean is None) != (std is None):
        raise ValueError("mean and std go together; give both or neither")
    given = [np.asarray([0.0] * 3 if mean is None else mean), np.asarray([1.0] * 3 if std is None else std)]
    if [value.shape for value in given] != [(3,), (3,)] or not (given[1] > 0).all():
        raise ValueError("mean and std must be three numbers each, those of std above 0")
    shares = torch.from_numpy(np.stack(given).astype(np.float32))  # single, and on the host, whatever torch's defaults
    if shares.max() > 1:
        raise ValueError("mean and std are of values in [0, 1]; divide them by 255")
    return (1 / (255 * shares[1]))[:, None, None], (shares[0] / shares[1])[:, None, None]


def _unwrapped(net: Any) -> object:
    """The net within `torch.compile`'s wrapper, or within those that copy or average it."""
    wrappers = nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel
    while (inner := net.module if isinstance(net, wrappers) else getattr(net, "_orig_mod", None)) is not None:
        net = inner
    return net


def _place(net: object, device: torch.device | str | None) -> tuple[torch.device, torch.dtype]:
    """The device and the type of the images that the net takes."""
    weight = next(net.parameters(), None) if isinstance(net, nn.Module) else None
    own = torch.device("cpu") if weight is None else weight.device
    dtype = weight.dtype if weight is not None and weight.is_floating_point() else torch.float32
    return own if device is None else torch.device(device), dtype


def _labels(labels: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape != (count,):
        raise ValueError(f"labels has shape {array.shape}; there are {count} images")
    if not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"labels must be integers, not {array.dtype}")
    if array.min() < 0:
        raise ValueError(f"labels has {array.min()}; classes count from 0")
    return array.astype(np.int64)


def _check_classes(logits: np.ndarray, labels: np.ndarray) -> None:
    if labels.max() >= logits.shape[1]:
        raise ValueError(f"labels has class {labels.max()}; the net has {logits.shape[1]} classes, from 0")


def _bar(names: Sequence[str], title: str) -> Iterable[str]:
    """The names, with a progress bar where tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return names
    shown: Any = tqdm(names, desc=title, leave=False, delay=5)
    found: Iterable[str] = shown
    return found
