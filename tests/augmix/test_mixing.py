"""AugMix: its plan has the paper's distributions, its mix is exact, and its transform fits torchvision's."""

import math
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch.utils.data import DataLoader, Dataset
from torchvision import tv_tensors
from torchvision.datasets import FakeData
from torchvision.transforms import v2

from augmix import AugMix, AugMixViews, mixing, operations, transform
from augmix.mixing import Plan, apply, apply_chain
from augmix.operations.transfer import staging

# Every test draws with a fixed seed; a p-value below this means a wrong distribution, not bad luck.
UNLIKELY = 1e-3
SIZE = (32, 32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_images(count: int, channels: int = 3, size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.from_numpy(rng().integers(0, 256, (count, channels, *size), dtype=np.uint8))


def mixed_in_double(images: torch.Tensor, plan: Plan) -> np.ndarray:
    """The definition in float64, chain by chain and operation by operation."""
    total = (1 - plan.m[:, None, None, None]) * images.numpy()
    for n, image in enumerate(images):
        for k, weight in enumerate(plan.weights[n]):
            view = image[None]
            for id, parameter in zip(plan.operations[n, k], plan.parameters[n, k], strict=True):
                view = operations.apply(operations.OPERATIONS[id].name, view, parameter)
            total[n] += plan.m[n] * weight * view[0].numpy().astype(np.float64)
    return total


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (33, 45)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("parameters", [{}, {"width": 5, "depth": 4, "all_ops": True, "severity": 10}], ids=str)
def test_mix_equals_a_double_precision_reference(
    channels: int, size: tuple[int, int], parameters: dict[str, Any]
) -> None:
    images = random_images(24, channels, size)
    plan = AugMix(**parameters).sample(24, size, rng())
    mixed = apply(images, plan)
    assert mixed.dtype == torch.float32
    assert mixed.shape == images.shape
    np.testing.assert_allclose(mixed.numpy(), mixed_in_double(images, plan), rtol=1e-6)


def test_mix_stays_within_the_range_of_uint8() -> None:
    images = torch.full((512, 1, 4, 4), 255, dtype=torch.uint8)
    plan = AugMix(width=5).sample(512, (4, 4), rng())
    plan = plan._replace(operations=np.full_like(plan.operations, operations.IDENTITY))
    mixed = apply(images, plan)
    assert mixed.max() <= 255
    np.testing.assert_allclose(mixed.numpy(), 255, rtol=1e-6)


def test_one_chain_is_not_mixed() -> None:
    images = random_images(16)
    plan = AugMix(width=2).sample(16, SIZE, rng())
    chain = apply_chain(images, plan)
    assert chain.dtype == torch.uint8
    alone = plan._replace(m=np.ones(16), weights=np.tile([1.0, 0.0], (16, 1)))
    np.testing.assert_allclose(chain.numpy(), apply(images, alone).numpy(), rtol=1e-6)


def test_plan_is_reproducible_and_apply_is_pure() -> None:
    images = random_images(8)
    before = images.clone()
    first, second = (AugMix().sample(8, SIZE, rng(3)) for _ in range(2))
    for name in Plan._fields:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert torch.equal(apply(images, first), apply(images, second))
    assert torch.equal(images, before)
    assert not torch.equal(apply(images, first), apply(images, AugMix().sample(8, SIZE, rng(4))))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"width": 1, "depth": 1},
        {"width": 2, "alpha": 0.05, "geometry": False},
        {"width": 5, "depth": 4, "alpha": 3.5, "all_ops": True, "severity": 10},
    ],
    ids=str,
)
def test_the_plan_of_one_image_is_that_of_a_batch_of_one(parameters: dict[str, Any]) -> None:
    augmix = AugMix(**parameters)
    for seed in [*range(300), 2**63 - 2]:
        one, batch = augmix._sample_one((30, 41), seed), augmix.sample(1, (30, 41), rng(seed))
        assert np.array_equal(one.operations, batch.operations)
        for name in Plan._fields:  # where C fuses multiplication and addition, a level's last bit may differ
            np.testing.assert_allclose(getattr(one, name), getattr(batch, name), rtol=1e-15)


