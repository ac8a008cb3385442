"""Files as `torch.save` writes them, made by hand."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.trunks.torch_file import LEGACY_MAGIC, LEGACY_PROTOCOL

STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


class Global:
    """Pickled as a name that this machine needn't know."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Call:
    """Pickled as a call of a name."""

    def __init__(self, function: Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


class Storage:
    def __init__(self, key: str, array: np.ndarray, legacy: bool) -> None:
        kind = Global("torch", STORAGES[array.dtype.str[1:]])
        self.id = ("storage", kind, key, "cpu", array.size, *([None] if legacy else []))


class _Pickler(pickle._Pickler):
    """Protocol 2, with PyTorch's names and persistent ids; pure Python, so that names needn't be importable."""

    write: Callable[[bytes], object]

    def persistent_id(self, thing: object) -> object:
        return thing.id if isinstance(thing, Storage) else None

    def save(self, thing: object, save_persistent_id: bool = True) -> None:
        if isinstance(thing, Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, Call):
            self.save(thing.function)
            self.save(thing.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(thing, save_persistent_id)


def pickled(thing: object) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(thing)
    return stream.getvalue()


def described(tensors: dict[str, np.ndarray], legacy: bool = False) -> OrderedDict:
    """The state dictionary as PyTorch pickles it, one storage for each tensor."""
    content = OrderedDict()
    for key, (name, array) in enumerate(tensors.items()):
        strides = tuple(step // array.itemsize for step in array.strides)
        hooks = Call(Global("collections", "OrderedDict"))
        storage = Storage(str(key), array, legacy)
        content[name] = Call(
            Global("torch._utils", "_rebuild_tensor_v2"), storage, 0, array.shape, strides, False, hooks
        )
    return content


def write_zip(path: Path, tensors: dict[str, np.ndarray], description: bytes | None = None, big: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(described(tensors)) if description is None else description)
        archive.writestr("archive/byteorder", "big" if big else "little")
        for key, array in enumerate(tensors.values()):
            numbers = array.astype(array.dtype.newbyteorder(">" if big else "<"))
            archive.writestr(f"archive/data/{key}", numbers.tobytes())
        archive.writestr("archive/version", "3\n")
    return path


def write_legacy(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    machine = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    parts = [
        LEGACY_MAGIC,
        LEGACY_PROTOCOL,
        machine,
        described(tensors, legacy=True),
        [str(n) for n in range(len(tensors))],
    ]
    with path.open("wb") as stream:
        stream.write(b"".join(map(pickled, parts)))
        for array in tensors.values():
            stream.write(struct.pack("<q", array.size) + array.tobytes())
    return path
