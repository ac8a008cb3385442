import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidHeader, LimitRequestHeaders, LimitRequestLine

from app.server.request_head import HEAD_BYTES, Lane, RequestHead

HOST = b" HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def config() -> Config:
    config = Config()
    config.set("limit_request_line", 100)
    return config


@pytest.mark.parametrize(
    "said", [b"GET /" + HOST + b"\r\n", b"\r\nGET /" + HOST + b"\r\n", b"GET /\r\n\r\n", b"\r\n\r\n"]
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_head_is_complete_at_its_empty_line_however_it_is_cut(config, said, size):
    head = RequestHead()
    for start in range(0, len(said), size):
        assert not head.is_complete(config)
        head.bytes += said[start : start + size]
    assert head.is_complete(config)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"GET /" + b"x" * 200, LimitRequestLine),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * HEAD_BYTES, LimitRequestHeaders),
        (b"GET / HTTP/1.1\nHost: x\n\n", InvalidHeader),
        (b"\n", InvalidHeader),
    ],
)
@pytest.mark.parametrize("size", [7, 1 << 20])
def test_what_will_never_be_complete_is_told(config, said, error, size):
    head = RequestHead()

    def take() -> None:
        for start in range(0, len(said), size):
            head.bytes += said[start : start + size]
            assert not head.is_complete(config)

    with pytest.raises(error):
        take()


@pytest.mark.parametrize(
    ("said", "lane"),
    [
        (b"GET /healthz" + HOST, Lane.HEALTH),
        (b"GET /readyz?x=/healthz" + HOST, Lane.HEALTH),
        (b"GET /healthz" + HOST + b"Content-Length: 5\r\n", Lane.WITH_BODY),
        (b"POST /readyz" + HOST + b"TRANSFER-ENCODING : chunked\r\n", Lane.WITH_BODY),
        (b"GET /healthz/x" + HOST, Lane.WITHOUT_BODY),
        (b"GET /v1/models" + HOST + b"X-Content-Length: 5\r\n", Lane.WITHOUT_BODY),
        (b"GET /dicom-web/studies/1.2" + HOST, Lane.RETRIEVAL),
        (b"GET /dicom-web/studies/1.2/series/3.4/metadata?a=/series" + HOST, Lane.RETRIEVAL),
        (b"GET /dicom-web/studies/1.2/series/3.4/instances/5.6/frames/1" + HOST, Lane.RETRIEVAL),
        (b"GET /dicom-web/studies/1.2/series/3.4/instances" + HOST, Lane.WITHOUT_BODY),
        (b"GET /dicom-web/studies/1.2/series?limit=1" + HOST, Lane.WITHOUT_BODY),
        (b"GET /dicom-web/studies?StudyDate=20260101" + HOST, Lane.WITHOUT_BODY),
        (b"POST /dicom-web/studies/1.2" + HOST + b"Content-Length: 5\r\n", Lane.WITH_BODY),
        (b"\x16\x03\x01\r\n", Lane.WITHOUT_BODY),
    ],
)
def test_the_lane_of_a_request(said, lane):
    assert RequestHead(said + b"\r\nContent-Length: 3\r\n\r\n").lane() is lane