def test_a_draw_that_numpy_refuses_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    augmix = AugMix()
    arrays = np.empty((1, 3, 3), np.int64), np.empty((1, 3, 3)), np.ones((1, 3))
    # The products of 0 have lower halves below 2³² mod 9.
    for word, accepted in ((0, False), (2**63 + 2**31, True)):
        words = np.full(20, word, np.uint64)
        assert mixing._decode(words, augmix._available, True, 0.1, 2.9, *arrays, *SIZE) == accepted
    expected = augmix._sample_one(SIZE, 7)
    monkeypatch.setattr(mixing, "_decode", lambda *_: False)
    left = augmix._sample_one(SIZE, 7)
    for name in Plan._fields:
        np.testing.assert_allclose(getattr(left, name), getattr(expected, name), rtol=1e-15)


def test_refuses_a_plan_for_another_batch() -> None:
    plan = AugMix().sample(4, SIZE, rng())
    with pytest.raises(ValueError, match=r"weights must have shape \(5, chains \+ 1\)"):
        apply(random_images(5), plan)
    with pytest.raises(ValueError, match=r"weights must be \(N, K\) and m \(N,\), got shapes \(4, 3\) and \(3,\)"):
        apply(random_images(4), plan._replace(m=plan.m[:3]))
    for render in (apply, apply_chain):
        with pytest.raises(
            ValueError, match=r"the plan is for images of \(32, 32\), got \(32, 24\): sample one for them"
        ):
            render(random_images(4, size=(32, 24)), plan)


@pytest.mark.parametrize(("all_ops", "count"), [(False, 9), (True, 13)])
def test_operations_are_uniform(all_ops: bool, count: int) -> None:
    plan = AugMix(all_ops=all_ops, depth=2).sample(4000, SIZE, rng())
    seen = np.bincount(plan.operations.ravel(), minlength=len(operations.OPERATIONS))
    assert seen[operations.IDENTITY] == 0
    assert seen[count + 1 :].sum() == 0
    assert stats.chisquare(seen[1 : count + 1]).pvalue > UNLIKELY


@pytest.mark.parametrize("depth", [1, 4])
def test_fixed_depth(depth: int) -> None:
    plan = AugMix(depth=depth).sample(10, SIZE, rng())
    assert plan.operations.shape == (10, 3, depth)
    assert (plan.operations != operations.IDENTITY).all()


def test_random_depth_is_uniform_over_one_to_three() -> None:
    plan = AugMix(width=2).sample(6000, SIZE, rng())
    active = plan.operations != operations.IDENTITY
    assert (active[..., :-1] >= active[..., 1:]).all(), "the identities come last"
    depths = np.bincount(active.sum(-1).ravel(), minlength=4)
    assert depths[0] == 0
    assert stats.chisquare(depths[1:]).pvalue > UNLIKELY


@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("alpha", [0.1, 1.0, 10])
def test_weights_are_dirichlet_and_m_is_beta(width: int, alpha: float) -> None:
    plan = AugMix(width=width, alpha=alpha).sample(4000, SIZE, rng())
    np.testing.assert_allclose(plan.weights.sum(1), 1)
    for weight in plan.weights.T:
        assert stats.kstest(weight, stats.beta(alpha, (width - 1) * alpha).cdf).pvalue > UNLIKELY
    # With the means and variances, the covariance makes it Dirichlet and not independent normalised draws.
    variance = (width - 1) / width**2 / (width * alpha + 1)
    assert np.cov(plan.weights.T)[0, 1] == pytest.approx(-variance / (width - 1), rel=0.15)
    assert stats.kstest(plan.m, stats.beta(alpha, alpha).cdf).pvalue > UNLIKELY
    assert abs(np.corrcoef(plan.m, plan.weights[:, 0])[0, 1]) < 0.06


def test_a_tiny_alpha_gives_all_the_weight_to_one_chain() -> None:
    plan = AugMix(alpha=1e-4).sample(4000, SIZE, rng())
    np.testing.assert_allclose(plan.weights.sum(1), 1)
    assert (plan.weights.max(1) > 0.99).mean() > 0.99
    assert stats.chisquare(np.bincount(plan.weights.argmax(1))).pvalue > UNLIKELY


