"""Functions are replayed as they would be called, to the bit: steps of every net and method, draws, last batches."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augmix import methods, models
from augmix.graphs import CaptureError, CudaCapture, Graphs, recording, replayed
from augmix.registry import method_names, module_names
from augmix.suite.train.optimizers import make_optimizer, set_rate
from augmix.suite.train.training import training_step
from tests.augmix.tape import on_tape

PACKAGES = ["baselines", "ablations"]
RECIPE = {
    "learning_rate": 0.1, "weight_decay": 5e-4, "momentum": 0.9, "nesterov": True, "optimizer": "sgd",
}  # fmt: skip
ADAMW = {**RECIPE, "optimizer": "adamw", "learning_rate": 1e-3}


def refuse(line: str) -> None:
    pytest.fail(line)


def trained(
    recorder: Graphs | None,
    architecture: str,
    method: str,
    recipe: dict[str, Any],
    side: int = 32,
    counts: Sequence[int] = (4, 4, 3, 4, 3),
    device: str = "cpu",
) -> Any:
    """Take steps of so many images; the weights, momenta and figures."""
    torch.manual_seed(0)
    net = models.Normalised(models.build(architecture, 4)).to(device)
    optimizer = make_optimizer(net, recipe, replayed=True)
    made = methods.build({"name": method, "preset": method, "parameters": {}}, PACKAGES)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, side, side), np.uint8)).to(device)
    figures: list[Tensor] = []
    with recording(recorder):
        for step, count in enumerate(counts):
            torch.manual_seed(step)
            set_rate(optimizer, recipe["learning_rate"] / (step + 1))
            batch, labels = images[:count], torch.arange(count, device=device)
            figures += training_step(net, made, optimizer, batch, labels, 4, np.random.default_rng(step))
    momenta = [value for state in optimizer.state.values() for value in state.values()]
    return [*net.state_dict().values(), *momenta, *figures]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("method", [name for name in method_names(PACKAGES) if name != "stylized_imagenet"])
def test_every_method_is_replayed_to_the_bit(method: str) -> None:
    recorder = Graphs(on_tape, refuse)
    assert same(trained(recorder, "smallnet", method, RECIPE), trained(None, "smallnet", method, RECIPE))
    # A step of either size, and the attack of either.
    assert len(recorder._recorded) == (4 if method in ("adversarial", "augmax") else 2)


# These are large, and have no operation that a net of their family lacks; ViT-B/16 has 86 million weights.
LARGE = ("densenet", "resnet50", "vit_b16")


@pytest.mark.parametrize("name", [name for name in module_names("augmix.models") if name not in LARGE])
def test_every_net_is_replayed_to_the_bit(name: str) -> None:
    recorder = Graphs(on_tape, refuse)
    recipe, side = ADAMW if name == "vit" else RECIPE, 64 if name.startswith("resnet50") else 32
    given = (name, "standard", recipe, side, (2, 2, 2))
    assert same(trained(recorder, *given), trained(None, *given))


@pytest.mark.parametrize("method", ["standard", "adversarial"])
def test_dropout_draws_anew_in_each_replay_and_in_an_attack(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(name: str, classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(3 * 32 * 32, classes))

    monkeypatch.setattr(models, "build", build)
    still = {**RECIPE, "learning_rate": 0.0}
    with_dropout = trained(Graphs(on_tape, refuse), "dropping", method, still, counts=(4, 4, 4))
    assert same(with_dropout, trained(None, "dropping", method, still, counts=(4, 4, 4)))
    losses = with_dropout[-6::2]
    assert len({loss.item() for loss in losses}) == 3


def double(value: Tensor) -> tuple[Tensor]:
    return (2 * value,)


def test_inputs_are_copied_and_outputs_are_ones_own() -> None:
    given = torch.ones(3)
    with recording(Graphs(on_tape, refuse)):
        [one] = replayed("double", double, given)
        given.fill_(5)
        [two] = replayed("double", double, torch.full((3,), 2.0))
        [transposed] = replayed("double", double, torch.arange(4.0).view(2, 2).T)
    assert one.tolist() == [2, 2, 2]
    assert two.tolist() == [4, 4, 4]
    assert transposed.tolist() == [[0, 4], [2, 6]]


def test_a_key_stands_for_a_function_and_every_shape_for_itself() -> None:
    calls: list[int] = []

    def counted(value: Tensor) -> tuple[Tensor]:
        calls.append(len(value))
        return (value + 1,)

    with recording(Graphs(on_tape, refuse)):
        for _ in range(3):
            for key, size in (("a", 2), ("a", 3), ("b", 2)):
                assert replayed(key, counted, torch.zeros(size))[0].tolist() == [1] * size
        # The first call, and the recording.
        assert calls == [2, 2, 3, 3, 2, 2]
        leaf = torch.zeros(2, requires_grad=True)
        replayed("a", counted, leaf)[0].sum().backward()
    assert leaf.grad is not None
    replayed("a", counted, torch.zeros(2))
    assert calls[6:] == [2, 2]


def test_recording_leaves_state_and_random_numbers_as_they_were() -> None:
    weight, made = torch.ones(2), list[Tensor]()

    def step(value: Tensor) -> tuple[Tensor]:
        if not made:
            made.append(torch.full((2,), 7.0))
        made[0].add_(value)
        weight.add_(torch.rand(2))
        return (made[0].clone(),)

    torch.manual_seed(3)
    expected = 1 + torch.rand(2)
    torch.manual_seed(3)
    with recording(Graphs(on_tape, refuse)):
        [sums] = replayed("step", step, torch.ones(2), changed=lambda: [weight, *made])
    assert torch.equal(weight, expected)
    assert sums.tolist() == [1, 1]


class Waiting(nn.Module):
    """A net that asks for a number in its midst."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        means = images.mean((2, 3))
        logits: Tensor = self.classifier(means * min(means.max().item(), 1.0))
        return logits


