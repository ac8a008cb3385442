import errno

import pytest
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.contract.problems import problem_of, reported
from app.store.database_file import FileGone

DATABASE = (OperationalError, DatabaseError, IntegrityError)


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


@pytest.mark.parametrize("error", [OSError(errno.EINVAL, "x"), ZeroDivisionError(), KeyError("x")])
def test_other_errors_are_ours(error):
    assert problem_of(error).status == 500
