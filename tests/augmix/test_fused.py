"""The fused kernels have the bits of the compiled ones: interpreted, compiled for a GPU, and on a GPU where one is."""

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from augmix import AugMix, mixing, operations
from augmix.operations import compiled, executors
from tests.augmix.operation_cases import parameters_of, synthetic, wrong, wrong_parameters, wrong_values

pytest.importorskip("triton", reason="Triton is not installed")
from augmix.operations import launch
from augmix.operations.launch import Variant

VARIANTS = [Variant(1024, True), Variant(1024, False), Variant(0, True)]


@pytest.mark.slow
def test_the_interpreter_gives_the_same_bits() -> None:
    command = [sys.executable, "-m", "tests.augmix.interpreted"]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{}\n"


@pytest.fixture(scope="module")
def assembler() -> Any:
    """The compiler of the kernels for a GPU."""
    try:
        from tests.augmix import assembled

        assembled.text("begin", launch.TILE, True, assembled.HOPPER)
    except Exception as error:
        pytest.skip(f"Triton does not compile here ({type(error).__name__}: {error})")
    return assembled


@pytest.fixture(scope="module")
def machine(assembler: Any) -> Any:
    """A stand-in for the kernels where there is no GPU, with all that it has compiled."""
    return assembler.kernels()


@pytest.fixture
def on_machine(machine: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(launch, "fused", machine)
    return launch


@pytest.mark.parametrize("name", operations.IDS)
def test_what_a_gpu_would_run_gives_the_same_bits(name: str, on_machine: Any) -> None:
    for channels, size, count in (
        (3, (32, 32), 12),
        (1, (37, 41), 4),
        (3, (3, 3), 3),
        (1, (1, 5), 3),
        (3, (66, 65), 2),
    ):
        assert wrong_parameters(on_machine, name, channels, size, count) == [], size


@pytest.mark.parametrize(
    ("channels", "size", "count", "width", "depth"),
    [
        *((channels, (32, 32), 12, 3, -1) for channels in (1, 3)),
        *((channels, (70, 67), 2, 3, -1) for channels in (1, 3)),
        (3, (32, 32), 4, 1, 1),
        (3, (8, 8), 4, 4, 2),
        (1, (64, 64), 2, 2, 4),
        (1, (70, 67), 2, 2, 1),
        (3, (224, 224), 1, 2, 3),
    ],
)
def test_what_a_gpu_would_run_mixes_alike(
    channels: int, size: tuple[int, int], count: int, width: int, depth: int, on_machine: Any
) -> None:
    assert wrong_values(on_machine, channels, size, count, width, depth) == 0


def test_images_are_read_as_they_lie_and_many_at_a_time(on_machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "MEMORY", 2**15)  # three images of tiles at a time
    for size in ((20, 30), (70, 67)):
        images = torch.from_numpy(synthetic(7, 3, *size))
        laid = images.to(memory_format=torch.channels_last).flip(0)[::2]
        ids = operations.ids(["equalize", "rotate"])[None].repeat(4, 0)
        parameters = np.full((4, 2), 12.0)
        found = on_machine.chain(laid, ids, parameters, 7)
        assert torch.equal(found, compiled.chain(laid, ids, parameters, 7))


@pytest.mark.parametrize("name", ["shear_x", "shear_y", "translate_x", "translate_y", "rotate"])
def test_parameters_beyond_all_measure_give_what_they_give_on_the_cpu(name: str, on_machine: Any) -> None:
    parameters = np.array([1e4, -1e9, 3.5e12, -7e12, 360.0, -0.0])[:, None]
    images, ids = torch.from_numpy(synthetic(6, 3, 9, 14)), np.full((6, 1), operations.IDS[name])
    assert torch.equal(on_machine.chain(images, ids, parameters, 5), compiled.chain(images, ids, parameters, 5))


def test_chains_of_nothing_change_nothing(on_machine: Any) -> None:
    for size in ((8, 9), (70, 67)):
        images = torch.from_numpy(synthetic(2, 3, *size))
        assert torch.equal(on_machine.chain(images, np.zeros((2, 0), int), np.zeros((2, 0)), 0), images)
        assert torch.equal(on_machine.chain(images, np.zeros((2, 3), int), np.zeros((2, 3)), 0), images)


@pytest.mark.parametrize("arch", [80, 90])
@pytest.mark.parametrize(("name", "block", "mix"), [("whole", 1024, True), ("whole", 4096, False), ("finish", 0, True)])
def test_the_compiler_keeps_every_rounding(arch: int, name: str, block: int, mix: bool, assembler: Any) -> None:
    text = assembler.text(name, block or launch.TILE, mix, arch)
    assert "mul.rn.f64" in text
    assert not re.search(r"\bfma\b|\bmad\.\w+\.f|\.ftz|\.approx|\.full|ld\.global\.nc", text)
    # Without a mode of rounding the assembler might contract them yet.
    assert not re.search(r"\b(add|sub|mul)\.f(32|64)", text)


# The other variants' kernels run in the tests above.
@pytest.mark.parametrize("variant", [VARIANTS[0], *(pytest.param(v, marks=pytest.mark.nightly) for v in VARIANTS[1:])])
def test_the_kernels_prove_themselves(variant: Variant, on_machine: Any) -> None:
    assert executors._difference(torch.device("cpu"), variant, on_machine) is None


class Standin:
    """An executor that computes with the compiled kernels, unless a test puts something in their place."""

    def __init__(self, **changed: Callable[..., torch.Tensor]) -> None:
        self.chain: Any = changed.get("chain", compiled.chain)
        self.mix: Any = changed.get("mix", compiled.mix)
        self.variant = launch.variant


def one_off(*arguments: Any) -> torch.Tensor:
    found = compiled.chain(*arguments)
    found[-1, -1, -1, -1] ^= 1
    return found


def slightly_off(*arguments: Any) -> torch.Tensor:
    return compiled.mix(*arguments) + 1e-3


def too_old(*arguments: Any) -> torch.Tensor:
    raise RuntimeError("the driver is too old\nand so on")


IMAGES = torch.from_numpy(synthetic(4, 3, 16, 16))
ROTATIONS = operations.ids(["rotate"] * 4)[:, None], np.full((4, 1), 9.0)


def on_device(kind: str) -> Any:
    """Images that pass for those of another device, but lie in the host's memory."""
    return SimpleNamespace(
        is_cpu=False, is_cuda=kind == "cuda", device=torch.device("cpu" if kind == "cuda" else kind), shape=IMAGES.shape
    )


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Facts that are kept for a process are forgotten before the next test."""
    known = (executors._fused, executors._fault, executors._tell)  # a test's stand-ins may outlive the test
    for function in known:
        function.cache_clear()
    yield
    for function in known:
        function.cache_clear()


@pytest.mark.parametrize(
    ("mix", "changed", "message"),
    [
        (False, {"chain": one_off}, r"on cpu 1 of \d+ values differ"),
        (True, {"mix": slightly_off}, r"on cpu \d+ of \d+ values differ"),
        (False, {"chain": too_old}, r"does not run on cpu \(RuntimeError: the driver is too old\)$"),
    ],
)
def test_a_kernel_that_fails_is_not_used_and_one_line_says_so(
    mix: bool, changed: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin = Standin(**changed)
    monkeypatch.setattr(executors, "_fused", lambda: standin)
    with pytest.warns(UserWarning, match=f"^the image operations run on the CPU: .*{message}") as told:
        executor = executors.choose(on_device("cuda"), mix)
    assert len(told) == 1
    assert "\n" not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # not a second time
        assert executors.choose(on_device("cuda"), mix) is executor
    assert torch.equal(executor.chain(IMAGES, *ROTATIONS, 0), compiled.chain(IMAGES, *ROTATIONS, 0))
    # A kernel that is right is used all the same.
    assert executors.choose(on_device("cuda"), not mix) is standin


def test_a_kernel_proves_itself_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(images: torch.Tensor, *arguments: Any) -> torch.Tensor:
        calls.append(len(images))
        return compiled.chain(images, *arguments)

    standin = Standin(chain=counted)
    monkeypatch.setattr(executors, "_fused", lambda: standin)
    for _ in range(3):
        assert executors.choose(on_device("cuda"), mix=False) is standin
    assert len(calls) == 2  # grey and coloured


def test_a_full_device_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: Any) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    standin = Standin(chain=full)
    monkeypatch.setattr(executors, "_fused", lambda: standin)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        executors.choose(on_device("cuda"), mix=False)
    standin.chain = compiled.chain
    assert executors.choose(on_device("cuda"), mix=False) is standin


def test_without_triton_the_cpu_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "augmix.operations.launch", None)
    monkeypatch.delattr("augmix.operations.launch")
    with pytest.warns(UserWarning, match="run on the CPU: Triton does not start"):
        executor = executors.choose(on_device("cuda"), mix=True)
    ids, parameters = (array[:, None] for array in ROTATIONS)
    weights = np.full((4, 2), 0.5, np.float32)
    expected = compiled.mix(IMAGES, ids, parameters, weights)
    assert torch.equal(executor.mix(IMAGES, ids, parameters, weights), expected)


def test_a_device_without_a_kernel_takes_the_compiled_ones_with_a_word() -> None:
    with pytest.warns(UserWarning, match="run on the CPU: there is no kernel for mps"):
        executor = executors.choose(on_device("mps"), mix=False)
    assert torch.equal(executor.chain(IMAGES, *ROTATIONS, 0), compiled.chain(IMAGES, *ROTATIONS, 0))


@pytest.mark.cuda
@pytest.mark.parametrize("name", operations.IDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (32, 32), (37, 41), (64, 64), (224, 224), (1, 5)], ids="{0[0]}x{0[1]}".format)
def test_a_gpu_gives_the_same_bits(name: str, channels: int, size: tuple[int, int]) -> None:
    parameters = parameters_of(name)
    images = torch.from_numpy(synthetic(len(parameters), channels, *size))
    expected = operations.apply(name, images, parameters, fill=37)
    assert torch.equal(operations.apply(name, images.cuda(), parameters, fill=37).cpu(), expected)


@pytest.mark.cuda
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 32), (37, 41), (64, 64), (224, 224)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize(("width", "depth"), [(3, -1), (1, 1), (4, 2), (2, 5)])
def test_a_gpu_mixes_alike(channels: int, size: tuple[int, int], width: int, depth: int) -> None:
    augmix = AugMix(width=width, depth=depth, severity=10, all_ops=True)
    images = torch.from_numpy(synthetic(200, channels, *size))
    plan = augmix.sample(200, size, np.random.default_rng(0))
    mixed = mixing.apply(images.cuda(), plan).cpu()
    torch.testing.assert_close(mixed, mixing.apply(images, plan), rtol=0, atol=255e-6)
    torch.testing.assert_close(mixing.apply(images.cuda(), plan).cpu(), mixed, rtol=0, atol=0)


@pytest.mark.cuda
def test_a_gpu_is_not_waited_for_and_the_kernels_are_its_own() -> None:
    images = torch.from_numpy(synthetic(64, 3, 32, 32)).cuda()
    plan = AugMix().sample(64, (32, 32), np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(3):
                mixing.apply(images, plan)
                mixing.apply_chain(images, plan)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert executors.choose(images, mix=True) is launch


@pytest.mark.cuda
def test_a_gpu_gets_nothing_wrong_of_what_the_interpreter_tries() -> None:
    class There(SimpleNamespace):
        chain = staticmethod(lambda images, *rest: launch.chain(images.cuda(), *rest).cpu())
        mix = staticmethod(lambda images, *rest: launch.mix(images.cuda(), *rest).cpu())

    assert wrong(There) == {}
