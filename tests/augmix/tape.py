"""A CUDA graph's work on a CPU: the operations of a function are noted, and done again without the function."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from augmix.graphs import CaptureError, Function

HOST = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default}
"""Operations that give the host a number, which a graph of CUDA has none of."""


class Tape(TorchDispatchMode):
    """Notes the operations that are done within its block."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[tuple[Any, Sequence[Any], Mapping[str, Any], Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in HOST:
            raise RuntimeError("operation not permitted when stream is capturing")
        made = func(*args, **(kwargs or {}))
        self.notes.append((func, args, kwargs or {}, made))
        return made

    def replay(self) -> None:
        """Do the operations again; what made a tensor writes into that very tensor."""
        for func, args, kwargs, made in self.notes:
            again = func(*args, **kwargs)
            for old, new in zip(tree_leaves(made), tree_leaves(again), strict=True):
                # Otherwise it is a view, or was changed in place.
                if isinstance(old, Tensor) and old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)


def on_tape(function: Function, inputs: Sequence[Tensor]) -> Callable[[], tuple[Tensor, ...]]:
    """The stand-in for `graphs.CudaCapture`."""
    with Tape() as tape:
        try:
            outputs = function(*inputs)
        except RuntimeError as error:
            raise CaptureError(str(error)) from error

    def replay() -> tuple[Tensor, ...]:
        with torch.no_grad():
            tape.replay()
        return outputs

    return replay
