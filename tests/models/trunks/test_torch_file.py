"""Files as `torch.save` writes them, made by hand and, where PyTorch is installed, by PyTorch itself."""

import os
import pickle
import pickletools
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.trunks.torch_file import read_tensors
from tests.models.trunks.torch_files import Call, Global, Storage, pickled, write_legacy, write_zip

TENSORS: dict[str, Any] = {
    "features.0.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2),
    "features.0.bias": np.array([1.5, -2.0], np.float32),
    "classifier.half": np.array([[0.5]], np.float16),
    "steps": np.array(7, np.int64),
}


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
    storage = Storage("0", np.zeros(4, np.float32), legacy=False)
    return pickled({"a": Call(Global("torch._utils", "_rebuild_tensor_v2"), storage, *tensor)})


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (pickled({"a": Call(Global("builtins", "eval"), "1")}), "asks for builtins.eval"),
        (pickled({"a": Global("torch.nn", "Linear")}), r"asks for torch\.nn\.Linear"),
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
    [b"", b"PK\x03\x04", b"\x00" * 100, b'{"a": 1}', random.Random(0).randbytes(64), b"S'\\}'\n."],
    ids=["empty", "zip", "zeros", "json", "noise", "protocol 0"],
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
