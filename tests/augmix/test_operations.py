"""The operations equal Pillow's to the bit, wherever they are called from; `test_fused` is about those of a GPU."""

import gc
import io
import math
import multiprocessing
import os
import subprocess
import sys
import tarfile
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, current_thread, main_thread

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from augmix import AugMix, operations
from augmix.operations import compiled, kernels
from tests.augmix.operation_cases import parameters_of, synthetic

PHOTOGRAPHS = Path(__file__).parents[2].parent / "shared" / "data" / "cifar10-imagefolder.tar.gz"


def pillow(name: str, image: Image.Image, parameter: float, fill: int = 0) -> Image.Image:
    """The definition: what Pillow does."""
    colour = (fill,) * len(image.getbands()) if fill else None
    bilinear = Image.Resampling.BILINEAR
    affine = {
        "shear_x": (1, parameter, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, parameter, 1, 0),
        "translate_x": (1, 0, parameter, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, parameter),
    }
    if name in affine:
        return image.transform(image.size, Image.Transform.AFFINE, affine[name], bilinear, fillcolor=colour)
    match name:
        case "rotate":
            return image.rotate(parameter, bilinear, fillcolor=colour)
        case "posterize":
            return ImageOps.posterize(image, int(parameter))
        case "solarize":
            return ImageOps.solarize(image, parameter)  # type: ignore[arg-type]
        case "autocontrast" | "equalize" | "invert":
            return getattr(ImageOps, name)(image)
        case "identity":
            return image
    return getattr(ImageEnhance, name.capitalize())(image).enhance(parameter)


def to_pil(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[0] if len(image) == 1 else np.ascontiguousarray(image.transpose(1, 2, 0)))


def from_pil(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """128 real photographs, uint8 (N, 3, 32, 32)."""
    if not PHOTOGRAPHS.is_file():
        pytest.skip(f"{PHOTOGRAPHS} is not here")

    def decoded() -> Iterator[np.ndarray]:
        with tarfile.open(PHOTOGRAPHS) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name.endswith(".jpg") else None
                if file is not None:
                    yield from_pil(Image.open(io.BytesIO(file.read())).convert("RGB"))

    return np.stack(list(islice(decoded(), 128)))


def check(name: str, images: np.ndarray, parameters: np.ndarray, fill: int = 0) -> None:
    """Compare with Pillow, image by image, and name the parameters that differ."""
    ids = np.repeat(operations.ids([name]), len(images))[:, None]
    expected = [
        from_pil(pillow(name, to_pil(image), float(parameter), fill))
        for image, parameter in zip(images, parameters, strict=True)
    ]
    result = operations.chain(torch.from_numpy(images), ids, parameters[:, None], fill).numpy()
    differ = (result != np.stack(expected)).any((1, 2, 3))
    assert not differ.any(), f"differs at parameters {parameters[differ]}"


@pytest.mark.parametrize("name", operations.IDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(28, 28), (32, 32), (33, 45), (64, 64), (224, 224)], ids="{0[0]}x{0[1]}".format)
def test_equals_pillow(name: str, channels: int, size: tuple[int, int]) -> None:
    parameters = parameters_of(name)
    if size[0] > 64:
        parameters = np.random.default_rng(0).choice(parameters, 10)
    check(name, synthetic(len(parameters), channels, *size), parameters)


@pytest.mark.parametrize("name", operations.IDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_equals_pillow_on_photographs(name: str, channels: int, photographs: np.ndarray) -> None:
    parameters = np.resize(parameters_of(name), len(photographs))
    check(name, np.ascontiguousarray(photographs[:, :channels]), parameters)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"])
@pytest.mark.parametrize("channels", [1, 3])
def test_fills_with_grey(name: str, channels: int) -> None:
    parameters = parameters_of(name)
    check(name, synthetic(len(parameters), channels, 30, 37), parameters, fill=128)


@pytest.mark.parametrize("name", operations.IDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (2, 3), (3, 3)], ids="{0[0]}x{0[1]}".format)
def test_equals_pillow_on_tiny_images(name: str, size: tuple[int, int]) -> None:
    parameters = parameters_of(name)
    check(name, synthetic(len(parameters), 3, *size), parameters)


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y"])
def test_equals_pillow_where_steps_end_on_integers(name: str) -> None:
    fractions = [a / b for b in (2, 3, 10, 17, 40, 64, 254, 255) for a in (1, -3)]
    parameters = np.array([*fractions, 1e-16, -1e-13, 1e-9, 1 - 1e-12, -1e9, 3e12])
    check(name, synthetic(len(parameters), 3, 41, 37), parameters)


