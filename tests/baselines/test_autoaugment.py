"""AutoAugment: the published policies, sampled with the published frequencies; each operation equal to Pillow's."""

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor, nn
from torchvision.transforms import autoaugment as torchvisions

from augmix import operations
from augmix.errors import UserError
from baselines import autoaugment
from baselines.autoaugment import REMOVED, Policy, read_policy, sample

NAMES = list(operations.IDS)
TABLES = {
    name: torchvisions.AutoAugment(policy).policies
    for name, policy in (
        ("cifar10", torchvisions.AutoAugmentPolicy.CIFAR10),
        ("imagenet", torchvisions.AutoAugmentPolicy.IMAGENET),
    )
}


def steps(policy: Policy) -> list[list[tuple[str, float, float]]]:
    arrays = (policy.operations, policy.probabilities, policy.magnitudes)
    return [[(NAMES[i], p, m) for i, p, m in zip(*row, strict=True)] for row in zip(*arrays, strict=True)]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("full", [False, True])
def test_tables_are_the_published_ones(name: str, full: bool) -> None:
    ours = steps(read_policy(name, full))
    assert len(ours) == len(TABLES[name]) == 25
    for sub_policy, published in zip(ours, TABLES[name], strict=True):
        for (operation, probability, magnitude), (title, p, m) in zip(sub_policy, published, strict=True):
            removed = title.lower() in REMOVED and not full
            assert operation == ("identity" if removed else operation)
            assert removed or operation.replace("_", "") == title.lower()
            assert probability == p
            assert magnitude == (0 if removed or m is None else m)


def test_nothing_that_overlaps_with_the_corruptions_is_left() -> None:
    for name in TABLES:
        left = {operation for sub_policy in steps(read_policy(name)) for operation, _, _ in sub_policy}
        assert not left & set(REMOVED)
        assert "identity" in left


def test_a_policy_by_hand() -> None:
    """Sub-policy 3 of CIFAR-10: shear_y with 0.5 at 8, then translate_y with 0.7 at 9."""
    policy = read_policy("cifar10")
    only = Policy(policy.operations[3:4], policy.probabilities[3:4], policy.magnitudes[3:4], scale="autoaugment")
    ids, parameters = sample(only, 20_000, (32, 32), np.random.default_rng(0))
    shear, translation = ids[:, 0] == operations.IDS["shear_y"], ids[:, 1] == operations.IDS["translate_y"]
    assert abs(shear.mean() - 0.5) < 0.016
    assert abs(translation.mean() - 0.7) < 0.015
    assert abs((shear & translation).mean() - 0.35) < 0.016
    assert set(np.round(parameters[shear, 0], 12)) == {-0.24, 0.24}
    assert set(parameters[translation, 1]) == {-9, 9}
    assert abs((parameters[translation, 1] > 0).mean() - 0.5) < 0.02


def test_sub_policies_are_equally_likely() -> None:
    policy = Policy(np.arange(1, 6)[:, None], np.ones((5, 1)), np.ones((5, 1)), scale="autoaugment")
    ids, _ = sample(policy, 10_000, (32, 32), np.random.default_rng(0))
    counts = np.bincount(ids[:, 0], minlength=6)[1:]
    assert (abs(counts - 2000) < 4.5 * np.sqrt(2000 * 0.8)).all()


def pillow(image: Image.Image, name: str, level: float, sign: int) -> Image.Image:
    """One operation as the authors' released code for CIFAR-10 writes it, with our fill and resampling."""
    fill, bilinear, affine = (128, 128, 128), Image.Resampling.BILINEAR, Image.Transform.AFFINE
    pixels = sign * int(level * 10 / 10)
    shear = sign * level * 0.3 / 10
    matrices = {
        "shear_x": (1, shear, 0, 0, 1, 0), "shear_y": (1, 0, 0, shear, 1, 0),
        "translate_x": (1, 0, pixels, 0, 1, 0), "translate_y": (1, 0, 0, 0, 1, pixels),
    }  # fmt: skip
    if name in matrices:
        return image.transform(image.size, affine, matrices[name], bilinear, fillcolor=fill)
    match name:
        case "rotate":
            return image.rotate(sign * int(level * 30 / 10), bilinear, fillcolor=fill)
        case "posterize":
            return ImageOps.posterize(image, 4 - int(level * 4 / 10))
        case "solarize":
            return ImageOps.solarize(image, 256 - int(level * 256 / 10))
        case "autocontrast" | "equalize" | "invert":
            return getattr(ImageOps, name)(image)
        case "identity":
            return image
    return getattr(ImageEnhance, name.capitalize())(image).enhance(level * 1.8 / 10 + 0.1)