def test_one_chain_has_all_the_weight() -> None:
    np.testing.assert_allclose(AugMix(width=1).sample(20, SIZE, rng()).weights, 1)


@pytest.mark.parametrize("severity", [0.05, 1, 3, 10])
def test_levels_are_uniform_and_signs_are_fair(severity: float) -> None:
    plan = AugMix(depth=3, severity=severity).sample(8000, SIZE, rng())
    shears = plan.parameters[np.isin(plan.operations, operations.ids(["shear_x", "shear_y"]))]
    lowest = min(0.1, severity)
    levels = np.abs(shears) / 0.3 * 10
    assert levels.min() >= lowest - 1e-9
    assert levels.max() <= severity + 1e-9
    if severity > lowest:
        assert stats.kstest(levels, stats.uniform(lowest, severity - lowest).cdf).pvalue > UNLIKELY
    assert stats.binomtest(int((shears > 0).sum()), len(shears)).pvalue > UNLIKELY


def test_rotations_are_truncated_degrees() -> None:
    plan = AugMix(depth=3).sample(8000, SIZE, rng())
    degrees = plan.parameters[plan.operations == operations.IDS["rotate"]]
    assert (degrees == np.trunc(degrees)).all()
    seen = np.bincount(np.abs(degrees).astype(int), minlength=9)
    # 3ℓ is uniform on [0.3, 9): the bin of 0 is shorter, and 9 is never reached.
    assert len(seen) == 9
    expected = np.array([0.7, *[1.0] * 8]) / 8.7 * len(degrees)
    assert stats.chisquare(seen, expected).pvalue > UNLIKELY


def test_translations_follow_the_side_they_move_along() -> None:
    plan = AugMix(depth=3, severity=10).sample(4000, (30, 90), rng())
    for name, side in (("translate_x", 90), ("translate_y", 30)):
        pixels = plan.parameters[plan.operations == operations.IDS[name]]
        assert (pixels == np.trunc(pixels)).all()
        assert np.abs(pixels).max() == side // 3 - 1


@pytest.mark.parametrize(
    ("name", "level", "first", "second"),
    [
        ("autocontrast", 3, 0, 0),
        ("equalize", 3, 0, 0),
        ("posterize", 3, 3, 3),
        ("posterize", 2.4, 4, 4),
        ("posterize", 9.99, 1, 1),
        ("rotate", 3.1, -9, 9),
        ("solarize", 3, 180, 180),
        ("solarize", 0.1, 254, 254),
        ("shear_x", 3, -0.09, 0.09),
        ("shear_y", 10, -0.3, 0.3),
        ("translate_x", 3, -6, 6),
        ("translate_y", 3, -3, 3),
        ("color", 3, 0.64, 0.64),
        ("contrast", 10, 1.9, 1.9),
        ("brightness", 0.1, 0.118, 0.118),
        ("sharpness", 5, 1.0, 1.0),
    ],
)
def test_level_becomes_the_parameter(name: str, level: float, first: float, second: float) -> None:
    ids = np.repeat(operations.ids([name]), 2)
    found = operations.parameters(ids, np.full(2, level), np.array([0, 1]), (32, 64))
    np.testing.assert_allclose(found, [first, second], rtol=1e-12)


def photograph(mode: str = "RGB") -> Image.Image:
    return v2.functional.to_pil_image(random_images(1, 3, (40, 56))[0]).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_takes_and_returns_a_pil_image(mode: str) -> None:
    image = photograph(mode)
    torch.manual_seed(0)
    result = AugMix()(image)
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == (mode, image.size)
    torch.manual_seed(0)
    expected = AugMix()(v2.functional.pil_to_tensor(image))
    assert torch.equal(v2.functional.pil_to_tensor(result), expected)


