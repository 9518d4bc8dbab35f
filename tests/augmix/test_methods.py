"""Methods: every preset makes a training step; any views, mix and loss combine; faults name the parameter."""

import pickle
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from augmix import methods, models
from augmix.errors import UserError
from augmix.mixing import Sampler, apply
from augmix.registry import method_names
from augmix.suite.config.experiment import Experiment
from augmix.suite.run.preflight import check_methods
from augmix.suite.train.training import train, training_step

PACKAGES = ["baselines", "ablations"]


@pytest.fixture(scope="module")
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (8, 3, 32, 32), np.uint8)), torch.arange(8) % 4


def preset(name: str, **parameters: Any) -> methods.Method:
    return methods.build({"name": name, "preset": name, "parameters": parameters}, PACKAGES)


@pytest.fixture
def needed(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The parameters of the methods that cannot do without: a folder of stylised images, of four classes."""
    for name in "abcd":
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "train" / name / "0.png")
    return {"stylized_imagenet": {"folder": str(tmp_path)}}


@pytest.mark.parametrize("name", method_names(PACKAGES))
def test_every_preset_takes_a_step(
    name: str, batch: tuple[torch.Tensor, torch.Tensor], needed: dict[str, dict[str, Any]]
) -> None:
    torch.manual_seed(0)
    net = models.Normalised(models.build("smallnet", 4))
    before = [p.clone() for p in net.parameters()]
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    loss, wrong = training_step(
        net, preset(name, **needed.get(name, {})), optimizer, *batch, 4, np.random.default_rng(0)
    )
    assert loss.isfinite()
    assert 0 <= wrong <= 8
    assert any(not torch.equal(old, new) for old, new in zip(before, net.parameters(), strict=True))


@pytest.mark.parametrize("name", method_names(PACKAGES))
def test_every_preset_pickles(
    name: str, batch: tuple[torch.Tensor, torch.Tensor], needed: dict[str, dict[str, Any]]
) -> None:
    net = models.Normalised(models.build("smallnet", 4)).eval()
    method = preset(name, **needed.get(name, {}))
    results = []
    for one in (method, pickle.loads(pickle.dumps(method))):
        rng = np.random.default_rng(0)
        results.append(one.mix(one.views(*batch, net, rng), torch.eye(4)[batch[1]], rng)[0])
    assert all(torch.equal(view, copy) for view, copy in zip(*results, strict=True))


def test_augmix_views_are_the_clean_images_and_independent_mixes(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    views = preset("augmix", views=3).views(*batch, torch.nn.Identity(), np.random.default_rng(1))
    assert len(views) == 4
    assert torch.equal(views[0], batch[0])
    rng = np.random.default_rng(1)
    expected = [apply(batch[0], Sampler().sample(8, (32, 32), rng)) for _ in range(3)]
    for view, mixed in zip(views[1:], expected, strict=True):
        assert torch.equal(view, mixed)
    assert not torch.equal(views[1], views[2])


def test_no_jsd_sees_one_augmixed_view(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    views = preset("no_jsd").views(*batch, torch.nn.Identity(), np.random.default_rng(1))
    expected = apply(batch[0], Sampler().sample(8, (32, 32), np.random.default_rng(1)))
    assert len(views) == 1
    assert torch.equal(views[0], expected)


def test_parts_of_several_methods_combine(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    settings = {
        "name": "views_without_consistency",
        "views": {"augmix": {"views": 1}}, "mix": {"standard": {}}, "loss": {"standard": {}},
    }  # fmt: skip
    method = methods.build(settings, PACKAGES)
    views = method.views(*batch, torch.nn.Identity(), np.random.default_rng(0))
    logits = [torch.randn(8, 4) for _ in views]
    targets = torch.nn.functional.one_hot(batch[1], 4).float()
    assert len(views) == 2
    assert torch.equal(method.loss(logits, targets), torch.nn.functional.cross_entropy(logits[0], targets))


@pytest.mark.parametrize("views", method_names(PACKAGES))
def test_any_views_go_with_any_mix_and_any_loss(views: str, needed: dict[str, dict[str, Any]]) -> None:
    """But for a loss that compares views: it needs two. Targets stay probabilities, and all views are mixed alike."""
    images, labels = torch.full((4, 3, 16, 16), 60, dtype=torch.uint8), torch.arange(4)
    net = models.Normalised(
        torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 4))
    )
    for mix, loss in product(
        ["standard", "mixup", "cutmix", "fmix"], ["standard", "no_jsd_all_views", "augmix", "kl_only"]
    ):
        parts = {"views": {views: needed.get(views, {})}, "mix": {mix: {}}, "loss": {loss: {}}}
        method = methods.build({"name": "any", **parts}, PACKAGES)
        rng = np.random.default_rng(0)
        seen, targets = method.mix(method.views(images, labels, net, rng), torch.eye(4), rng)
        assert all(view.shape == images.shape for view in seen)
        torch.testing.assert_close(targets.sum(1), torch.ones(4))
        net.zero_grad()
        if len(seen) > 1 or loss in ("standard", "no_jsd_all_views"):
            method.loss([net(view) for view in seen], targets).backward()
            assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in net.parameters())
        else:
            with pytest.raises(ValueError, match="at least two views"):
                method.loss([net(view) for view in seen], targets)


@pytest.mark.parametrize("name", ["augmix", "kl_only", "kl_reversed"])
def test_consistency_goes_with_label_smoothing(name: str) -> None:
    logits = list(torch.randn(3, 8, 4, generator=torch.Generator().manual_seed(0)))
    targets = torch.eye(4).repeat(2, 1)
    plain, smoothed = (preset(name, label_smoothing=share).loss(logits, targets) for share in (0, 0.1))
    expected = torch.nn.functional.cross_entropy(logits[0], targets, label_smoothing=0.1)
    expected -= torch.nn.functional.cross_entropy(logits[0], targets)
    torch.testing.assert_close(smoothed - plain, expected, atol=1e-5, rtol=0)
    assert torch.equal(plain, preset(name).loss(logits, targets))


def test_mixes_pair_every_view_alike(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    """The same is pasted or mixed into every view, or their comparison is of other images."""
    for mix in ("mixup", "cutmix", "fmix"):
        method = preset(mix, **({"probability": 1.0} if mix == "cutmix" else {}))
        first, second = method.mix([batch[0], batch[0].clone()], torch.eye(8), np.random.default_rng(0))[0]
        assert torch.equal(first, second)
        assert not torch.equal(first, batch[0].to(first.dtype))


def test_views_in_a_row_see_each_others_images(batch: tuple[torch.Tensor, torch.Tensor]) -> None:
    row: list[dict[str, Any]] = [{"autoaugment": {}}, {"augmix": {"views": 1}}]
    settings = {"name": "row", "views": row, "mix": {"standard": {}}, "loss": {"augmix": {}}}
    views = methods.build(settings, PACKAGES).views(*batch, torch.nn.Identity(), np.random.default_rng(0))
    rng = np.random.default_rng(0)
    [first] = preset("autoaugment").views(*batch, torch.nn.Identity(), rng)
    expected = preset("augmix", views=1).views(first, batch[1], torch.nn.Identity(), rng)
    assert not torch.equal(first, batch[0])
    assert all(torch.equal(view, other) for view, other in zip(views, expected, strict=True))


@pytest.mark.parametrize(("first", "given"), [("augmix", "uint8, float32, float32"), ("cutout", "float32")])
def test_only_one_uint8_view_goes_on_to_the_next(
    first: str, given: str, batch: tuple[torch.Tensor, torch.Tensor]
) -> None:
    row: list[dict[str, Any]] = [{"standard": {}}, {first: {}}, {"standard": {}}]
    settings = {"name": "row", "views": row, "mix": {"standard": {}}, "loss": {"standard": {}}}
    method = methods.build(settings, PACKAGES)
    with pytest.raises(UserError, match=f"views 2 of 3 in a row give {given}; all but the last give one uint8"):
        method.views(*batch, torch.nn.Identity(), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("name", "parameters", "complaint"),
    [
        ("augmix", {"width": 0}, "method 'augmix': augmix: width"),
        ("augmix", {"severity": 11}, "severity"),
        ("augmix", {"alpha": 0}, "alpha"),
        ("augmix", {"depth": 0}, "depth"),
        ("augmix", {"views": 0}, "views must be at least 1, not 0"),
        ("augmix", {"weight": -1}, r"weight must be in \[0, 1e\+06\], not -1"),
        ("kl_only", {"label_smoothing": 2}, r"label_smoothing must be in \[0, 1\], not 2"),
        ("no_jsd", {"weight": 12}, "unexpected keyword argument 'weight'"),
    ],
)
def test_faults_name_method_and_parameter(name: str, parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        preset(name, **parameters)


def test_a_method_from_outside_is_one_file_and_one_line(
    small_experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "turned.py").write_text(
        "from augmix.losses import cross_entropy\n"
        "from augmix.methods import Method, unmixed\n"
        "def method(*, above: int = 0) -> Method:\n"
        "    if not 0 <= above <= 255:\n"
        "        raise ValueError(f'above must be in [0, 255], not {above}')\n"
        "    return Method(lambda images, labels, net, rng: [255 - images], unmixed, cross_entropy)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    experiment = small_experiment(methods=["turned"], method_packages=["mine"])
    settings = experiment.runs[0].training
    views = methods.build(settings.method, ["mine"]).views(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), *[None] * 3)  # type: ignore[arg-type]
    assert views[0].min() == 255
    folder = tmp_path / "results" / "x" / "digits" / "smallnet" / "turned" / "seed0"
    train(settings, folder)
    assert (folder / "model.pt").is_file()
    odd = {"name": "odd", "preset": "turned", "parameters": {"above": 300}}
    refused = small_experiment(methods=[odd], method_packages=["mine"])
    with pytest.raises(UserError, match=r"method 'odd': turned: above must be in \[0, 255\], not 300"):
        check_methods(refused)