def test_images_are_what_pillow_makes_of_them(images: Tensor, labels: Tensor) -> None:
    """Every operation of both policies at every magnitude they use, on 32×32."""
    used = {step for name in TABLES for sub in steps(read_policy(name, full=True)) for step in sub}
    seen = set()
    for seed, (operation, _, magnitude) in enumerate(sorted(used)):
        one = Policy(operations.ids([operation])[None], np.ones((1, 1)), np.array([[magnitude]]), scale="autoaugment")
        [view] = autoaugment.augmented(images, labels, nn.Identity(), np.random.default_rng(seed), policy=one)
        assert view.dtype == torch.uint8
        for before, after in zip(images[:6], view[:6], strict=True):
            original = Image.fromarray(before.permute(1, 2, 0).contiguous().numpy())
            results = [np.asarray(pillow(original, operation, magnitude, sign)).transpose(2, 0, 1) for sign in (1, -1)]
            assert any(np.array_equal(after.numpy(), result) for result in results), (operation, magnitude)
        seen.add(operation)
    assert seen == set(NAMES) - {"identity"}


def test_imagenets_policy_has_the_magnitudes_of_its_authors_code_for_tpus() -> None:
    """Parameters are int(level / 10 · 4) bits, a threshold of int(level / 10 · 256) and level / 10 · 30 degrees."""
    policy = read_policy("imagenet", full=True)
    ids, parameters = sample(policy, 20_000, (224, 224), np.random.default_rng(0))
    found = {NAMES[i]: set(np.round(parameters[ids == i], 12).tolist()) for i in np.unique(ids)}
    assert found["posterize"] == {2, 3}  # at 5, 6 and 7; at 8
    assert found["solarize"] == {76, 102, 128, 179, 204}  # at 3, 4, 5, 7 and 8
    assert found["rotate"] == {-27, -24, -9, 9, 24, 27}
    assert found["shear_x"] == {-0.15, 0.15}
    assert found["color"] == {0.1, 0.46, 0.82, 1.54}
    assert found["contrast"] == {1.54}
    assert found["sharpness"] == {1.36}
    assert all(found[name] == {0} for name in ("autocontrast", "equalize", "invert", "identity"))


@pytest.mark.parametrize("level", [0.0, 0.5, 2.4, 2.5, 4.9, 7.4, 9.9, 10.0])
def test_every_level_of_the_code_for_tpus(level: float) -> None:
    names = ["posterize", "solarize", "rotate", "shear_y", "translate_x", "translate_y", "brightness"]
    ids = operations.ids(names)
    one = Policy(ids[None], np.ones((1, 7)), np.full((1, 7), level), "autoaugment_imagenet")
    _, parameters = sample(one, 200, (64, 48), np.random.default_rng(0))
    bits, threshold, *signed, factor = parameters.T
    assert set(bits) == {max(int(level / 10 * 4), 1)}
    assert set(threshold) == {int(level / 10 * 256)}
    for values, most in zip(signed, (30, 0.3, 250, 250), strict=True):
        assert set(np.round(values, 9)) == {round(sign * level / 10 * most, 9) + 0.0 for sign in (-1, 1)}
    np.testing.assert_allclose(factor, level / 10 * 1.8 + 0.1)


def test_imagenets_policy_with_cifars_magnitudes() -> None:
    ids, parameters = sample(
        read_policy("imagenet", magnitudes="autoaugment"), 20_000, (224, 224), np.random.default_rng(0)
    )
    assert set(parameters[ids == operations.IDS["posterize"]]) == {1, 2}  # 4 − int(3.2); 4 − int(2.8, 2.4 and 2)
    assert set(parameters[ids == operations.IDS["solarize"]]) == {52, 77, 128, 154, 180}
    assert read_policy("cifar10").scale == "autoaugment"
    with pytest.raises(ValueError, match="unknown magnitudes 'fast_autoaugment'; did you mean 'autoaugment'"):
        autoaugment.method(policy="imagenet", magnitudes="fast_autoaugment")


def test_the_released_list_has_95_sub_policies_of_which_20_are_the_papers() -> None:
    policy = read_policy("cifar10_released")
    assert policy.scale == "autoaugment"
    ours = steps(policy)
    assert [len(sub_policy) for sub_policy in ours] == [2] * 95
    paper = steps(read_policy("cifar10"))
    assert [i for i, sub_policy in enumerate(paper) if sub_policy not in ours] == [15, 16, 17, 18, 19]
    assert ours[:5] == paper[:5]
    # Every magnitude is one of ten levels, every probability a tenth.
    assert set(policy.magnitudes.flat) <= set(range(10))
    np.testing.assert_array_equal(policy.probabilities, np.round(policy.probabilities, 1))
    with pytest.raises(UserError, match="cutout cannot be kept"):
        read_policy("cifar10_released", full=True)


