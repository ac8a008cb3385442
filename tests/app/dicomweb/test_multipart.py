"""Bytes that are cut anywhere give the same parts; hostile ones give an error, soon and small."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dicomweb import multipart
from app.dicomweb.media_types import DICOM, MediaType
from app.http.uploads import MAX_PARTS
from data_prep.errors import InputError, InputOverLimit, MalformedBody

BOUNDARY = "0f3cf5c0-70e0"
# What a parser may be misled by: beginnings of the boundary, line ends, dashes.
TOKENS = st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"0f3c", b"0f3cf5c0-70e", b"x", b"\0"])
TRICKY = st.lists(TOKENS).map(b"".join)
CONTENTS = st.lists(st.one_of(TRICKY, st.binary(max_size=300)), min_size=1, max_size=5)
# Bytes that one piece, its parts' beginnings and the parser's own variables take.
BOUNDED = 8 << 20


class InPieces(io.RawIOBase):
    """A body that arrives as the network likes."""

    def __init__(self, body: bytes, sizes: list[int]) -> None:
        self._body, self._sizes = io.BytesIO(body), sizes

    def read(self, size: int = -1) -> bytes:
        return self._body.read(self._sizes.pop() if self._sizes else size)


def encode(contents: list[bytes]) -> bytes:
    return b"".join(multipart.join(((MediaType(DICOM), [content]) for content in contents), BOUNDARY))


def decode(body) -> list[bytes]:
    found = []
    for _, part in multipart.parts(body, BOUNDARY):
        with part:
            part.seek(0)
            found.append(part.read())
    return found


@given(contents=CONTENTS, sizes=st.lists(st.integers(1, 40)))
def test_a_body_cut_anywhere_gives_its_parts(contents, sizes):
    clean = [content for content in contents if BOUNDARY.encode() not in content]
    if clean:
        assert decode(InPieces(encode(clean), sizes)) == clean


def test_cut_at_every_single_place():
    contents = [b"\r\n--0f3cf5c0-70", b"", b"two\r\n"]
    body = encode(contents)
    for place in range(1, len(body)):
        assert decode(InPieces(body, [len(body), place])) == contents


def test_parts_come_while_the_body_still_arrives():
    body = encode([b"first", b"second"])
    arriving = InPieces(body, [1] * len(body))
    _, part = next(multipart.parts(arriving, BOUNDARY))
    assert arriving._body.tell() < len(body)
    with part:
        part.seek(0)
        assert part.read() == b"first"


def test_content_types_are_told_whatever_their_case():
    body = (
        f"--{BOUNDARY}\r\nX: y\r\ncontent-type:  Application/DICOM \r\n\r\n1\r\n--{BOUNDARY}\r\n\r\n2\r\n--{BOUNDARY}--"
    )
    parts = list(multipart.parts(io.BytesIO(body.encode()), BOUNDARY))
    assert [kind for kind, _ in parts] == ["Application/DICOM", ""]
    for _, part in parts:
        part.close()


PREAMBLES = [
    b"",
    b"\r\n",
    b"This is a message in parts.\r\n",
    b"--\r\n",
    f"--{BOUNDARY}x\r\n".encode(),
    f"beside --{BOUNDARY}\r\n".encode(),
    b"x" * (multipart.MOST_PREAMBLE - 2) + b"\r\n",
]


@pytest.mark.parametrize("preamble", PREAMBLES)
@pytest.mark.parametrize("padding", [b"", b" ", b"\t  \t"])
@pytest.mark.parametrize("epilogue", [b"", b"\r\n", b" \t\r\nThat was all.", f"\r\n--{BOUNDARY}\r\n".encode()])
def test_preamble_padding_and_epilogue_belong_to_no_part(preamble, padding, epilogue):
    """RFC 2046 5.1.1, wherever the body is cut."""
    line = b"--" + BOUNDARY.encode()
    contents = [b"one\r\n", b"", b"--" + BOUNDARY.encode()[:5]]
    parts = b"".join(line + padding + b"\r\n\r\n" + content + b"\r\n" for content in contents)
    body = preamble + parts + line + b"--" + epilogue
    assert decode(io.BytesIO(body)) == contents
    for place in range(max(1, len(preamble)), len(preamble) + 60):
        assert decode(InPieces(body, [len(body), place])) == contents


def test_a_long_preamble_is_refused_whether_or_not_a_boundary_follows():
    preamble = b"x" * (multipart.MOST_PREAMBLE + 1) + b"\r\n"
    for body in (2 * preamble, preamble + encode([b"a"])):
        with pytest.raises(MalformedBody, match="before the first boundary"):
            decode(io.BytesIO(body))


def test_the_place_of_a_part_is_told():
    content_type, body = multipart.related("image/png", [(MediaType("image/png"), [b"1", b"2"], "/a/b")])
    assert content_type.startswith('multipart/related; type="image/png"; boundary=')
    assert b"\r\nContent-Type: image/png\r\nContent-Location: /a/b\r\n\r\n12\r\n--" in b"".join(body)


@given(body=st.one_of(TRICKY, st.binary(max_size=2000)), truncated=st.integers(1, 30))
def test_what_is_no_whole_body_is_refused(body, truncated):
    for damaged in (body, encode([b"a", b"b"])[:-truncated], encode([b"a"]).replace(b"\r\n\r\n", body)):
        try:
            decode(io.BytesIO(damaged))
        except InputError:
            continue
        assert f"--{BOUNDARY}--".encode() in damaged


@pytest.mark.parametrize("boundary", ["", "x" * 5000, "é" * 300])
def test_a_strange_boundary_is_refused(boundary):
    with pytest.raises(MalformedBody):
        list(multipart.parts(io.BytesIO(encode([b"a"])), boundary))


@pytest.mark.parametrize(
    ("hostile", "error"),
    [
        (encode([b""] * (MAX_PARTS + 1)), InputOverLimit),
        (encode([b""] * 100_000), InputOverLimit),
        (f"--{BOUNDARY}\r\n".encode() + b"a" * (30 << 20), MalformedBody),
        (f"--{BOUNDARY}\r\nX: ".encode() + b"a" * (30 << 20), MalformedBody),
        (f"--{BOUNDARY}\r\n".encode() + b"a: b\r\n" * 100_000, MalformedBody),
        (f"--{BOUNDARY}\r\n\r\n".encode() + b"a" * (30 << 20), MalformedBody),
        (f"--{BOUNDARY}\r\n\r\n".encode() + b"\r\n--0f3c" * 1_000_000, MalformedBody),
        (b"\r\n" * (10 << 20), MalformedBody),
        (f"\r\n--{BOUNDARY}x".encode() * 1_000_000, MalformedBody),
        (b"", MalformedBody),
    ],
    ids=[
        "one too many",
        "parts",
        "name",
        "value",
        "headers",
        "endless part",
        "almost boundaries",
        "newlines",
        "endless preamble",
        "nothing",
    ],
)
def test_a_hostile_body_takes_bounded_memory(hostile, error):
    body = io.BytesIO(hostile)
    tracemalloc.start()
    try:
        with pytest.raises(error):
            decode(body)
        assert tracemalloc.get_traced_memory()[1] < BOUNDED
    finally:
        tracemalloc.stop()
