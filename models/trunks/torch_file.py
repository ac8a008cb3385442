"""Reads tensors by name from a file that PyTorch's `torch.save` or safetensors wrote, without PyTorch.

A `.pth` file describes its tensors by a pickle, which is a program. Here only the few instructions and names that a
dictionary of tensors needs are allowed, and the names stand for Cruciate's own objects. Nothing else is executed. The
formats: torch/serialization.py of PyTorch 2 (`_legacy_save` until 1.5, a zip with one member for each storage since
then) and https://huggingface.co/docs/safetensors.
"""

import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

Tensors = dict[str, npt.NDArray[np.generic]]
# Much more than the networks that are converted need: AlexNet with its classifier has 244 MB.
MOST_BYTES = 2_000_000_000
MOST_TENSORS, MOST_PICKLE_BYTES = 10_000, 10_000_000
# The instructions that write a dictionary of tensors, in protocol 2 (see `pickletools`).
OPCODES = frozenset(
    (
        *("PROTO", "FRAME", "STOP", "GLOBAL", "REDUCE", "BUILD", "BINPERSID", "NEWTRUE", "NEWFALSE", "NONE"),
        *("MARK", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "EMPTY_LIST"),
        *("SETITEM", "SETITEMS", "APPEND", "APPENDS", "BININT", "BININT1", "BININT2", "LONG1"),
        *(
            "BINUNICODE",
            "SHORT_BINUNICODE",
            "BINSTRING",
            "SHORT_BINSTRING",
            "BINPUT",
            "LONG_BINPUT",
            "BINGET",
            "LONG_BINGET",
            "MEMOIZE",
        ),
    )
)
# The unpickler allocates memory for as many objects as the largest memo number says.
LARGEST_MEMO = 100_000
DTYPES = {"FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4"}
# The first and the second pickle of a file from before PyTorch 1.6.
LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


def read_tensors(path: Path) -> Tensors:
    """Read all tensors of a dictionary.

    Args:
        path: A `.safetensors` file, or a file that `torch.save` wrote.

    Returns:
        Tensors by name.

    Raises:
        ValueError: If the file isn't a dictionary of tensors, or uses instructions that none needs.
        OSError: If the file can't be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES:,} bytes")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"not a readable safetensors file ({error})") from None
    try:
        with path.open("rb") as stream:
            return _from_zip(stream) if zipfile.is_zipfile(stream) else _legacy(stream)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, struct.error) as error:
        raise ValueError(f"not a readable .pth file ({error})") from None
    except (pickle.UnpicklingError, AttributeError, IndexError, KeyError, TypeError, MemoryError) as error:
        raise ValueError(f"not a dictionary of tensors ({error})") from None


@dataclass(frozen=True)
class _Storage:
    """A sequence of numbers that tensors are parts of."""

    dtype: np.dtype[Any]
    key: str
    size: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @classmethod
    def rebuilt(cls, storage: object, offset: object, shape: object, strides: object, *_: object) -> "_Tensor":
        """Replaces `torch._utils._rebuild_tensor_v2`."""
        if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
            raise pickle.UnpicklingError("a tensor that isn't part of a storage")
        if len(shape) != len(strides) or not all(type(n) is int and n >= 0 for n in (offset, *shape, *strides)):
            raise pickle.UnpicklingError("a tensor without a shape")
        return cls(storage, int(str(offset)), shape, strides)

    def cut(self, numbers: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        """The tensor, from its storage's numbers; UnpicklingError if they don't hold all of it."""
        reach = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True)) + 1
        # Strides of 0 would make many numbers from one.
        if 0 not in self.shape and (reach > numbers.size or math.prod(self.shape) > numbers.size):
            raise pickle.UnpicklingError("a tensor that reaches beyond its storage")
        native = numbers.dtype.newbyteorder("=")
        steps = tuple(step * numbers.itemsize for step in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, steps).astype(native)


class _Names(OrderedDict[str, Any]):
    """Replaces `OrderedDict`: a state dictionary has an attribute `_metadata`, which isn't needed for tensors."""

    def __setstate__(self, state: object) -> None:
        pass


