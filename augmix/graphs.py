"""Functions of tensors that are recorded once, as a CUDA graph for each shape of their inputs, and then replayed.

It takes a host longer to launch the kernels of a net one by one than it takes a GPU to run them; a graph is one launch.
A function that may be replayed is called by `replayed`, and is just called unless a recorder is in force (`recording`).
Only what happens to tensors is recorded: numbers, branches and draws of the host stay what they were when it was, so
that these belong outside, or into the key.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, ...]]
"""A function of tensors that gives tensors."""
Capture = Callable[[Function, Sequence[Tensor]], Callable[[], tuple[Tensor, ...]]]
"""(function, inputs) -> what computes the function of whatever is in these inputs by then, into the same outputs."""


class Recorded(NamedTuple):
    """A function's inputs, which are written before each replay, and its replay."""

    inputs: list[Tensor]
    replay: Callable[[], tuple[Tensor, ...]]


class Graphs:
    """The recorded graphs. A function that cannot be recorded is called, and `tell` gets one line that says so."""

    def __init__(self, capture: Capture, tell: Callable[[str], None]) -> None:
        self._capture, self._tell = capture, tell
        self._recorded: dict[Any, Recorded | None] = {}
        self._told = False

    def __call__(
        self, key: object, function: Function, inputs: Sequence[Tensor], changed: Callable[[], Iterable[Tensor]]
    ) -> tuple[Tensor, ...]:
        """The function's value; see `replayed`."""
        key = (key, *((value.shape, value.dtype, value.stride()) for value in inputs))
        if key not in self._recorded:
            self._recorded[key] = self._record(function, inputs, changed)
        if (recorded := self._recorded[key]) is None:
            return function(*inputs)
        for place, value in zip(recorded.inputs, inputs, strict=True):
            place.copy_(value)
        # The next replay writes over its outputs.
        return tuple(value.clone() for value in recorded.replay())

    def _record(
        self, function: Function, inputs: Sequence[Tensor], changed: Callable[[], Iterable[Tensor]]
    ) -> Recorded | None:
        """Record the function, and leave all that it changes, and the state of random numbers, as it was before."""
        own = [value.clone() for value in inputs]
        before = {tensor: tensor.detach().clone() for tensor in changed()}
        try:
            with torch.random.fork_rng([value.get_device() for value in own[:1] if value.is_cuda]):
                # It makes what is made once, such as momenta and handles of libraries; its errors are its own.
                function(*own)
                return Recorded(own, self._capture(function, own))
        except CaptureError as error:
            if not self._told:
                self._tell(f"warning: kernels are launched one by one, which takes longer: {error}")
                self._told = True
            return None
        finally:
            with torch.no_grad():
                for tensor in changed():
                    # Tensors that the first call has made start from zero.
                    tensor.copy_(before[tensor]) if tensor in before else tensor.zero_()


class CaptureError(Exception):
    """A function cannot be recorded; the text says why."""


class CudaCapture:
    """Record CUDA graphs, on a stream of their own and with common memory."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, function: Function, inputs: Sequence[Tensor]) -> Callable[[], tuple[Tensor, ...]]:
        """Record the function; raises `CaptureError` where it waits for the device, or its memory does not fit."""
        graph = torch.cuda.CUDAGraph()
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                with waiting("error"):  # while recording, it would also leave the recorder in disorder
                    function(*inputs)
                # Other threads may do what they like meanwhile: they decode images.
                with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                    outputs = function(*inputs)
        except Exception as error:  # whatever a net does, or CUDA has to say
            generator = torch.cuda.default_generators[self._device.index or 0]
            generator.graphsafe_set_state(generator.clone_state())  # the old state may still be that of a recording
            raise CaptureError(_explain(error.__context__ or error)) from error
        finally:
            current.wait_stream(self._stream)

        def replay() -> tuple[Tensor, ...]:
            graph.replay()
            return outputs

        return replay


def _explain(error: BaseException) -> str:
    if "out of memory" in str(error):  # torch's error where tensors do not fit, CUDA's where the graph itself does not
        return "a graph of them does not fit into the GPU's memory; lower training.batch_size, or end what else uses it"
    return f"no graph of them can be recorded ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]})"


@contextmanager
def waiting(mode: str) -> Iterator[None]:
    """Have it that the host waits for a GPU be an "error" within the block, or by "default" nothing to speak of."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode(mode)
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


_recorder: Graphs | None = None


@contextmanager
def recording(recorder: Graphs | None) -> Iterator[None]:
    """Replay within the block what is called by `replayed`; with None, call it."""
    global _recorder
    before, _recorder = _recorder, recorder
    try:
        yield
    finally:
        _recorder = before


def replayed(
    key: object, function: Function, *inputs: Tensor, changed: Callable[[], Iterable[Tensor]] = tuple
) -> tuple[Tensor, ...]:
    """function(*inputs), from a recording of it where a recorder is in force and none of the inputs needs gradients.

    Of two functions with equal keys the second is taken for the first: `key` holds all that the function depends on
    beside its inputs. `changed` gives the tensors that it changes in place; those that only its first call makes, such
    as momenta, are zero before it.
    """
    if _recorder is None or any(value.requires_grad for value in inputs):
        return function(*inputs)
    return _recorder(key, function, inputs, changed)