def test_integers_between_two_pixels_are_those_of_double_precision_or_in_doubt() -> None:
    first, second = (values.ravel().astype(np.uint32) for values in np.meshgrid(np.arange(256), np.arange(256)))
    halves, flat, words = (
        np.stack([first, second]),
        np.empty(first.size, np.uint32),
        np.empty((3, first.size), np.int32),
    )
    fractions = [numerator / 255 for numerator in range(15, 255, 15)]
    random = np.random.default_rng(0).random(12).tolist()
    for way in [*fractions, *(fraction + 1e-7 for fraction in fractions), *random, 1e-9, 1 - 1e-9]:
        words[1] = math.floor(way * 2**22 - 0.5)
        kernels._between_all(flat, 0, first.size, halves, words)
        exact = (first + (second.astype(float) - first) * way).astype(np.uint32)
        sure = words[0] == 0
        np.testing.assert_array_equal(flat[sure], exact[sure])
        assert sure.mean() > 0.5 or not 0.01 < way < 0.99


def test_single_precision_among_four_pixels_gives_double_precisions_value_or_doubt() -> None:
    rng = np.random.default_rng(0)
    sure = 0
    for _ in range(5000):
        nw, ne, sw, se = (int(value) for value in rng.integers(0, 256, 4))
        dy = rng.random()
        left, right = nw + (sw - nw) * dy, ne + (se - ne) * dy
        # One of the integers between, but for what decides about it.
        goal = rng.integers(math.floor(min(left, right)), math.ceil(max(left, right)) + 1)
        dx = (goal - left) / (right - left) + rng.choice([-1, 1]) * 10 ** rng.uniform(-9, -5) if left != right else 0.5
        if not 0 <= dx < 1:
            continue
        corners = np.array([nw, ne, sw, se], np.uint32)
        found, doubt = kernels._among(corners[0], corners[1], corners[2], corners[3], 0, np.float32(dx), np.float32(dy))
        upper, lower = nw + (ne - nw) * dx, sw + (se - sw) * dx
        assert doubt or found == int(upper + (lower - upper) * dy), (nw, ne, sw, se, dx, dy)
        sure += not doubt
    assert sure > 100


def everything_on_tiny_images() -> str:
    found = []
    for name in operations.IDS:
        parameters = parameters_of(name)[::8]
        images = torch.from_numpy(synthetic(len(parameters), 3, 4, 5))
        found.append(operations.apply(name, images, parameters, 9).numpy().tobytes())
    torch.manual_seed(0)
    found.append(AugMix(all_ops=True)(images).numpy().tobytes())
    return str(found)


@pytest.mark.slow
def test_the_kernels_run_without_numba_too() -> None:
    module = "tests.augmix.test_operations"
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error::RuntimeWarning",
            "-c",
            f"import {module}; print({module}.everything_on_tiny_images())",
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == everything_on_tiny_images()


def test_chain_applies_each_images_operations_in_order() -> None:
    images = torch.from_numpy(synthetic(4, 3, 20, 24))
    names = [("rotate", "equalize"), ("equalize", "rotate"), ("identity", "invert"), ("identity", "identity")]
    ids = np.array([operations.ids(pair) for pair in names])
    result = operations.chain(images, ids, np.full((4, 2), 15.0))
    for i, pair in enumerate(names):
        expected = images[i : i + 1]
        for name in pair:
            expected = operations.apply(name, expected, 15.0)
        assert torch.equal(result[i : i + 1], expected)
    assert not torch.equal(
        operations.chain(images[:1], ids[:1], np.full((1, 2), 15.0)),
        operations.chain(images[:1], ids[1:2], np.full((1, 2), 15.0)),
    )


def test_apply_takes_one_parameter_or_one_for_each_image() -> None:
    images = torch.from_numpy(synthetic(3, 3, 16, 16))
    one = operations.apply("rotate", images, 20)
    assert torch.equal(one, operations.apply("rotate", images, torch.tensor([20.0, 20.0, 20.0])))
    mixed = operations.apply("rotate", images, [20, 0, 20])
    assert torch.equal(mixed[0], one[0])
    assert torch.equal(mixed[1], images[1])


def test_reads_any_memory_layout_and_leaves_the_input_alone() -> None:
    images = torch.from_numpy(synthetic(6, 3, 17, 21))
    before = images.clone()
    expected = operations.apply("shear_x", images, 0.3)
    assert torch.equal(operations.apply("shear_x", images.to(memory_format=torch.channels_last), 0.3), expected)
    assert torch.equal(operations.apply("shear_x", images.flip(0)[::2], 0.3), expected.flip(0)[::2])
    operations.apply("invert", images)
    assert torch.equal(images, before)


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_rotations_are_rounded_to_the_decimals_that_python_rounds_to() -> None:
    degrees = np.concatenate([np.arange(-720, 720, 0.25), np.random.default_rng(0).uniform(-400, 400, 100_000)])
    found = np.array([kernels._matrix(operations.IDS["rotate"], angle, 20, 30) for angle in degrees])
    angles = [-math.radians(angle % 360.0) for angle in degrees.tolist()]
    cosines, sines = (np.array([round(f(angle), 15) for angle in angles]) for f in (math.cos, math.sin))
    expected = [cosines, sines, -15 * cosines - 10 * sines + 15, -sines, cosines, 15 * sines - 10 * cosines + 10]
    np.testing.assert_array_equal(found, np.stack(expected, axis=1))
    whole = [kernels._turn(float(angle)) for angle in range(-kernels._CIRCLE, kernels._CIRCLE + 1)]
    np.testing.assert_array_equal(kernels._TURNS, whole)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
