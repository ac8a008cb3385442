"""Files as `torch.save` writes them, made by hand and, where PyTorch is installed, by PyTorch itself."""

import io
import os
import pickle
import pickletools
import random
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.trunks.torch_file import LEGACY_MAGIC, LEGACY_PROTOCOL, read_tensors

TENSORS: dict[str, Any] = {
    "features.0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "features.0.bias": np.array([1.5, -2.0], np.float32),
    "classifier.half": np.array([[0.5]], np.float16),
    "steps": np.array(7, np.int64),
}
STORAGES = {"f4": "FloatStorage", "f8": "DoubleStorage", "f2": "HalfStorage", "i8": "LongStorage"}


class _Global:
    """Pickled as a name that this machine needn't know."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    """Pickled as a call of a name."""

    def __init__(self, function: _Global, *arguments: object) -> None:
        self.function, self.arguments = function, arguments


class _Storage:
    def __init__(self, key: str, array: np.ndarray, legacy: bool) -> None:
        kind = _Global("torch", STORAGES[array.dtype.str[1:]])
        self.id = ("storage", kind, key, "cpu", array.size, *([None] if legacy else []))


class _Pickler(pickle._Pickler):
    """Protocol 2, with PyTorch's names and persistent ids; pure Python, so that names needn't be importable."""

    write: Callable[[bytes], object]

    def persistent_id(self, thing: object) -> object:
        return thing.id if isinstance(thing, _Storage) else None

    def save(self, thing: object, save_persistent_id: bool = True) -> None:
        if isinstance(thing, _Global):
            self.write(pickle.GLOBAL + f"{thing.module}\n{thing.name}\n".encode())
        elif isinstance(thing, _Call):
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
        hooks = _Call(_Global("collections", "OrderedDict"))
        storage = _Storage(str(key), array, legacy)
        content[name] = _Call(
            _Global("torch._utils", "_rebuild_tensor_v2"), storage, 0, array.shape, strides, False, hooks
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


def assert_read(path: Path) -> None:
    found = read_tensors(path)
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_tensors_come_back_from_every_format(tmp_path):
    assert_read(write_zip(tmp_path / "zip.pth", TENSORS))
    assert_read(write_zip(tmp_path / "big.pth", TENSORS, big=True))
    assert_read(write_legacy(tmp_path / "legacy.pth", TENSORS))
    save_file(TENSORS, tmp_path / "a.safetensors")
    assert_read(tmp_path / "a.safetensors")


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_what_pytorch_itself_writes_is_read(tmp_path, new):
    torch = pytest.importorskip("torch")
    state = OrderedDict((name, torch.from_numpy(array.copy())) for name, array in TENSORS.items())
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
    assert_read(tmp_path / "a.pth")
    turned = torch.arange(6.0).reshape(2, 3).T[1:]
    torch.save(
        {"state_dict": {"turned": torch.nn.Parameter(turned)}}, tmp_path / "b.pth", _use_new_zipfile_serialization=new
    )
    assert read_tensors(tmp_path / "b.pth")["turned"].tolist() == turned.tolist()


class _Evil:
    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.flag),)


def reached(tensor: tuple) -> bytes:
    """A description of one tensor with these offset, shape and strides on four numbers."""
    storage = _Storage("0", np.zeros(4, np.float32), legacy=False)
    return pickled({"a": _Call(_Global("torch._utils", "_rebuild_tensor_v2"), storage, *tensor)})


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (pickled({"a": _Call(_Global("builtins", "eval"), "1")}), "asks for builtins.eval"),
        (pickled({"a": _Global("torch.nn", "Linear")}), r"asks for torch\.nn\.Linear"),
        (pickled([1, 2]), "something else"),
        (pickled({}), "something else"),
        (pickled({"a": 1}), "something else"),
        (reached((0, (5,), (1,))), "beyond its storage"),
        (reached((2, (3,), (1,))), "beyond its storage"),
        (reached((0, (1_000_000_000_000,), (0,))), "beyond its storage"),
        (reached((-1, (2,), (1,))), "without a shape"),
        (reached((0, (2, 2), (1,))), "without a shape"),
        (b"\x80\x02X\xff\xff\xff\xff", "can't be read|not a readable|not a dictionary|pickle"),
        (b"", "pickle"),
    ],
)
def test_a_description_that_is_no_dictionary_of_tensors_is_refused(tmp_path, description, reason):
    path = write_zip(tmp_path / "a.pth", {"a": np.zeros(4, np.float32)}, description)
    with pytest.raises(ValueError, match=reason):
        read_tensors(path)


def test_nothing_in_a_file_runs(tmp_path):
    flag = tmp_path / "flag"
    evil = pickle.dumps({"a": _Evil(flag)}, protocol=2)
    assert any(opcode.name == "GLOBAL" for opcode, *_ in pickletools.genops(evil))
    (tmp_path / "a.pth").write_bytes(evil)
    for path in (tmp_path / "a.pth", write_zip(tmp_path / "b.pth", {}, evil)):
        with pytest.raises(ValueError, match=r"asks for|not a file of torch|neither a"):
            read_tensors(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"\x00" * 100, b'{"a": 1}', random.Random(0).randbytes(64)],
    ids=["empty", "zip", "zeros", "json", "noise"],
)
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_what_is_no_such_file_is_one_sentence(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"neither a .pth|not a readable|zip|not a dictionary"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_file_that_was_cut_short_is_refused(tmp_path, write):
    path = write(tmp_path / "a.pth", TENSORS)
    content = path.read_bytes()
    for share in (0.2, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ValueError, match=r"\w"):
            read_tensors(path)
