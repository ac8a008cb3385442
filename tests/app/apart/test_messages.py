"""Processes that a file has taken over, so that they answer what they like: nothing is executed, one call is lost."""

import time

import pytest
from pydantic import TypeAdapter

from app.apart.messages import Failed, Raised, Returned
from app.apart.pool import Pool
from data_prep.errors import FileProblem, InputOverLimit, MalformedInput, UnsuitableStudy
from tests.app.apart import calls

MEMORY, SECONDS, SOON_S = 256 << 20, 1.0, 0.5


@pytest.fixture(scope="module", params=[True, False], ids=["copied", "kept"])
def pool(request):
    pool = Pool(MEMORY, SECONDS, preload="tests.app.apart.calls", copied=request.param)
    yield pool
    pool.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "error", "says"),
    [
        ("a pickle", MalformedInput, "breaks the process"),
        ("a pickle as multiprocessing sends it", MalformedInput, "breaks the process"),
        ("a length of 4 GB", MalformedInput, "breaks the process"),
        ("half an answer", MalformedInput, "breaks the process"),
        ("bytes that trickle", MalformedInput, "breaks the process"),
    ],
)
def test_a_lie_costs_one_call_and_executes_nothing(pool, tmp_path, kind, error, says):
    before = pool.call(int, calls.parent_id)
    started = time.monotonic()
    with pytest.raises(error, match=says):
        pool.call(int, calls.lie, kind, str(tmp_path / "made"))
    assert time.monotonic() - started < SECONDS + SOON_S
    assert not (tmp_path / "made").exists()
    assert pool.call(int, calls.parent_id) != before


INVALID = {
    "another type": b'{"stays":true,"result":"1"}',
    "no result": b'{"stays":true}',
    "more": b'{"stays":true,"result":1,"more":1}',
    "nothing": b"",
    "not a number": b'{"stays":true,"result":NaN}',
    "something behind the answer": b'{"stays":true,"result":1} x',
    "very deep": b"[" * 1_000_000,
    "no UTF-8": b'{"stays":true,"error":"\xff"}',
    "an error number that is text": b'{"stays":true,"error":"OSError","errno":"1"}',
}


@pytest.mark.parametrize("kind", INVALID)
def test_invalid_answers_are_refused(kind):
    with pytest.raises(ValueError, match="validation error"):
        TypeAdapter(Returned[int] | Raised).validate_json(INVALID[kind])


def test_an_error_of_another_name_is_no_such_error():
    said = Raised.model_validate_json('{"stays":true,"error":"SystemExit","detail":"0"}').exception()
    assert (type(said), str(said)) == (Failed, "")


@pytest.mark.slow
def test_who_says_more_than_was_asked_is_asked_nothing_more(pool, tmp_path):
    before = pool.call(int, calls.parent_id)
    assert pool.call(int, calls.lie, "an answer and more", str(tmp_path / "made")) == 1
    assert pool.call(int, calls.parent_id) != before


@pytest.mark.parametrize(
    "error",
    [
        UnsuitableStudy("No.", (FileProblem("a.dcm", "odd"),), "odd-geometry"),
        MalformedInput("No."),
        InputOverLimit("No.", (FileProblem("a.dcm", "odd"),)),
        OSError(28, "full"),
        MemoryError(),
    ],
)
def test_errors_come_back_as_they_were(error):
    said = Raised.model_validate_json(Raised.of(error, stays=True).model_dump_json()).exception()
    assert type(said) is type(error)
    for name in ("detail", "files", "kind", "errno"):
        assert getattr(said, name, None) == getattr(error, name, None)


def test_the_text_of_an_unexpected_error_is_not_passed_on():
    assert "Doe" not in Raised.of(KeyError("Doe^Jane"), stays=True).model_dump_json()
