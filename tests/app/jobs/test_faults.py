import pytest
from werkzeug.exceptions import InternalServerError, NotFound

from app.apart.messages import Failed
from app.jobs.faults import FIRST_PAUSE_S, LONGEST_PAUSE_S, TRIES, Failures, Pauses, is_ours
from data_prep.errors import UnsuitableStudy


def test_pauses_grow_until_they_are_forgotten():
    now = 0.0
    pauses = Pauses(lambda: now)
    lengths = []
    for _ in range(12):
        pauses.begin("a")
        start = now
        while pauses.current():
            now += FIRST_PAUSE_S
        lengths.append(now - start)
    assert lengths[:4] == [FIRST_PAUSE_S * factor for factor in (1, 2, 4, 8)]
    assert lengths[-1] == LONGEST_PAUSE_S
    pauses.forget("a")
    pauses.begin("a")
    now += FIRST_PAUSE_S
    assert pauses.current() == set()


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (ValueError("x"), True),
        (Failed(), True),
        (UnsuitableStudy("x"), False),
        (NotFound(), False),
        (OSError(28, "full"), False),
        (InternalServerError("stopped 3 times"), False),
    ],
)
def test_what_is_a_fault_of_this_program(error, ours):
    assert is_ours(error) is ours


def test_failures_in_a_row_are_counted_until_the_last_try():
    failures = Failures()
    assert [failures.is_enough("a") for _ in range(TRIES)] == [False] * (TRIES - 1) + [True]
    assert failures.is_enough("a") is False  # a new row begins
    failures.forget("a")
    failures.forget("never seen")
    assert [failures.is_enough("a") for _ in range(TRIES)] == [False] * (TRIES - 1) + [True]


def test_what_met_no_fault_has_no_pause():
    pauses = Pauses()
    pauses.begin("a")
    assert pauses.current() == {"a"}