def test_what_is_advised_for_16_bits_keeps_the_image() -> None:
    grey = np.arange(40 * 56, dtype=np.uint16).reshape(40, 56) * 29
    image = Image.fromarray(grey)
    with pytest.raises(ValueError, match="upper eight bits") as caught:
        AugMix()(image)
    advised = eval(str(caught.value).split("bits, ")[1], {"image": image, "np": np, "Image": Image})
    assert advised.mode == "L"
    np.testing.assert_array_equal(np.asarray(advised), grey // 256)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (5, 3, 24, 20)])
@pytest.mark.parametrize("kind", [torch.Tensor, tv_tensors.Image])
def test_takes_and_returns_a_tensor(shape: tuple[int, ...], kind: Any) -> None:
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    result: Any = AugMix()(image.as_subclass(torch.Tensor) if kind is torch.Tensor else tv_tensors.Image(image))
    assert type(result) is kind
    assert result.dtype == torch.uint8
    assert result.shape == shape


def test_transform_is_the_rounded_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    augmix, images = AugMix(), random_images(6)
    monkeypatch.setattr(transform, "_draw_seed", lambda: 17)
    expected = apply(images, augmix.sample(6, SIZE, rng(17))).round().to(torch.uint8)
    assert torch.equal(augmix(images), expected)


def test_images_of_a_batch_are_augmented_independently() -> None:
    views = AugMix()(random_images(1).repeat(16, 1, 1, 1))
    assert len(torch.unique(views.flatten(1), dim=0)) == 16


def test_manual_seed_makes_it_reproducible_and_calls_differ() -> None:
    image, augmix = random_images(1)[0], AugMix()
    torch.manual_seed(1)
    first = [augmix(image) for _ in range(4)]
    torch.manual_seed(1)
    assert all(torch.equal(a, augmix(image)) for a in first)
    assert len({tuple(view.flatten().tolist()) for view in first}) == 4


def test_drops_into_compose_and_leaves_labels_alone() -> None:
    pipeline = v2.Compose(
        [v2.RandomHorizontalFlip(), AugMix(severity=1), v2.ToImage(), v2.ToDtype(torch.float32, True)]
    )
    image, label = pipeline(photograph(), 7)
    assert label == 7
    assert image.shape == (3, 40, 56)
    sample = AugMix()({"image": random_images(1)[0], "label": torch.tensor(3)})
    assert sample["label"] == 3


def test_pickles_and_shows_its_parameters() -> None:
    augmix = AugMix(width=2, depth=3, alpha=0.5, severity=1, all_ops=True)
    assert repr(augmix) == "AugMix(width=2, depth=3, alpha=0.5, severity=1, all_ops=True, geometry=True)"
    copy = pickle.loads(pickle.dumps(augmix))
    assert repr(copy) == repr(augmix)
    views = pickle.loads(pickle.dumps(AugMixViews(n=3, width=2)))
    assert "n=3" in repr(views)
    assert "width=2" in repr(views)


def test_views_are_the_clean_image_and_n_different_ones() -> None:
    image = photograph()
    views = AugMixViews(n=3, severity=5)(image)
    assert len(views) == 4
    assert views[0] is image
    assert len({view.tobytes() for view in views}) == 4
    tensors, label = AugMixViews()(random_images(2), 5)
    assert [view.shape for view in tensors] == [(2, 3, 32, 32)] * 3
    assert label == 5
    pipeline = v2.Compose([AugMixViews(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    assert all(view.dtype == torch.float32 for view in pipeline(image))


class OneImage(Dataset):
    """The same image over and over, so that only the randomness differs."""

    def __init__(self, transform: AugMix) -> None:
        self.image = random_images(1)[0]
        self.transform = transform

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(self.image)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_workers_draw_differently_and_reproducibly() -> None:
    augmix = AugMix()
    augmix(random_images(2))  # the parent has used it before it forks

    def epoch() -> torch.Tensor:
        torch.manual_seed(5)
        loader = DataLoader(OneImage(augmix), 2, num_workers=2, multiprocessing_context="fork", timeout=60)
        return torch.cat(list(loader))

    first = epoch()
    assert len(torch.unique(first.flatten(1), dim=0)) == 8
    assert torch.equal(first, epoch())


def test_works_in_spawned_workers() -> None:
    images = FakeData(4, (3, 32, 32), transform=v2.Compose([AugMix(), v2.PILToTensor()]))
    loader = DataLoader(images, 4, num_workers=1, multiprocessing_context="spawn", timeout=60)
    batch, _ = next(iter(loader))
    assert batch.shape == (4, 3, 32, 32)
    assert batch.dtype == torch.uint8


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"width": 0}, ValueError, "width must be at least 1"),
        ({"width": 2.5}, TypeError, "width must be an integer"),
        ({"depth": 0}, ValueError, r"depth must be -1 \(drawn from 1, 2, 3\) or at least 1, not 0"),
        ({"depth": -2}, ValueError, "depth must be -1"),
        ({"depth": "random"}, TypeError, "depth must be an integer"),
        ({"alpha": 0}, ValueError, r"alpha must be in \(0, 1e\+06\]"),
        ({"alpha": -1.0}, ValueError, "alpha must be in"),
        ({"alpha": math.nan}, ValueError, "alpha must be in"),
        ({"alpha": "1"}, TypeError, "alpha must be a number"),
        ({"severity": 11}, ValueError, r"severity must be in \(0, 10\], not 11"),
        ({"severity": 0}, ValueError, "severity must be in"),
        ({"severity": True}, TypeError, "severity must be a number"),
        ({"all_ops": "no"}, TypeError, "all_ops must be True or False"),
    ],
)
def test_refuses_bad_parameters(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    for make in (AugMix, AugMixViews):
        with pytest.raises(error, match=message):
            make(**parameters)


def test_refuses_a_bad_number_of_views() -> None:
    with pytest.raises(ValueError, match="n must be at least 1"):
        AugMixViews(n=0)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (random_images(1)[0].float(), ValueError, r"must lie in \[0, 1\], got 0 to 255: augment before normalising"),
        (random_images(1)[0] / 255 * float("nan"), ValueError, r"must lie in \[0, 1\], got nan"),
        (random_images(1)[0] / 255 * 1.01, ValueError, r"must lie in \[0, 1\], got 0 to 1.0"),
        (random_images(1)[0].int(), TypeError, "images must be uint8"),
        (random_images(1, 2)[0], ValueError, "C = 1 or 3"),
        (random_images(1, 5)[0], ValueError, "C = 1 or 3"),
        (random_images(1)[:0], ValueError, "none of them empty"),
        (random_images(1)[0, 0], ValueError, "images must have shape"),
        (random_images(1)[0].numpy(), TypeError, "image must be a PIL image, .* got ndarray"),
        ("photo.jpg", TypeError, "image must be a PIL image, .* got str"),
        (photograph("RGBA"), ValueError, "mode L or RGB, got RGBA"),
        (Image.new("RGB", (0, 5)), ValueError, "none of them empty"),
        (photograph("P"), ValueError, "mode L or RGB, got P: use image.convert"),
        (photograph("I;16"), ValueError, r"got I;16: take its upper eight bits, .*\(image\) >> 8"),
        (Image.new("I;16B", (9, 9)), ValueError, "got I;16B: take its upper eight bits"),
        (photograph("I"), ValueError, r"got I: scale its values to \[0, 255\]"),
        (photograph("F"), ValueError, r"got F: scale its values to \[0, 255\]"),
        ((photograph(), tv_tensors.Mask(torch.zeros(40, 56))), TypeError, "the sample holds Mask"),
        (
            {"deep": [{"image": photograph()}, (tv_tensors.KeyPoints(torch.zeros(2, 2), canvas_size=(40, 56)),)]},
            TypeError,
            "the sample holds KeyPoints",
        ),
        (tv_tensors.Video(torch.zeros(0, 3, 8, 8, dtype=torch.uint8)), ValueError, "a video must be .* with frames"),
    ],
)
@pytest.mark.parametrize("transform", [AugMix(), AugMixViews()])
def test_refuses_what_it_cannot_augment(
    image: Any, error: type[Exception], message: str, transform: v2.Transform
) -> None:
    with pytest.raises(error, match=message):
        transform(image)


