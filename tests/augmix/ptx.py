"""A machine that runs PTX, the assembly of NVIDIA's GPUs, with NumPy: what Triton compiled can be tried without a GPU.

It knows the instructions that the kernels of `augmix.operations.fused` are compiled to, and raises on any other.
Threads of a block that are at the same instruction take it together; those that are behind go first, and all wait at a
barrier. Blocks run one after another. Memory is one array with gaps between what is put in it, and touching a gap is an
error.
"""

import re
from collections.abc import Callable, Sequence

import numpy as np

_TYPES = {
    **{f"{kind}{bits}": f"u{bits // 8}" for kind in "bu" for bits in (8, 16, 32, 64)},
    **{f"s{bits}": f"i{bits // 8}" for bits in (8, 16, 32, 64)},
    "f32": "f4",
    "f64": "f8",
    "pred": "?",
}
_WIDE = {"u2": "u4", "i2": "i4", "u4": "u8", "i4": "i8"}
_REGISTERS = {"pred": "?", "b16": "u2", "b32": "u4", "b64": "u8"}
_GAP = 256
_WARP = 32
_ALL = None  # instead of a mask: every thread takes part


class Memory:
    """The device's memory; addresses are places in it."""

    def __init__(self, size: int) -> None:
        self.bytes = np.zeros(size, np.uint8)
        self.open = np.zeros(size, bool)
        self.end = _GAP

    def put(self, array: np.ndarray) -> int:
        """Copy an array in and return its address."""
        address, self.end = self.end, self.end + -(-array.nbytes // _GAP) * _GAP + _GAP
        self.bytes[address : address + array.nbytes] = array.ravel().view(np.uint8)
        self.open[address : address + array.nbytes] = True
        return address

    def get(self, address: int, like: np.ndarray) -> np.ndarray:
        """Return what is at an address now, as an array such as `like`."""
        return self.bytes[address : address + like.nbytes].view(like.dtype).reshape(like.shape).copy()

    def places(self, addresses: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return the indices of values of `dtype`; they are aligned, and every byte of them was put here."""
        first = addresses.astype(np.int64)
        if (first % dtype.itemsize).any():
            raise MemoryError("misaligned address")
        if (first < 0).any() or (first >= len(self.open)).any() or not self.open[first].all():
            raise MemoryError("illegal memory access")
        return first // dtype.itemsize


class Kernel:
    """One kernel of a module's text, for thread blocks of `threads`."""

    def __init__(self, text: str, threads: int, shared: int) -> None:
        self.threads = threads
        self.shared = Memory(shared + 2 * _GAP)
        self.window = self.shared.put(np.zeros(max(shared, 16), np.uint8))
        self.memory = Memory(0)
        self.parameters: list[int] = []
        self.registers: dict[str, np.ndarray] = {"%tid.x": np.arange(threads, dtype=np.uint32)}
        self.labels: dict[str, int] = {}
        self.tables: dict[str, list[str]] = {}
        self.program: list[tuple[str, str, tuple[str, ...]]] = []
        self._parse(text)
        self.steps = [self._compiled(*instruction) for instruction in self.program]

    def _parse(self, text: str) -> None:
        start = text.index("\n{", text.index(".entry")) + 2
        body = re.sub(r"//[^\n]*|\.loc\s[^\n]*", "", text[start : text.index("\n}", start)])
        for label, found in re.findall(r"(\$\w+):\s*\.branchtargets([^;]*);", body):
            self.tables[label] = re.findall(r"\$\w+", found)
        body = re.sub(r"\$\w+:\s*\.branchtargets[^;]*;", "", body)
        for kind, name, count in re.findall(r"\.reg \.(\w+)\s+(%\w+)<(\d+)>;", body):
            for i in range(int(count)):
                self.registers[f"{name}{i}"] = np.zeros(self.threads, _REGISTERS[kind])
        body = re.sub(r"\.(?:reg|pragma) [^;]*;", "", body)
        for label, guard, operation, operands in re.findall(
            r"(\$\w+):|(@!?%p\d+)?\s*([a-z][\w.:]*)\s*([^;]*);", body, flags=re.DOTALL
        ):
            if label:
                self.labels[label] = len(self.program)
            else:
                parts = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^\s,]+", operands)
                self.program.append((guard, operation, tuple(parts)))

    def run(self, blocks: int, memory: Memory, parameters: Sequence[int]) -> None:
        """Run `blocks` thread blocks; `parameters` are numbers and addresses in `memory`."""
        self.memory, self.parameters = memory, list(parameters)
        with np.errstate(over="ignore", invalid="ignore"):
            for block in range(blocks):
                self.registers["%ctaid.x"] = np.full(self.threads, block, np.uint32)
                self._run_block()

    def _run_block(self) -> None:
        at: dict[int, np.ndarray] = {0: np.ones(self.threads, bool)}
        waiting: dict[int, np.ndarray] = {}
        while at or waiting:
            if not at:  # everyone is at the barrier
                at, waiting = waiting, {}
                if len(at) > 1:
                    raise RuntimeError("threads wait at different barriers")
            place = min(at)
            active = at.pop(place)
            while True:
                guard, operation, _ = self.program[place]
                if operation == "bar.sync":
                    waiting[place + 1] = active
                    break
                if operation == "ret":
                    break
                mask = active
                if guard:
                    flag = self.registers[guard.lstrip("@!")]
                    mask = active & (~flag if "!" in guard else flag)
                goals = self.steps[place](_ALL if mask.all() else mask) if mask.any() else None
                if goals is None:
                    place += 1
                    if place not in at:
                        continue
                    goals = {place: active}
                elif (rest := active & ~mask).any():
                    goals[place + 1] = goals.get(place + 1, False) | rest
                for goal, threads in goals.items():
                    at[goal] = at.get(goal, False) | threads
                break

    def _read(self, operand: str, dtype: str) -> np.ndarray:
        """Return an operand's values, one for all threads or one for each."""
        if operand in self.registers:
            found = self.registers[operand]
            return found if found.dtype.itemsize != np.dtype(dtype).itemsize else found.view(dtype)
        if operand == "global_smem":
            return np.array([self.window], "i8").astype(dtype)
        if operand[:2] in ("0f", "0d"):
            bits = np.array([int(operand[2:], 16)], "u4" if operand[1] == "f" else "u8")
            return bits.view("f4" if operand[1] == "f" else "f8").view(dtype)
        return np.array([int(operand.rstrip("U"), 0)], "i8").astype(dtype)

    def _write(self, operand: str, value: np.ndarray, mask: np.ndarray | None) -> None:
        if operand == "_":
            return
        register = self.registers[operand]
        if value.dtype != register.dtype:
            small = value.dtype.itemsize < register.dtype.itemsize
            value = value.astype(register.dtype) if small else value.view(register.dtype)
        np.copyto(register, value, where=True if mask is None else mask)

    def _compiled(
        self, guard: str, operation: str, operands: tuple[str, ...]
    ) -> Callable[[np.ndarray | None], dict[int, np.ndarray] | None]:
        name, *kinds = operation.split(".")
        if name in ("bar", "ret"):
            return lambda mask: None
        if name in ("bra", "brx"):
            return self._branch(name, operands)
        if name in ("ld", "st", "atom"):
            return self._transfer(name, kinds, operands)
        if name == "mov" and any("{" in operand for operand in operands):
            return self._repack(operands)
        function = getattr(self, f"_do_{name}", None)
        types = [_TYPES[kind] for kind in kinds if kind in _TYPES]
        options = [kind for kind in kinds if kind not in _TYPES]
        if name in _PLAIN:
            function = _PLAIN[name]
        if function is None or (operation.endswith("x2") and name != "add"):
            raise NotImplementedError(f"{operation} {', '.join(operands)}")
        if operation == "add.s16x2":
            first, second = operands[1:]
            pair = lambda operand: np.ascontiguousarray(self._read(operand, "u4")).view("u2")  # noqa: E731
            return lambda mask: self._write(operands[0], (pair(first) + pair(second)).view("u4"), mask)
        if name in _PLAIN:
            dtype = types[0]
            return lambda mask: self._write(
                operands[0], function(*(self._read(operand, dtype) for operand in operands[1:])), mask
            )
        return lambda mask: self._write(operands[0], function(types, options, *operands[1:]), mask)

    def _branch(
        self, name: str, operands: tuple[str, ...]
    ) -> Callable[[np.ndarray | None], dict[int, np.ndarray] | None]:
        everyone = np.ones(self.threads, bool)
        if name == "bra":
            return lambda mask: {self.labels[operands[0]]: everyone if mask is None else mask}

        def jump(mask: np.ndarray | None) -> dict[int, np.ndarray]:
            mask, index = everyone if mask is None else mask, self.registers[operands[0]]
            table = [self.labels[label] for label in self.tables[operands[1]]]
            goals: dict[int, np.ndarray] = {}
            for i in np.unique(index[mask]):
                goals[table[i]] = goals.get(table[i], False) | (mask & (index == i))
            return goals

        return jump

    def _repack(self, operands: tuple[str, ...]) -> Callable[[np.ndarray | None], None]:
        """Take a register apart, or put one together of two."""
        target, source = operands
        if "{" in target:
            parts = re.findall(r"[^\s,{}]+", target)
            whole = self.registers[source]

            def split(mask: np.ndarray | None) -> None:
                halves = whole.view(f"u{whole.dtype.itemsize // 2}").reshape(-1, 2)
                for part, half in zip(parts, halves.T, strict=True):
                    self._write(part, half, mask)

            return split
        low, high = re.findall(r"[^\s,{}]+", source)
        kind = self.registers[target].dtype
        half = f"u{kind.itemsize // 2}"

        def join(mask: np.ndarray | None) -> None:
            pair = np.broadcast_arrays(self._read(low, half), self._read(high, half), self.registers[target])[:2]
            self._write(target, np.stack(pair, axis=1).astype(half).view(kind)[:, 0], mask)

        return join

    def _transfer(self, name: str, kinds: list[str], operands: tuple[str, ...]) -> Callable[[np.ndarray | None], None]:
        dtype = np.dtype(_TYPES[kinds[-1]])
        place, values = (operands[0], operands[1]) if name == "st" else (operands[1], operands[0])
        base, offset = re.fullmatch(r"\[\s*([^\s+\]]+)\s*(?:\+\s*(-?\d+)\s*)?\]", place).groups()  # type: ignore[union-attr]
        if "param" in kinds:
            number = int(base.rsplit("_", 1)[1])
            return lambda mask: self._write(values, np.array([self.parameters[number]], "i8").astype(dtype), mask)
        parts = re.findall(r"[^\s,{}]+", values)
        space = next(kind.split(":")[0] for kind in kinds if kind.split(":")[0] in ("global", "shared"))
        everyone = np.ones(self.threads, bool)

        def transfer(mask: np.ndarray | None) -> None:
            memory = self.memory if space == "global" else self.shared
            mask = everyone if mask is None else mask
            address = np.broadcast_to(self._read(base, "u8"), self.threads)[mask] + np.uint64(int(offset or 0))
            cells = memory.bytes[: len(memory.bytes) // dtype.itemsize * dtype.itemsize].view(dtype)
            for i, part in enumerate(parts):
                where = memory.places(address + np.uint64(i * dtype.itemsize), dtype)
                if name == "st":
                    cells[where] = np.broadcast_to(self._read(part, str(dtype)).astype(dtype), self.threads)[mask]
                    continue
                loaded = np.zeros(self.threads, dtype)
                loaded[mask] = cells[where]
                if name == "atom":
                    if "add" not in kinds:
                        raise NotImplementedError(".".join(kinds))
                    np.add.at(cells, where, np.broadcast_to(self._read(operands[2], str(dtype)), self.threads)[mask])
                self._write(part, loaded, mask)

        return transfer

    def _do_mul(self, types: list[str], options: list[str], first: str, second: str) -> np.ndarray:
        a, b = self._read(first, types[0]), self._read(second, types[0])
        if "wide" in options:
            return a.astype(_WIDE[types[0]]) * b.astype(_WIDE[types[0]])
        if "hi" in options:
            bits = 8 * np.dtype(types[0]).itemsize
            return ((a.astype(_WIDE[types[0]]) * b.astype(_WIDE[types[0]])) >> bits).astype(types[0])
        return a * b

    def _do_mad(self, types: list[str], options: list[str], first: str, second: str, third: str) -> np.ndarray:
        kind = _WIDE[types[0]] if "wide" in options else types[0]
        return self._do_mul(types, options, first, second) + self._read(third, kind)

    def _do_div(self, types: list[str], options: list[str], first: str, second: str) -> np.ndarray:
        a, b = self._read(first, types[0]), self._read(second, types[0])
        if types[0].startswith("f"):
            if options != ["rn"]:
                raise NotImplementedError(f"div.{'.'.join(options)}")
            return a / b
        return (np.abs(a) // np.abs(b) * np.sign(a) * np.sign(b)).astype(types[0])

    def _do_setp(self, types: list[str], options: list[str], first: str, second: str) -> np.ndarray:
        compare = {
            "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
            "ge": np.greater_equal, "neu": np.not_equal,
        }[options[0]]  # fmt: skip
        found: np.ndarray = compare(self._read(first, types[0]), self._read(second, types[0]))
        return found

    def _do_selp(self, types: list[str], options: list[str], first: str, second: str, flag: str) -> np.ndarray:
        return np.where(self.registers[flag], self._read(first, types[0]), self._read(second, types[0]))

    def _do_bfe(self, types: list[str], options: list[str], value: str, start: str, length: str) -> np.ndarray:
        mask = (1 << int(length)) - 1
        return (self._read(value, types[0]) >> np.uint32(int(start))) & np.uint32(mask)

    def _do_prmt(self, types: list[str], options: list[str], low: str, high: str, selector: str) -> np.ndarray:
        places = int(selector.rstrip("U"), 0)
        pair = self._read(low, "u4").astype("u8") | (self._read(high, "u4").astype("u8") << np.uint64(32))
        result = np.zeros(len(pair), "u4")
        for i in range(4):
            place = places >> 4 * i & 15
            if place > 7:
                raise NotImplementedError("prmt that repeats a sign")
            result |= (pair >> np.uint64(8 * place) & np.uint64(255)).astype("u4") << np.uint32(8 * i)
        return result

    def _do_cvt(self, types: list[str], options: list[str], value: str) -> np.ndarray:
        target, source = types
        found = self._read(value, source)
        if not source.startswith("f"):
            return found.astype(source).astype(target)
        if options in (["rmi"], ["rpi"]):
            return np.floor(found) if options == ["rmi"] else np.ceil(found)
        if options == ["rzi"]:
            limits = np.iinfo(target)
            return np.clip(np.trunc(found), limits.min, limits.max).astype(target)
        if options == ["rn"]:
            return found.astype(target)
        raise NotImplementedError(f"cvt.{'.'.join(options)}")

    def _do_shfl(
        self, types: list[str], options: list[str], value: str, lanes: str, clamp: str, who: str
    ) -> np.ndarray:
        lane, by = np.arange(self.threads) % _WARP, int(lanes)
        if "bfly" in options:
            other = lane ^ by
        elif "up" in options and int(clamp) == 0:
            other = np.where(lane >= by, lane - by, lane)
        else:
            raise NotImplementedError(f"shfl.{'.'.join(options)}")
        return self._read(value, types[0])[np.arange(self.threads) // _WARP * _WARP + other]

    def _do_vote(self, types: list[str], options: list[str], flag: str, who: str) -> np.ndarray:
        flags = self._read(flag, "?").reshape(-1, _WARP)
        return np.repeat(np.packbits(flags, axis=1, bitorder="little").view("u4")[:, 0], _WARP)

    def _do_popc(self, types: list[str], options: list[str], value: str) -> np.ndarray:
        return np.bitwise_count(self._read(value, types[0])).astype("u4")

    def _do_redux(self, types: list[str], options: list[str], value: str, who: str) -> np.ndarray:
        combine = {"add": np.add, "min": np.minimum, "max": np.maximum}[options[1]]
        values = np.broadcast_to(self._read(value, types[0]), self.threads).reshape(-1, _WARP)
        return np.repeat(combine.reduce(values, axis=1, dtype=types[0]), _WARP)


def _shifted_left(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    bits = 8 * value.dtype.itemsize
    amount = by.astype("u4")
    return np.where(amount < bits, value << (amount % bits).astype(value.dtype), 0).astype(value.dtype)


def _shifted_right(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    bits = 8 * value.dtype.itemsize
    amount = np.minimum(by.astype("u4"), bits - 1) if value.dtype.kind == "i" else by.astype("u4")
    return np.where(amount < bits, value >> (amount % bits).astype(value.dtype), 0).astype(value.dtype)


_PLAIN: dict[str, Callable[..., np.ndarray]] = {
    "add": np.add,
    "sub": np.subtract,
    "neg": np.negative,
    "min": np.minimum,
    "max": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "not": np.invert,
    "mov": lambda value: value,
    "shl": _shifted_left,
    "shr": _shifted_right,
}