def test_two_operations_follow_one_another(images: Tensor, labels: Tensor) -> None:
    ids = np.array([[operations.IDS["invert"], operations.IDS["posterize"]]])
    policy = Policy(ids, np.ones((1, 2)), np.array([[0.0, 5.0]]), scale="autoaugment")
    [view] = autoaugment.augmented(images, labels, nn.Identity(), np.random.default_rng(0), policy=policy)
    assert torch.equal(view, (255 - images) & 0b11000000)


def write(folder: Path, content: object) -> str:
    path = folder / "policy.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content, default_flow_style=None))
    return str(path)


def test_a_fast_autoaugment_policy(tmp_path: Path) -> None:
    """Names and numbers as its authors' code prints them: level · (high − low) + low."""
    table = [
        [["ShearX", 1.0, 0.9], ["Posterize", 1.0, 0.4]],
        [["TranslateY", 1.0, 0.1], ["Solarize", 1, 0.25]],
        [["Rotate", 1.0, 0.75], ["Color", 1.0, 0.5], ["AutoContrast", 1.0, 0.3]],
    ]
    path = write(tmp_path, {"magnitudes": "fast_autoaugment", "policy": table})
    ids, parameters = sample(read_policy(path, full=True), 300, (20, 40), np.random.default_rng(0))
    expected = {
        "shear_x": {-0.24, 0.24}, "posterize": {5}, "translate_y": {-7.2, 7.2}, "solarize": {64}, "rotate": {-15, 15},
        "color": {1.0}, "autocontrast": {0}, "identity": {0},
    }  # fmt: skip
    found = {NAMES[i]: set(np.round(parameters[ids == i], 9) + 0.0) for i in np.unique(ids)}
    assert found == expected
    ids, _ = sample(read_policy(path), 300, (20, 40), np.random.default_rng(0))
    assert operations.IDS["color"] not in ids


def test_fast_autoaugments_list_for_cifar() -> None:
    policy = read_policy("fast_autoaugment_cifar10")
    assert policy.scale == "fast_autoaugment"
    assert [len(sub_policy) for sub_policy in steps(policy)] == [2] * 493
    assert steps(policy)[0] == [("identity", 0.8321, 0), ("translate_x", 0.4185, 0.394)]
    # Probabilities and magnitudes were searched for over the whole of [0, 1].
    for numbers in (policy.probabilities, policy.magnitudes[np.isin(policy.operations, operations.AUGMIX[2:])]):
        assert abs(numbers.mean() - 0.5) < 0.05
        assert numbers.min() < 0.02
        assert numbers.max() > 0.98
    assert {name for sub_policy in steps(policy) for name, _, _ in sub_policy} == set(NAMES) - set(REMOVED)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"policy": [[["invert", 1, 0]]]}, "a policy file says `magnitudes:`"),
        (
            {"magnitudes": "mine", "policy": [[["invert", 1, 0]]]},
            r"\(autoaugment, autoaugment_imagenet, fast_autoaugment\)",
        ),
        ({"magnitudes": ["autoaugment"], "policy": [[["invert", 1, 0]]]}, "a policy file says `magnitudes:`"),
        ({"magnitudes": "autoaugment", "policy": []}, "policy must be a list of sub-policies"),
        ({"magnitudes": "autoaugment", "policy": [["invert", 1, 0]]}, "written .name, probability, magnitude., not"),
        ("magnitudes: autoaugment\npolicy:\n- [[invrt, 1, 0]]\n", r"policy.yaml:3: .* 'invrt'; did you mean 'invert'"),
        ({"magnitudes": "autoaugment", "policy": [[["invert", 1.2, 0]]]}, r"probability of invert is 1.2; .*\[0, 1\]"),
        ({"magnitudes": "autoaugment", "policy": [[["rotate", 1, 11]]]}, r"magnitude of rotate is 11; .*\[0, 10\]"),
        ({"magnitudes": "fast_autoaugment", "policy": [[["rotate", 1, 5]]]}, r"is 5; it must be in \[0, 1\]"),
        ({"magnitudes": "autoaugment", "policy": [[["cutout", 1, 5]]]}, "cutout cannot be kept"),
    ],
)
def test_faults_in_a_file_are_named_with_their_line(tmp_path: Path, content: object, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_policy(write(tmp_path, content), full=True)


def test_a_policy_that_is_not_there_is_refused() -> None:
    known = "cifar10, cifar10_released, fast_autoaugment_cifar10, imagenet"
    with pytest.raises(ValueError, match=rf"policy must be {known} or a YAML file, .* 'cifar11'"):
        autoaugment.method(policy="cifar11")
    with pytest.raises(TypeError, match="full must be True or False"):
        autoaugment.method(full=1)  # type: ignore[arg-type]
