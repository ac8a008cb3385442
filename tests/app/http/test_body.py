import gzip
import io
import shutil
import tracemalloc
import zlib

import numpy as np
import pytest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import BadRequest, RequestTimeout

from app.http.body import Body, Unpacked, checked
from data_prep.errors import InputOverLimit, MalformedBody


class Failing(io.BytesIO):
    """A body that ends with an error."""

    def __init__(self, content: bytes, error: Exception) -> None:
        super().__init__(content)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data:
            raise self._error
        return data


def test_a_whole_body_is_read_as_it_is():
    assert Body(io.BytesIO(b"abc"), 3).read() == b"abc"
    assert Body(io.BytesIO(b"abc\nd"), None).readlines() == [b"abc\n", b"d"]
    assert Body(io.BytesIO(b""), None).read() == b""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), RequestTimeout),
        (ConnectionResetError(), BadRequest),
        (NoMoreData(b"secret"), BadRequest),
        (InvalidChunkSize(b"secret"), BadRequest),
    ],
)
def test_what_goes_wrong_is_the_client_s_fault_and_isn_t_quoted(error, expected):
    with pytest.raises(expected) as told:
        Body(Failing(b"abc", error), None).read()
    assert "secret" not in str(told.value)


def test_a_body_shorter_than_its_length_is_told():
    with pytest.raises(BadRequest, match="shorter"):
        Body(io.BytesIO(b"abc"), 5).read()


def test_every_body_of_an_application_is_checked():
    seen = []

    def application(environ, start_response):
        seen.append(environ["wsgi.input"].read())
        return []

    checked(application)({"wsgi.input": io.BytesIO(b"abc"), "CONTENT_LENGTH": "3"}, None)
    checked(application)({"wsgi.input": io.BytesIO(b""), "CONTENT_LENGTH": ""}, None)
    assert seen == [b"abc", b""]


class Nowhere(io.RawIOBase):
    """Takes everything and keeps nothing."""

    def write(self, data: object) -> int:
        return len(memoryview(data))


def unpacked(packed: bytes, most: int = 1 << 30, size: int = 1 << 20) -> bytes:
    stream = Unpacked(io.BytesIO(packed), most)
    return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_packed_body_is_unpacked(size):
    content = bytes(range(256)) * 20
    assert unpacked(gzip.compress(content), size=size) == content
    assert (
        unpacked(gzip.compress(content) + gzip.compress(b"") + gzip.compress(b"more"), size=size) == content + b"more"
    )
    assert unpacked(gzip.compress(b"")) == b""


@given(content=st.binary(max_size=5000), sizes=st.integers(1, 3000), level=st.integers(0, 9))
def test_what_was_packed_comes_out_however_it_is_read(content, sizes, level):
    assert unpacked(gzip.compress(content, level), size=sizes) == content


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no gzip",
        gzip.compress(b"abc" * 100)[:-1],
        gzip.compress(b"abc" * 100)[:15],
        gzip.compress(b"abc") + b"rest",
        gzip.compress(b"abc")[:-8] + bytes(8),  # another checksum
        zlib.compress(b"abc"),
    ],
)
def test_a_body_that_is_no_gzip_is_refused(damaged):
    with pytest.raises(MalformedBody):
        unpacked(damaged)


@pytest.mark.slow
def test_a_packed_body_costs_no_more_than_was_sent():
    """By its size, by its ratio, and by members that hold nothing; in little memory."""
    zeros = gzip.compress(bytes(64 << 20))
    for packed, most, sentence in (
        (zeros, 1 << 20, "may unpack to 1 MB"),
        (zeros, 1 << 30, "200 times"),
        (gzip.compress(b"") * 70_000, 1 << 30, "members"),
    ):
        tracemalloc.start()
        try:
            with pytest.raises(InputOverLimit, match=sentence):
                shutil.copyfileobj(Unpacked(io.BytesIO(packed), most), Nowhere(), 1 << 20)
            assert tracemalloc.get_traced_memory()[1] < len(packed) + (8 << 20)
        finally:
            tracemalloc.stop()
    assert len(unpacked(gzip.compress(np.random.default_rng(0).bytes(20 << 20)))) == 20 << 20
