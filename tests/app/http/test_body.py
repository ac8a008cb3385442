import io

import pytest
from gunicorn.http.errors import InvalidChunkSize, NoMoreData
from werkzeug.exceptions import BadRequest, RequestTimeout

from app.http.body import Body, checked


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