@pytest.mark.parametrize("leading", [(), (3,)], ids=["video", "videos"])
def test_all_frames_of_a_video_are_augmented_alike(leading: tuple[int, ...]) -> None:
    frame = random_images(1)[0]
    video = tv_tensors.Video(frame.expand(*leading, 5, *frame.shape).contiguous())
    torch.manual_seed(0)
    augmented = AugMix(severity=10)(video)
    assert isinstance(augmented, tv_tensors.Video)
    assert augmented.shape == video.shape
    clips = augmented.reshape(-1, 5, *frame.shape)
    assert all(torch.equal(clip, clip[:1].expand_as(clip)) for clip in clips)
    assert len({clip.numpy().tobytes() for clip in clips}) == len(clips)
    assert not torch.equal(clips[0, 0], frame)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_float_images_have_the_mix_of_their_uint8_and_are_not_rounded(dtype: torch.dtype) -> None:
    images = random_images(4)
    torch.manual_seed(3)
    as_float = AugMix()((images / 255).to(dtype))
    torch.manual_seed(3)
    seed = transform._draw_seed()
    augmix = AugMix()
    expected = apply(images, augmix.sample(4, SIZE, np.random.default_rng(seed))) / 255
    assert as_float.dtype == dtype
    torch.testing.assert_close(as_float, expected.to(dtype))


