"""Arrays come back as they were written, by old and new pickles; anything else is refused and nothing runs."""

import builtins
import os
import pickle
import pickletools
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import InputError, InputOverLimit, MalformedInput
from data_prep.limits import Limits
from data_prep.prepare.array_files import OPCODES, read_array
from tests.data_prep.dicom_factory import bounded_memory
from tests.data_prep.old_pickles import old_pickle

SHAPE = (3, 5, 4)
DTYPES = ("u1", "i1", "<i2", ">i2", "<u2", "<i4", "<i8", "<f4", ">f8")
PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


def make_array(dtype: str = "<i2", shape: tuple[int, ...] = SHAPE, by_columns: bool = False) -> np.ndarray:
    """Values that use every byte."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    content = np.random.default_rng(5).integers(1, 100, count).astype(np.uint8).tobytes()
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")


def put(folder: Path, content: bytes, name: str = "volume.pck") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def assert_same(found: np.ndarray, array: np.ndarray) -> None:
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pickles_of_python_2_come_back(tmp_path, dtype, by_columns):
    array = make_array(dtype, by_columns=by_columns)
    assert_same(read_array(put(tmp_path, old_pickle(array))), array)


def test_python_itself_reads_our_old_pickles_alike():
    array = make_array()
    assert_same(pickle.loads(old_pickle(array), encoding="latin1"), array)  # noqa: S301  # our own, two lines up


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("by_columns", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pickles_of_today_come_back(tmp_path, dtype, by_columns, protocol):
    array = make_array(dtype, by_columns=by_columns).copy("K")
    assert_same(read_array(put(tmp_path, pickle.dumps(array, protocol))), array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_values_of_every_size_come_back(tmp_path, protocol):
    array = make_array("<u2", (40, 64, 70))
    assert_same(read_array(put(tmp_path, pickle.dumps(array, protocol))), array)


def test_npy_comes_back_and_stays_on_disk(tmp_path):
    array = make_array("u1", (30, 256, 256))
    np.save(tmp_path / "volume.npy", array)
    with bounded_memory(200_000):
        found = read_array(tmp_path / "volume.npy")
    assert_same(found, array)


class Planted:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wrap", [lambda planted: planted, lambda planted: (1, planted)])
@pytest.mark.parametrize(
    ("function", "name"), [(os.system, "system"), (builtins.eval, "eval"), (np.load, "load"), (os.getenv, "getenv")]
)
def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(tmp_path, function, name, wrap, protocol):
    ran = tmp_path / "ran"
    text = f"open({str(ran)!r}, 'w')" if function is builtins.eval else f"touch {ran}"
    path = put(tmp_path, pickle.dumps(wrap(Planted(function, text)), protocol))
    with pytest.raises(MalformedInput, match=rf"volume.pck: .*{name}, which isn't part of an array"):
        read_array(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (np.array([[[1, None]]], object), "of numbers"),
        (np.array([[["text"]]]), "other than numbers"),
        (np.zeros((1, 1, 1), "c16"), "other than numbers"),
        (np.zeros((1, 1, 1), [("a", "i2")]), "of numbers"),
        (np.array([[["2020-01-01"]]], "M8[D]"), "other than numbers"),
        ((1, 2), "no array of numbers"),
        (7, "no array of numbers"),
        ([make_array()], "EMPTY_LIST"),
        ({"volume": make_array()}, "EMPTY_DICT"),
        (Fraction(1, 3), "Fraction"),
        (make_array(shape=(5, 4)), r"shape \(5, 4\) isn't"),
        (make_array(shape=(0, 5, 4)), "isn't"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_of_something_else_is_refused(tmp_path, thing, message, protocol):
    with pytest.raises(MalformedInput, match=message):
        read_array(put(tmp_path, pickle.dumps(thing, protocol)))


@pytest.mark.parametrize(
    "shape", [(3, 5, 5), (2**31 - 1,) * 3, (-3, -5, 4), (3, 5, -4), (1,) * 70, (60, 2, 1, 1)], ids=str
)
def test_a_lying_shape_takes_no_memory(tmp_path, shape):
    path = put(tmp_path, old_pickle(make_array(), shape=shape))
    with bounded_memory(1_000_000), pytest.raises(MalformedInput, match=r"volume.pck: It"):
        read_array(path)


@pytest.mark.parametrize("code", ["O8", "V2", "i1", "i16", "i2,i2", "2i2", "datetime64", "float64", "x"])
def test_a_lying_dtype_is_refused(tmp_path, code):
    with pytest.raises(MalformedInput, match=r"volume.pck: It"):
        read_array(put(tmp_path, old_pickle(make_array(), code=code)))


def test_numpys_own_dtypes_are_never_touched(tmp_path):
    """NumPy shares them: a byte order set on one would hold for all arrays of the process."""
    content = old_pickle(make_array("<i2")).replace(b"U\x01<", b"U\x01>")
    assert read_array(put(tmp_path, content)).dtype == ">i2"
    assert np.dtype("i2").isnative


LARGE = (2**31 - 1).to_bytes(4, "little")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02K\x01r" + LARGE + b".",  # LONG_BINPUT: remember as number 2 147 483 647
        b"\x80\x02T" + LARGE + b"abc.",  # BINSTRING of 2 GB, in a file of 10 bytes
        b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"abc.",  # BINBYTES8 of an exabyte
        b"\x80\x05\x96" + (1 << 60).to_bytes(8, "little") + b"abc.",  # BYTEARRAY8
        b"\x80\x04\x95" + (1 << 60).to_bytes(8, "little") + b"K\x01.",  # FRAME
        b"\x80\x02c__builtin__\nxrange\n.",
        b"\x80\x02" + b"(" * 100_000 + b".",
        b"\x80\x02" + b"N" + b"\x85" * 100_000 + b".",
        b"\x80\x02.",
        b"\x80\xff.",
        b"\x80\x02K\x01",
        b"",
        b"not a pickle",
    ],
    ids=lambda content: content[:8].hex(),
)
def test_malformed_pickles_are_refused_without_memory(tmp_path, content):
    with bounded_memory(20_000_000), pytest.raises(MalformedInput, match=r"volume.pck: It"):
        read_array(put(tmp_path, content))


@pytest.mark.parametrize("protocol", ["old", 2, 4, 5])
def test_truncated_pickles_are_refused_wherever_they_end(tmp_path, protocol):
    array = make_array()
    whole = old_pickle(array) if protocol == "old" else pickle.dumps(array, protocol)
    for end in range(len(whole)):
        with pytest.raises(MalformedInput):
            read_array(put(tmp_path, whole[:end]))


PICKLES = [old_pickle(make_array(shape=(2, 2, 2))), *(pickle.dumps(make_array(shape=(2, 2, 2)), p) for p in PROTOCOLS)]
OPCODE_BYTES = [ord(opcode.code) for opcode in pickletools.opcodes if opcode.name in OPCODES]


@pytest.mark.slow
@given(data=st.data())
def test_changed_pickles_are_an_array_or_an_input_error(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(PICKLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(OPCODE_BYTES)))
        if data.draw(st.booleans()):
            content[place] = new
        else:
            content.insert(place, new)
    path = put(tmp_path_factory.getbasetemp(), bytes(content), "changed.pck")
    with suppress(InputError):
        array = read_array(path)
        assert array.ndim == 3
        assert array.dtype.kind in "uif"
    assert np.dtype("i2").isnative


def save_ragged(path: Path) -> None:
    slices = np.empty(2, object)
    slices[:] = [np.zeros((4, 4)), np.zeros((4, 5))]
    np.save(path, slices, allow_pickle=True)


def save_short(path: Path) -> None:
    np.save(path, make_array())
    path.write_bytes(path.read_bytes()[:-1])


def save_lying(path: Path) -> None:
    np.save(path, make_array())
    path.write_bytes(path.read_bytes().replace(b"(3, 5, 4)", b"(9, 9, 9)"))


@pytest.mark.parametrize(
    ("save", "message"),
    [
        (save_ragged, "can't be read: .*Python objects"),
        (save_short, "can't be read: "),
        (save_lying, "can't be read: "),
        (lambda path: path.write_bytes(b""), "can't be read: "),
        (lambda path: path.write_bytes(b"\x93NUMPY"), "can't be read: "),
        (lambda path: np.save(path, np.zeros((2, 2, 2), bool)), "hold an array of numbers"),
        (lambda path: np.save(path, np.zeros((2, 2, 2), complex)), "hold an array of numbers"),
        (lambda path: np.save(path, np.zeros((4, 4))), r"shape \(4, 4\) isn't"),
    ],
)
def test_other_npy_files_are_refused(tmp_path, save, message):
    path = tmp_path / "0003.npy"
    save(path)
    with pytest.raises(MalformedInput, match=rf"0003.npy: It.*{message}|0003.npy: Its {message}") as caught:
        read_array(path)
    assert caught.value.files[0].file == "0003.npy"


@pytest.mark.parametrize("limits", [Limits(file_bytes=100), Limits(voxels=59)])
def test_limits_hold(tmp_path, limits):
    path = put(tmp_path, old_pickle(make_array()))
    with pytest.raises(InputOverLimit, match=r"volume.pck: more than"):
        read_array(path, limits)


def test_values_that_are_no_numbers_are_refused(tmp_path):
    np.save(tmp_path / "volume.npy", np.full((3, 4, 5), np.nan, np.float32))
    with pytest.raises(MalformedInput, match=r"volume\.npy: Some of its values are not finite"):
        read_array(tmp_path / "volume.npy")
