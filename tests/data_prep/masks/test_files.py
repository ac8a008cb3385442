"""Pictures of every format of PNG, arrays, and files that can't be used."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_prep.errors import InputOverLimit, MalformedInput
from data_prep.limits import Limits
from data_prep.masks import files
from data_prep.masks.files import read_arrays, read_picture, read_volume_array
from tests.data_prep.masks.making import grey, put


def png(path: Path, depth: int, kind: int, *lines: bytes, size: tuple[int, int], **chunks: bytes) -> Path:
    """A PNG file made by hand: formats that OpenCV doesn't write (PNG specification, 11.2.1)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *(chunk(name.encode(), content) for name, content in chunks.items())]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def test_one_bit(tmp_path):
    path = png(tmp_path / "a.png", 1, 0, b"\x0f", b"\xf0", size=(8, 2))
    assert read_picture(path).tolist() == [[0] * 4 + [255] * 4, [255] * 4 + [0] * 4]


def test_a_palette_becomes_its_colours(tmp_path):
    path = png(tmp_path / "a.png", 8, 3, b"\0\1\2", size=(3, 1), PLTE=b"\0\0\0\xff\0\0\0\x80\0")
    assert read_picture(path).tolist() == [[[0, 0, 0], [255, 0, 0], [0, 128, 0]]]
    path = png(tmp_path / "b.png", 8, 3, b"\0\1", size=(2, 1), PLTE=b"\0\0\0\xff\0\0", tRNS=b"\0\xff")
    assert read_picture(path).tolist() == [[[0, 0, 0, 0], [255, 0, 0, 255]]]


def test_grey_with_opacity(tmp_path):
    path = png(tmp_path / "a.png", 8, 4, b"\5\xff\6\0", size=(2, 1))
    assert read_picture(path).tolist() == [[[5, 5, 5, 255], [6, 6, 6, 0]]]


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pictures_come_back_as_they_were_written(tmp_path, dtype, channels):
    picture = grey(20, 12 * channels).astype(dtype) * (257 if dtype == "u2" else 1)
    picture = picture.reshape(20, 12, channels)[..., 0] if channels == 1 else picture.reshape(20, 12, channels)
    found = read_picture(put(tmp_path / "a.png", picture))
    assert found.dtype == picture.dtype
    np.testing.assert_array_equal(found, picture)


def test_a_jpeg_is_read_whatever_it_is_called(tmp_path):
    put(tmp_path / "a.jpg", picture := cv2.GaussianBlur(grey(), (0, 0), 3))
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    assert np.abs(read_picture(tmp_path / "a.png").astype(int) - picture).max() < 16


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "text"])
def test_damaged_pictures_are_refused_by_name(tmp_path, name, damage):
    content = bytearray(put(tmp_path / name, grey(64, 64)).read_bytes())
    if damage == "changed":
        content[len(content) // 2 : len(content) // 2 + 2] = b"\0\0" if name == "a.png" else b"\xff\xd9"
        content = content if name == "a.png" else content[: len(content) // 2]
    damaged = {"cut": content[: len(content) // 2], "empty": b"", "text": b"GIF89a"}.get(damage, content)
    (tmp_path / name).write_bytes(bytes(damaged))
    with pytest.raises(MalformedInput, match=rf"{name}: (the picture is damaged or cut short|it isn't a PNG or JPEG)"):
        read_picture(tmp_path / name)


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_SIDE", 30)
    with pytest.raises(InputOverLimit, match=r"a.png: it has 48 x 40 pixels; we take up to 30"):
        read_picture(put(tmp_path / "a.png", grey()))


def test_arrays(tmp_path):
    np.save(tmp_path / "a.npy", volume := np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(read_volume_array(tmp_path / "a.npy"), volume)
    np.save(tmp_path / "b.npy", volume[0])
    np.testing.assert_array_equal(read_volume_array(tmp_path / "b.npy"), volume[:1])
    np.savez(tmp_path / "c.npz", other=volume[0], voxels=volume)
    np.testing.assert_array_equal(read_volume_array(tmp_path / "c.npz"), volume)
    np.savez(tmp_path / "d.npz", scan=volume)
    np.testing.assert_array_equal(read_volume_array(tmp_path / "d.npz"), volume)


def test_nothing_is_unpickled(tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    np.save(tmp_path / "a.npy", np.array([Bomb()], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", np.array([Bomb()], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(MalformedInput, match=f"{name}: it holds Python objects, not numbers"):
            read_arrays(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros((2, 3)), "b": np.zeros((2, 3))}, r"several arrays \(a, b\) and none is called voxels"),
        ({"a": np.zeros((2, 3, 4, 3))}, r"its shape \(2, 3, 4, 3\) isn't .*; it may have channels"),
        ({"a": np.zeros((2, 0, 4))}, "its shape"),
        ({"a": np.zeros(5)}, "its shape"),
        ({"a": np.zeros((2, 3), bool)}, "as a mask does"),
        ({"a": np.array(["x"])}, "no array of numbers"),
        ({"a": np.full((2, 3), np.inf)}, "not finite"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(MalformedInput, match=f"a.npz: .*{message}"):
        read_volume_array(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_arrays_are_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\3\4 nothing")
    with pytest.raises(MalformedInput, match=f"{name}: "):
        read_arrays(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / f"gone-{name}")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "Limits", lambda: Limits(file_bytes=100_000))
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(200_000, np.uint8))
    assert (tmp_path / "a.npz").stat().st_size < 10_000
    with pytest.raises(InputOverLimit, match=r"a.npz: it holds more than 100,000 bytes"):
        read_arrays(tmp_path / "a.npz")