def _parameter(tensor: object, *_: object) -> object:
    """Replaces `torch._utils._rebuild_parameter`."""
    return tensor


ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _Names,
    ("torch._utils", "_rebuild_tensor_v2"): _Tensor.rebuilt,
    ("torch._utils", "_rebuild_tensor"): _Tensor.rebuilt,  # in the first versions
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", name): name for name in DTYPES},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}, which a dictionary of tensors doesn't need"
            )
        return ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that `pid` describes: ("storage", type, key, device, number of elements)."""
        kind, storage, key, _, size, *_ = pid
        if kind != "storage" or storage not in DTYPES or not isinstance(key, str) or type(size) is not int or size < 0:
            raise pickle.UnpicklingError("a storage of something other than numbers")
        return _Storage(np.dtype(DTYPES[storage]), key, size)


def _unpickled(stream: IO[bytes]) -> Any:
    """Load the next pickle of the stream, after a check that all of its instructions are harmless."""
    start = stream.tell()
    for opcode, argument, place in _instructions(stream):
        if opcode.name not in OPCODES or ("PUT" in opcode.name and int(argument or 0) > LARGEST_MEMO):
            raise pickle.UnpicklingError(f"the pickle uses {opcode.name}, which a dictionary of tensors doesn't need")
        if (place or 0) - start > MOST_PICKLE_BYTES:
            raise pickle.UnpicklingError(f"a description of more than {MOST_PICKLE_BYTES:,} bytes")
    size = stream.tell() - start
    stream.seek(start)
    return _Unpickler(io.BytesIO(stream.read(size))).load()


def _instructions(stream: IO[bytes]) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    try:
        yield from pickletools.genops(stream)
    except ValueError as error:
        raise pickle.UnpicklingError(f"a pickle that can't be read: {error}") from None


def _tensors_in(content: object) -> dict[str, _Tensor]:
    """The tensors of a state dictionary, or of a checkpoint that has one under `state_dict`."""
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise pickle.UnpicklingError("the file holds something else")
    tensors = {name: tensor for name, tensor in content.items() if isinstance(tensor, _Tensor)}
    if not tensors or len(tensors) > MOST_TENSORS or not all(isinstance(name, str) for name in tensors):
        raise pickle.UnpicklingError("the file holds something else")
    return tensors


def _cut(tensors: Mapping[str, _Tensor], numbers: Callable[[_Storage], npt.NDArray[np.generic]]) -> Tensors:
    return {name: tensor.cut(numbers(tensor.storage)) for name, tensor in tensors.items()}


def _from_zip(stream: IO[bytes]) -> Tensors:
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        described = [name for name in names if name.endswith("/data.pkl") or name == "data.pkl"]
        if len(described) != 1:
            raise ValueError("a zip without PyTorch's data.pkl")
        root = described[0].removesuffix("data.pkl")
        order = archive.read(f"{root}byteorder").decode() if f"{root}byteorder" in names else "little"
        if archive.getinfo(described[0]).file_size > MOST_PICKLE_BYTES:
            raise ValueError(f"a description of more than {MOST_PICKLE_BYTES:,} bytes")
        tensors = _tensors_in(_unpickled(io.BytesIO(archive.read(described[0]))))

        def numbers(storage: _Storage) -> npt.NDArray[np.generic]:
            dtype = storage.dtype.newbyteorder(">" if order == "big" else "<")
            member = archive.getinfo(f"{root}data/{storage.key}")
            if member.file_size != storage.size * dtype.itemsize:
                raise pickle.UnpicklingError(
                    f"a storage has {member.file_size:,} bytes instead of {storage.size:,} numbers"
                )
            return np.frombuffer(archive.read(member), dtype)

        return _cut(tensors, numbers)


def _legacy(stream: IO[bytes]) -> Tensors:
    """Read five pickles (magic number, protocol, machine, tensors, storage keys), then each storage with its length."""
    stream.seek(0)
    try:
        if stream.read(1) != pickle.PROTO:
            raise ValueError("not a pickle of protocol 2 or later")
        stream.seek(0)
        if _unpickled(stream) != LEGACY_MAGIC or _unpickled(stream) != LEGACY_PROTOCOL:
            raise ValueError("not a file of torch.save")
    except (pickle.UnpicklingError, ValueError) as error:
        raise ValueError(f"neither a .pth that torch.save wrote nor .safetensors ({error})") from None
    machine, tensors, keys = _unpickled(stream), _tensors_in(_unpickled(stream)), _unpickled(stream)
    order: Literal["<", ">"] = "<" if machine.get("little_endian", True) else ">"
    storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    found: dict[str, npt.NDArray[np.generic]] = {}
    for key in keys:
        (size,) = struct.unpack(f"{order}q", stream.read(8))
        storage = storages.get(key)
        if storage is None or size != storage.size:
            raise pickle.UnpicklingError("a storage that isn't described")
        content = stream.read(size * storage.dtype.itemsize)
        found[key] = np.frombuffer(content, storage.dtype.newbyteorder(order), count=size)
    return _cut(tensors, lambda storage: found[storage.key])
