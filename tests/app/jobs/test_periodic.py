import logging

from app.jobs.periodic import Periodic


def test_rounds_go_on_after_errors_and_a_row_of_errors_is_logged_once(caplog):
    outcomes = iter([OSError(), OSError(), None, OSError()])
    logged = []

    def work() -> None:
        if (outcome := next(outcomes)) is not None:
            raise outcome

    rounds = Periodic("test", work, 1.0)
    for _ in range(4):
        with caplog.at_level(logging.ERROR):
            rounds.once()
        logged.append(len(caplog.records))
    assert logged == [1, 1, 1, 2]
