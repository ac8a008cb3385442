import errno

import pytest
from sqlalchemy.exc import DatabaseError, DataError, IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.contract.problems import problem_of, reported
from app.store.disk.database_file import FileGone
from data_prep.errors import (
    FileProblem,
    InputOverLimit,
    MalformedBody,
    MalformedInput,
    UnsuitableStudy,
    UnsupportedInput,
)

DATABASE = (OperationalError, DatabaseError, IntegrityError, ProgrammingError)


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, "x", "Quibble") for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)),
        *(OSError(number, "x") for number in (errno.EIO, errno.EMFILE, errno.EPERM, errno.ENOENT)),
        *(kind("SELECT Quibble", {}, Exception("Quibble")) for kind in DATABASE),
        PoolTimeout("Quibble"),
        FileGone("Quibble"),
    ],
)
def test_faults_of_the_machine_are_503_are_logged_and_quote_nothing(error, caplog):
    problem = reported(error)
    assert problem.status == 503
    assert "Quibble" not in problem.detail + caplog.text
    assert "unexpected" in caplog.text


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EINVAL, "x"), ZeroDivisionError(), KeyError("x"), DataError("SELECT", {}, Exception("Quibble"))],
)
def test_other_errors_are_ours(error):
    """Also of a value that the database can't hold: asking again later changes nothing."""
    assert problem_of(error).status == 500


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (MalformedBody, 400),
        (InputOverLimit, 413),
        (UnsupportedInput, 415),
        (MalformedInput, 422),
        (UnsuitableStudy, 422),
    ],
)
def test_the_kind_of_an_input_error_decides_its_status(kind, status):
    assert problem_of(kind("It is bad.")).status == status


@pytest.mark.parametrize("name", ["Quibble/IM1", "first", "e"])
def test_names_of_files_are_beside_the_sentence_only(name):
    """Also if the name of another file is the end of this one's."""
    files = tuple(FileProblem(each, "It is cut short.") for each in ("IM1", name))
    problem = problem_of(MalformedInput(f"None of the 2 files can be read. The first: {name}: It is cut short.", files))
    assert problem.detail == "None of the 2 files can be read. The first: It is cut short."
    assert [error["file"] for error in problem.document()["errors"]] == ["IM1", name]