def test_a_default_device_changes_no_view() -> None:
    images = random_images(4)
    torch.manual_seed(3)
    expected = AugMixViews()(images)
    torch.manual_seed(3)
    with torch.device("meta"):  # as `torch.set_default_device("cuda")` for all that a loader's workers do
        found = AugMixViews()(images)
        assert not staging((2,), torch.device("cpu")).is_meta
    assert all(map(torch.equal, found, expected))


def test_without_geometry_nothing_moves_and_masks_stay_as_they_are() -> None:
    image = torch.zeros(3, 32, 32, dtype=torch.uint8)
    image[:, 8:20, 10:16] = 200
    mask = tv_tensors.Mask(image[0] > 0)
    sample = {"image": tv_tensors.Image(image), "mask": mask, "label": 3}
    for _ in range(20):
        augmented = AugMix(geometry=False, severity=10, all_ops=True, depth=1)(sample)
        assert augmented["mask"] is mask
        inside = augmented["image"][:, 9:19, 11:15]
        assert (inside == inside[:, :1, :1]).all()  # what was of one grey still is: no edge came in
    ids = AugMix(geometry=False).sample(500, SIZE, rng()).operations
    assert not np.isin(ids, operations.GEOMETRIC).any()
    moved = {operations.OPERATIONS[id].name for id in operations.GEOMETRIC}
    assert moved == {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}
    views = AugMixViews(geometry=False)(sample)
    assert len(views["image"]) == 3
    assert views["mask"] is mask


def test_a_mask_beside_what_is_no_image_is_refused_also_without_geometry() -> None:
    mask = tv_tensors.Mask(torch.zeros(40, 56))
    for augmix in (AugMix(geometry=False), AugMixViews(geometry=False)):
        with pytest.raises(TypeError, match=r"image must be a PIL image, .* got Mask, ndarray"):
            augmix({"image": np.asarray(photograph()), "mask": mask})


def test_float_images_may_be_off_by_what_rounding_takes_away() -> None:
    """Interpolation gives values such as 1.0000001."""
    images = random_images(2).clamp(1, 254) / 255
    images[:, :, 0], images[:, :, 1] = 1 + 1e-6, -1e-6
    torch.manual_seed(0)
    found = AugMix()(images)
    torch.manual_seed(0)
    assert torch.equal(found, AugMix()(images.clamp(0, 1)))


def test_torch_compile_goes_round_it() -> None:
    """In a process that has not called the kernels yet, dynamo would trace Numba's compiler."""
    code = """
import numpy as np, torch
from augmix import AugMix, AugMixViews, mixing, operations

images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
plan_of = lambda: AugMix().sample(2, (8, 8), np.random.default_rng(0))
for function in (
    AugMix(),
    lambda images: AugMixViews(n=1)(images)[1].float() / 255 + 1,
    lambda images: mixing.apply(images, plan_of()) + mixing.apply_chain(images, plan_of()),
    lambda images: operations.apply("invert", images) / 2 + operations.apply("rotate", images, 9.0),
):
    torch.manual_seed(1)
    compiled = torch.compile(function, backend="eager")(images)
    torch.manual_seed(1)
    assert torch.equal(compiled, function(images))
"""
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True)
