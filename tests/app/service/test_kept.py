"""A folder of de-identified data stays one, and a folder with names doesn't become one."""

import pytest

from app.service.kept import check_kept
from app.service.settings import Settings
from app.store.instances import Instances
from app.store.opening import StoreError, open_database
from tests.app.studies import instances, voxels

KEY, OTHER = "k" * 32, "o" * 32
BASIC = {"deidentify": "basic", "deidentify_key": KEY}


@pytest.fixture
def start(tmp_path):
    """Starts with these settings and stores something."""

    def run(**settings) -> None:
        database = open_database("", tmp_path)
        try:
            check_kept(Settings(data=tmp_path, **settings), database)
            Instances(tmp_path / "instances", database).receive([("", instances(voxels()[:1])[0])])
        finally:
            database.close()

    return run


@pytest.mark.parametrize("settings", [{}, BASIC, BASIC | {"deidentify": "basic-retain-uids"}])
def test_the_same_settings_start_again(start, settings):
    start(**settings)
    start(**settings)


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (BASIC, {}, "set CRUCIATE_DEIDENTIFY and CRUCIATE_DEIDENTIFY_KEY as before"),
        (BASIC, BASIC | {"deidentify_key": OTHER}, "another mode or key"),
        (BASIC, BASIC | {"deidentify": "basic-retain-uids"}, "another mode or key"),
        ({}, BASIC, "isn't de-identified"),
    ],
)
def test_other_settings_are_refused_and_the_former_ones_go_on(start, before, now, says):
    start(**before)
    with pytest.raises(StoreError, match=says):
        start(**now)
    start(**before)


def test_a_folder_that_is_still_empty_can_become_either(tmp_path):
    database = open_database("", tmp_path)
    check_kept(Settings(data=tmp_path), database)
    check_kept(Settings(data=tmp_path, **BASIC), database)
    assert (tmp_path / "deidentified").stat().st_mode & 0o777 == 0o600
    assert KEY not in (tmp_path / "deidentified").read_text()
    database.close()