@pytest.mark.usefixtures("two_threads")
def test_threads_do_not_change_the_result(count: int) -> None:
    images = torch.from_numpy(synthetic(count, 3, 32, 32))
    two = operations.apply("rotate", images, np.linspace(-30, 30, count))
    torch.set_num_threads(1)
    assert torch.equal(operations.apply("rotate", images, np.linspace(-30, 30, count)), two)


@pytest.mark.usefixtures("two_threads")
def test_calls_side_by_side_keep_their_results_apart() -> None:
    images = torch.from_numpy(synthetic(100, 3, 32, 32))
    degrees = [-20.0, -5.0, 5.0, 20.0]
    expected = [operations.apply("rotate", images, angle) for angle in degrees]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            found = pool.map(lambda angle: operations.apply("rotate", images, angle), degrees)
            assert all(map(torch.equal, found, expected))


@pytest.mark.usefixtures("two_threads")
def test_an_error_in_another_thread_is_raised_and_what_it_held_is_let_go() -> None:
    images, reached = np.zeros((100, 3, 32, 32), np.uint8), Event()

    def kernel(images: np.ndarray, start: int, stop: int) -> None:
        if current_thread() is main_thread():
            assert reached.wait(30)
        else:
            reached.set()
            raise MemoryError("no room")

    held = weakref.ref(images)
    with pytest.raises(MemoryError, match="no room"):
        compiled._run(kernel, images)
    del images
    gc.collect()
    for _ in range(300):
        if held() is None:
            break
        time.sleep(0.01)
    assert held() is None, "an idle thread holds the images"


def rotate_and_send(images: torch.Tensor, connection: Connection) -> None:
    connection.send(operations.apply("rotate", images, 20.0).numpy())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.usefixtures("two_threads")
def test_works_in_a_forked_process_after_use_in_its_parent() -> None:
    images = torch.from_numpy(synthetic(100, 3, 32, 32))
    expected = operations.apply("rotate", images, 20.0).numpy()
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=rotate_and_send, args=(images, sender))
    child.start()
    try:
        assert receiver.poll(30), "the forked process hangs"
        assert np.array_equal(receiver.recv(), expected)
        child.join(30)
        assert child.exitcode == 0
    finally:
        child.kill()
    assert np.array_equal(operations.apply("rotate", images, 20.0).numpy(), expected)


IMAGES = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("name", "images", "parameter", "error", "message"),
    [
        ("blur", IMAGES, 0, ValueError, "operation 'blur'"),
        ("rotate", IMAGES.float(), 0, TypeError, "images must be uint8"),
        ("rotate", IMAGES.numpy(), 0, TypeError, "images must be a uint8 tensor"),
        ("rotate", IMAGES[:, :2], 0, ValueError, r"images must have shape \(N, C, H, W\)"),
        ("rotate", torch.zeros(2, 5, 8, 8, dtype=torch.uint8), 0, ValueError, "C = 1 or 3"),
        ("rotate", IMAGES[0], 0, ValueError, "images must have shape"),
        ("rotate", IMAGES[:0], 0, ValueError, "images must have shape"),
        ("rotate", IMAGES[..., :0], 0, ValueError, "images must have shape"),
        ("rotate", IMAGES, [1, 2, 3], ValueError, "parameter must be one number or 2"),
        ("rotate", IMAGES, "left", TypeError, "parameter must be one number or 2, got 'left'"),
        ("rotate", IMAGES, float("nan"), ValueError, "parameters must be finite, got nan"),
        ("posterize", IMAGES, 0, ValueError, "posterize must be 1 to 8 bits"),
        ("posterize", IMAGES, [8, 9], ValueError, "posterize must be 1 to 8 bits, got 9"),
    ],
)
def test_refuses_bad_input(
    name: str, images: torch.Tensor, parameter: object, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        operations.apply(name, images, parameter)


def test_refuses_a_bad_fill_and_bad_plans() -> None:
    with pytest.raises(ValueError, match="fill must be 0 … 255"):
        operations.apply("rotate", IMAGES, 3, fill=256)
    with pytest.raises(ValueError, match=r"operations must have shape \(2, depth\)"):
        operations.chain(IMAGES, np.zeros((3, 1)), np.zeros((3, 1)))
    with pytest.raises(ValueError, match=r"parameters must have shape \(2, depth\)"):
        operations.chain(IMAGES, np.zeros((2, 2)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="operations must be ids"):
        operations.chain(IMAGES, np.full((2, 1), len(operations.OPERATIONS)), np.zeros((2, 1)))
    with pytest.raises(IndexError):
        operations.parameters(np.array([len(operations.OPERATIONS)]), np.ones(1), np.array([0]), (8, 8))
    with pytest.raises(ValueError, match=r"weights must have shape \(2, chains \+ 1\)"):
        operations.mix(IMAGES, np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"operations must have shape \(2, 2, depth\)"):
        operations.mix(IMAGES, np.zeros((2, 3, 1)), np.zeros((2, 3, 1)), np.ones((2, 3)))
