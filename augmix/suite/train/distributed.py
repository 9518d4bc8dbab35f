"""Several processes that train one net together (`torchrun`), each on its own device with its part of every batch.

Gradients are summed with each process's share of the images as its weight, which is the gradient of the whole batch.
Batch norm takes each process's images by themselves, and the first process's running statistics are kept, as under
the paper's DataParallel. The first process alone writes files and speaks.
"""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed, nn

from augmix.errors import UserError
from augmix.suite.io.processes import joined


class Group:
    """The processes of a training and this one's rank among them; a process alone is a group as well."""

    def __init__(self, rank: int = 0, processes: int = 1, device: torch.device | None = None) -> None:
        self.rank, self.processes, self._device = rank, processes, device
        self.share = 1.0
        """This process's fraction of the current step's images."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This process's part of `count` images in order."""
        return slice(count * self.rank // self.processes, count * (self.rank + 1) // self.processes)

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Let the first process do something before the others do the same."""
        if not self.leads:
            _together(distributed.barrier)
        yield
        if self.leads and self.processes > 1:
            _together(distributed.barrier)

    def sum(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over the processes."""
        if self.processes == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=self._device)
        _together(distributed.all_reduce, total)
        summed: list[float] = total.tolist()
        return summed

    def average_gradients_of(self, net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Have every step of `optimizer` use the gradients of all processes' images, weighted by their shares."""
        if self.processes == 1:
            return

        def average(*_: object) -> None:
            gradients = [p.grad for p in net.parameters() if p.grad is not None]
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients]) * self.share
            _together(distributed.all_reduce, flat)
            for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))

        optimizer.register_step_pre_hook(average)

    def share_statistics(self, net: nn.Module) -> None:
        """Give every process the first one's running statistics of batch norm."""
        if self.processes > 1:
            for buffer in net.buffers():
                _together(distributed.broadcast, buffer, 0)


def _together(collective: Callable[..., object], *arguments: Any) -> None:
    """Take part in a collective operation; when another process has failed, leave what is said to that one."""
    try:
        collective(*arguments)
    except RuntimeError:  # of which every error of torch.distributed is one
        # The launcher ends this process as well.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(30)
        raise


@contextmanager
def group(device: torch.device) -> Iterator[Group]:
    """The group that this process was started in."""
    if not joined():
        yield Group()
        return
    if device.type == "mps":
        raise UserError("several processes train on cuda or cpu, not on mps; set training.processes to 1")
    # Another that has gathered and failed already may be gone before this one has.
    _together(distributed.init_process_group, "nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size(), device)
    finally:
        distributed.destroy_process_group()
