"""Any net is scored on clean, -C and -P images as the metrics define it, with intervals that hold."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import numpy as np
import pytest
import torch
from scipy.stats import binom
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

import augmix
from augmix import metrics
from augmix.corruptions import CORRUPTIONS, corrupt
from augmix.models import Normalised
from augmix.perturbations import NOISE_PERTURBATIONS, perturb, perturbations_of
from augmix.scoring import Score, share_score


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    images = np.kron(found.images[:24] * 15.9, np.ones((4, 4))).astype(np.uint8)
    return np.repeat(images[..., None], 3, 3), found.target[:24]


class Net(nn.Module):
    """Fixed random features, with batch normalisation: its mode shows."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(1568, 10))

    def forward(self, images: Tensor) -> Tensor:
        assert images.dtype == self.layers[0].weight.dtype
        found: Tensor = self.layers(images)
        return found


def test_scores_are_those_of_the_metrics(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    net = Net().train()
    net.layers[0].eval()
    scores = augmix.evaluate(net, images, labels, batch_size=7)
    assert net.training
    assert net.layers[1].training
    assert not net.layers[0].training
    net.eval()

    def predicted(some: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(some).permute(0, 3, 1, 2) / 255).argmax(1).numpy()

    errors = {
        name: [metrics.error(predicted(corrupt(images, name, s)), labels) for s in range(1, 6)] for name in CORRUPTIONS
    }
    flips = {}
    for name in perturbations_of("cifar"):
        frames = perturb(images, name)
        seen = predicted(frames.reshape(-1, 32, 32, 3)).reshape(frames.shape[:2])
        flips[name] = metrics.flip_probability(seen, name in NOISE_PERTURBATIONS)
    assert scores.value("clean") == metrics.error(predicted(images), labels)
    assert scores.value("C", "mCE") == pytest.approx(metrics.mean_corruption_error(errors))
    assert scores.value("C", "fog") == pytest.approx(np.mean(errors["fog"]))
    assert scores.value("P", "mFP") == pytest.approx(metrics.mean_flip_probability(flips))
    assert scores.value("P", "gaussian_noise") == pytest.approx(flips["gaussian_noise"])
    assert len(scores) == 3 + 16 + 11
    assert all(score.low <= score.value <= score.high for score in scores)
    assert "mCE" in str(scores)
    with pytest.raises(KeyError):
        scores.value("C", "mFP")


def test_probabilities_are_scored_as_the_metrics_do(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    net = Net().eval()
    with torch.inference_mode():
        p = net(torch.from_numpy(images).permute(0, 3, 1, 2) / 255).double().softmax(1).numpy()
    scores = augmix.evaluate(net, images, labels, testsets=["clean"])
    true = p[range(24), labels]
    assert scores.value("clean", metric="nll") == pytest.approx(metrics.negative_log_likelihood(true), rel=1e-5)
    assert scores.value("clean", metric="brier") == pytest.approx(metrics.brier_score(true, (p**2).sum(1)), rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_read_only_map_of_a_file_is_no_matter(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    mapped = images.copy()
    mapped.flags.writeable = False
    torch.set_warn_always(True)  # else it would warn once in a process, which another test may have used up
    try:
        found = augmix.evaluate(Net(), mapped, labels, ("clean",))
    finally:
        torch.set_warn_always(False)
    assert found == augmix.evaluate(Net(), images, labels, ("clean",))


def test_a_net_gets_the_normalisation_that_is_asked_for(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    net, mean, std = Net().eval(), (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    plain = augmix.evaluate(net, images, labels, testsets=["clean"])
    given = augmix.evaluate(net, images, labels, testsets=["clean"], mean=mean, std=std)
    itself = augmix.evaluate(Normalised(net, mean, std), images, labels, testsets=["clean"])
    function = augmix.evaluate(lambda batch: net(batch), images, labels, testsets=["clean"])
    assert given.value("clean", metric="nll") == pytest.approx(itself.value("clean", metric="nll"), rel=1e-5)
    assert given.value("clean", metric="nll") != pytest.approx(plain.value("clean", metric="nll"), rel=1e-3)
    assert list(function) == list(plain)


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        AveragedModel,
        partial(torch.compile, backend="eager"),
        lambda net: AveragedModel(nn.DataParallel(net)),
    ],
)
def test_a_wrapped_net_is_normalised_once(
    digits: tuple[np.ndarray, np.ndarray], wrap: Callable[[nn.Module], nn.Module]
) -> None:
    net = Normalised(Net().eval())
    assert augmix.evaluate(wrap(net), *digits, testsets="clean") == augmix.evaluate(net, *digits, testsets="clean")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_images_are_of_the_weights_type(digits: tuple[np.ndarray, np.ndarray], dtype: torch.dtype) -> None:
    net = Net()
    expected, found = (augmix.evaluate(made, *digits, testsets=["clean"]) for made in (net, deepcopy(net).to(dtype)))
    assert found.value("clean", metric="nll") == pytest.approx(expected.value("clean", metric="nll"), rel=0.02)


def test_torch_defaults_change_no_score(digits: tuple[np.ndarray, np.ndarray]) -> None:
    net = Net()
    expected = augmix.evaluate(net, *digits, testsets=["clean"], mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            found = augmix.evaluate(net, *digits, testsets=["clean"], mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == expected


@pytest.mark.parametrize(("share", "count"), [(0.02, 100), (0.3, 40), (0.9, 60)])
def test_intervals_of_shares_hold(share: float, count: int) -> None:
    """Wilson's interval over independent images covers the truth in about 95 % of samples, counted exactly."""
    covered = 0.0
    for wrong in range(count + 1):
        scores = np.arange(count) < wrong
        found = share_score("clean", "", "error", scores)
        covered += binom.pmf(wrong, count, share) * (found.low <= share <= found.high)
    assert 0.92 < covered < 0.985


def test_copies_of_an_image_are_no_further_images() -> None:
    rng = np.random.default_rng(0)
    once = rng.random(400) < 0.2
    same = np.mean([once] * 5, 0)
    other = (rng.random((5, 400)) < 0.2).mean(0)
    single, copied, apart = (share_score("C", "fog", "error", scores) for scores in (once, same, other))
    assert copied.high - copied.low == pytest.approx(single.high - single.low)
    assert apart.high - apart.low < 0.6 * (single.high - single.low)
    never = share_score("C", "fog", "error", np.zeros(360))
    assert never == Score("C", "fog", "error", 0.0, 0.0, never.high)
    assert 0.005 < never.high < 0.02


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0] * 23}, "labels has shape"),
        ({"labels": [0.5] * 24}, "integers"),
        ({"labels": [10] * 24}, "the net has 10 classes"),
        ({"labels": [-1] * 24}, "count from 0"),
        ({"testsets": ["D"]}, "unknown testsets 'D'"),
        ({"mean": (0.5, 0.5, 0.5)}, "go together"),
        ({"mean": 0.5, "std": 0.5}, "three numbers each"),
        ({"mean": (125, 125, 125), "std": (60, 60, 60)}, "divide them by 255"),
        ({"net": lambda batch: batch.flatten(1)[:, :10] * float("nan")}, "not finite"),
        ({"net": lambda batch: batch}, r"net gives \(24, 3, 32, 32\)"),
        ({"images": np.zeros((24, 3, 32, 32), np.uint8)}, "images must have shape"),
    ],
)
def test_bad_input_is_named(digits: tuple[np.ndarray, np.ndarray], change: dict[str, object], message: str) -> None:
    arguments = {"net": Net(), "images": digits[0], "labels": digits[1], "testsets": ["clean"], **change}
    with pytest.raises((TypeError, ValueError), match=message):
        augmix.evaluate(**arguments)  # type: ignore[arg-type]