def test_what_cannot_be_recorded_is_called_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    build: Callable[..., nn.Module] = models.build
    monkeypatch.setattr(models, "build", lambda name, classes: Waiting() if name == "waiting" else build(name, classes))
    said: list[str] = []
    assert same(
        trained(Graphs(on_tape, said.append), "waiting", "augmix", RECIPE), trained(None, "waiting", "augmix", RECIPE)
    )
    assert said == [
        "warning: kernels are launched one by one, which takes longer: operation not permitted when stream is capturing"
    ]


def test_a_functions_own_error_is_its_own() -> None:
    def wrong(value: Tensor) -> tuple[Tensor]:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    with recording(Graphs(on_tape, refuse)), pytest.raises(torch.OutOfMemoryError):
        replayed("wrong", wrong, torch.zeros(1))


def test_a_failed_recording_leaves_no_trace() -> None:
    weight, momenta = torch.ones(2), list[Tensor]()

    def step(value: Tensor) -> tuple[Tensor]:
        if not momenta:
            momenta.append(torch.zeros(2))
        momenta[0].add_(1)
        weight.add_(value)
        return (weight.clone(),)

    def fails(*_: object) -> Any:
        raise CaptureError("no room")

    said: list[str] = []
    with recording(Graphs(fails, said.append)):
        for count in (1, 2):
            [now] = replayed("step", step, torch.ones(2), changed=lambda: [weight, *momenta])
            assert now.tolist() == [1 + count] * 2
            assert momenta[0].tolist() == [count] * 2
    assert len(said) == 1


