"""Written samples are what `training.segment` reads, and the same for the same seed."""

from pathlib import Path

import numpy as np
import pytest

from data_prep.masks.load import load_annotated
from data_prep.masks.table import by_exam, read_masks
from data_prep.randomise import LabelMap, written
from data_prep.randomise.written import LARGEST_SHARE, TOGETHER, Written
from data_prep.workers import Workers

NAMES = ("acl", "femur")


@pytest.fixture
def folder(knees: list[LabelMap], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Samples of two small knees instead of the large ones."""
    monkeypatch.setattr(written, "load_maps", lambda folder, seed, count, workers=None: knees)
    Written(tmp_path, tmp_path / "maps", NAMES, 32, 5).write({"train": 40, "val": 1, "test": 0}, 8, Workers(1))
    return tmp_path


def test_what_is_written_can_be_read_as_annotated_exams(folder: Path) -> None:
    exams = [load_annotated(rows) for rows in by_exam(read_masks(folder / "masks.csv")).values()]
    assert [exam.split for exam in exams] == ["train", "train", "val"]
    for exam in exams:
        assert exam.voxels.shape == (TOGETHER, 32, 32)
        assert exam.drawn.all()
        assert exam.spacing_mm is None
        assert exam.structures == NAMES
        assert set(np.unique(exam.labels)) == {0, 1, 2}
        assert max((exam.labels == value).mean(axis=(1, 2)).max() for value in (1, 2)) <= LARGEST_SHARE
    assert len({exam.patient_id for exam in exams}) == 3
    assert not np.array_equal(exams[0].voxels, exams[1].voxels)


def test_files_that_are_there_are_kept_and_new_ones_are_the_same(folder: Path) -> None:
    files = sorted(folder.glob("random-*"))
    before = {path: path.read_bytes() for path in files}
    kept = files[0].stat().st_mtime_ns
    files[2].unlink()
    Written(folder, folder / "maps", NAMES, 32, 5).write({"train": 40, "val": 1, "test": 0}, 8, Workers(1))
    assert files[0].stat().st_mtime_ns == kept
    assert {path: path.read_bytes() for path in files} == before


@pytest.mark.parametrize(
    ("names", "size", "reason"), [(("acl", "hip"), 64, "no structure 'hip'"), (NAMES, 4, "16 x 16")]
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, names: tuple[str, ...], size: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Written(tmp_path, tmp_path, names, size, 1)
