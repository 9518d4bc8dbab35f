"""The fused kernels as Triton compiles them for a GPU, run by `tests.augmix.ptx` on a machine that has none."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from augmix.operations import fused, launch
from tests.augmix.ptx import Kernel, Memory

HOPPER = 90
_POINTERS = {torch.uint8: "*u8", torch.float32: "*fp32", torch.float64: "*fp64", torch.int32: "*i32"}


@cache
def compiled(
    name: str, signature: tuple[str, ...], constants: tuple[Any, ...], options: tuple[Any, ...], arch: int
) -> Any:
    """Compile a kernel; `signature` has the types of its first arguments, `constants` the values of its last ones."""
    function = getattr(fused, name)
    source = ASTSource(
        fn=function,
        signature=dict(zip(function.arg_names, [*signature, *["constexpr"] * len(constants)], strict=True)),
        constexprs={(len(signature) + i,): value for i, value in enumerate(constants)},
    )
    return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=dict(options))


class _Assembled:
    """Takes the place of a Triton kernel: `kernel[grid](*arguments, **options)`."""

    def __init__(self, name: str, arch: int) -> None:
        self.name, self.arch = name, arch
        self.machines: dict[Any, Kernel] = {}

    def __getitem__(self, grid: tuple[int]) -> Callable[..., None]:
        def launch(*arguments: Any, num_warps: int, maxnreg: int, enable_fp_fusion: bool, **constants: Any) -> None:
            options = {"num_warps": num_warps, "maxnreg": maxnreg, "enable_fp_fusion": enable_fp_fusion}
            signature = tuple(_POINTERS[a.dtype] if isinstance(a, torch.Tensor) else "i32" for a in arguments)
            names = getattr(fused, self.name).arg_names[len(arguments) :]
            key = (signature, tuple(constants[name] for name in names), tuple(options.items()))
            if key not in self.machines:
                binary = compiled(self.name, *key, self.arch)
                self.machines[key] = Kernel(binary.asm["ptx"], 32 * num_warps, binary.metadata.shared)
            tensors = {i: a for i, a in enumerate(arguments) if isinstance(a, torch.Tensor)}
            stored = {
                i: torch.empty(0, dtype=torch.uint8).set_(a.untyped_storage()).numpy() for i, a in tensors.items()
            }
            memory = Memory(sum(array.nbytes + 1024 for array in stored.values()) + 1024)
            places = {i: memory.put(array) for i, array in stored.items()}
            starts = {i: places[i] + a.storage_offset() * a.element_size() for i, a in tensors.items()}
            self.machines[key].run(grid[0], memory, [starts.get(i, a) for i, a in enumerate(arguments)])
            for i, array in stored.items():
                array[...] = memory.get(places[i], array)

        return launch


def kernels() -> SimpleNamespace:
    """Return what can stand for `augmix.operations.fused`."""
    return SimpleNamespace(**{name: _Assembled(name, HOPPER) for name in ("whole", "begin", "step", "finish")})


def text(name: str, block: int, mix: bool, arch: int) -> str:
    """Return the assembly of a kernel."""
    names = getattr(fused, name).arg_names
    kinds = {"images": "*u8", "rows": "*fp64", "memory": "*i32", "notes": "*i32", "result": "*fp32" if mix else "*u8"}
    constants = {"block": block, "noted": launch.NOTED, "mix": mix}
    signature = tuple(kinds.get(name, "i32") for name in names if name not in constants)
    values = tuple(constants[name] for name in names if name in constants)
    found: str = compiled(name, signature, values, tuple(launch._options(block).items()), arch).asm["ptx"]
    return found