class Cuda:
    """A torch.cuda for `CudaCapture` without a GPU: it notes what it is asked; recording fails if told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: Exception | None = None) -> None:
        self.done: list[str] = []
        self.mode, self.fails = "default", fails
        note = self.done.append
        side = SimpleNamespace(wait_stream=lambda other: note("the side waits"))
        current = SimpleNamespace(wait_stream=lambda other: note("the current waits"))
        generator = SimpleNamespace(clone_state=lambda: "new", graphsafe_set_state=lambda new: note(f"{new} draws"))
        for name, stand_in in {
            "Stream": lambda device: side,
            "current_stream": lambda device: current,
            "stream": lambda stream: nullcontext(),
            "graph_pool_handle": lambda: (0, 1),
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: note("replay")),
            "graph": self.graph,
            "get_sync_debug_mode": lambda: self.mode,
            "set_sync_debug_mode": self.set_mode,
            "default_generators": [generator],
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    def set_mode(self, mode: str) -> None:
        self.mode = mode

    @contextmanager
    def graph(self, graph: object, pool: object, stream: object, capture_error_mode: str) -> Iterator[None]:
        assert (pool, capture_error_mode) == ((0, 1), "thread_local")
        self.done.append("begin")
        try:
            yield
            if isinstance(self.fails, torch.OutOfMemoryError):
                raise self.fails
        finally:
            self.done.append("end")
            if self.fails and not isinstance(self.fails, torch.OutOfMemoryError):
                # As ending an invalid recording does.
                raise torch.AcceleratorError("CUDA error: operation failed due to a previous error during capture")


def test_a_cuda_graph_is_recorded_after_a_call_that_must_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch)
    modes: list[str] = []

    def function(value: Tensor) -> tuple[Tensor]:
        modes.append(cuda.mode)
        cuda.done.append("call")
        return (value,)

    given = torch.ones(2)
    replay = CudaCapture(torch.device("cuda", 0))(function, [given])
    assert modes == ["error", "default"]
    assert cuda.done == ["the side waits", "call", "begin", "call", "end", "the current waits"]
    assert replay()[0] is given
    assert cuda.done[-1] == "replay"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee documentation"),
            "a graph of them does not fit into the GPU's memory; lower training.batch_size, or end what else uses it",
        ),
        (
            torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
            "a graph of them does not fit into the GPU's memory",
        ),
        (
            RuntimeError("called a synchronizing CUDA operation\nmore"),
            r"no graph of them can be recorded \(RuntimeError: called a synchronizing CUDA operation\)",
        ),
        (
            torch.AcceleratorError("CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors"),
            r"no graph of them can be recorded \(AcceleratorError: CUDA error: operation not permitted when stream is",
        ),
    ],
    ids=["memory", "instance", "waits", "recording"],
)
def test_what_cuda_refuses_is_one_line(error: Exception, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = Cuda(monkeypatch, error)

    def function(value: Tensor) -> tuple[Tensor]:
        if not isinstance(error, torch.OutOfMemoryError) and (type(error) is RuntimeError or cuda.mode == "default"):
            raise error
        return (value,)

    with pytest.raises(CaptureError, match=line) as caught:
        CudaCapture(torch.device("cuda", 0))(function, [torch.ones(1)])
    assert "\n" not in str(caught.value)
    assert cuda.mode == "default"
    assert cuda.done[-2:] == ["new draws", "the current waits"]


@pytest.mark.cuda
@pytest.mark.parametrize("recipe", [RECIPE, ADAMW], ids=["sgd", "adamw"])
@pytest.mark.parametrize(
    ("architecture", "method"), [("allconv", "augmix"), ("allconv", "adversarial"), ("vit", "mixup")]
)
def test_a_gpus_graphs_repeat_to_the_bit_and_do_what_plain_steps_do(
    architecture: str, method: str, recipe: dict[str, Any]
) -> None:
    def replayed_on_gpu() -> Any:
        recorder = Graphs(CudaCapture(torch.device("cuda", torch.cuda.current_device())), refuse)
        return trained(recorder, architecture, method, recipe, device="cuda")

    once, plain = replayed_on_gpu(), trained(None, architecture, method, recipe, device="cuda")
    assert same(once, replayed_on_gpu())
    for value, expected in zip(once, plain, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.cuda
def test_a_gpu_that_is_waited_for_is_said_so() -> None:
    said: list[str] = []
    with recording(Graphs(CudaCapture(torch.device("cuda", torch.cuda.current_device())), said.append)):
        for _ in range(2):
            [found] = replayed("waits", lambda value: (value * value.sum().item(),), torch.ones(2, device="cuda"))
            assert found.tolist() == [2, 2]
            assert torch.rand(1, device="cuda").item() < 1  # random numbers are still to be had
    [line] = said
    assert "no graph of them can be recorded" in line
