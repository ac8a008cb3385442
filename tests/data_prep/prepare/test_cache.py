import os
import signal
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import InputError
from data_prep.network_input.crop import crop
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.cache import make_inputs
from data_prep.prepare.load import load_exam
from data_prep.tables.exams import Exam, read_exams
from data_prep.workers import Workers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
RECIPE = Recipe((30.0, 48.0, 48.0), (48, 48))


@pytest.fixture
def exams(knees) -> list[Exam]:
    return read_exams(knees / "exams.csv")[:3]


def arrays_in(folder: Path) -> dict[str, int]:
    """Name and time of every array."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}


def array_exam(path: Path, value: int) -> Exam:
    """An exam whose pixels can be changed."""
    voxels = np.zeros((8, 32, 32), np.uint8)
    voxels[:, 8:24, 8:24] = value
    np.save(path, voxels)
    return Exam("a", "p", path, spacing_mm=(3.0, 1.0, 1.0))


def test_arrays_are_what_the_recipe_makes_in_the_exams_order(exams, tmp_path):
    ready = make_inputs(exams, RECIPE, tmp_path, Workers(2))
    assert len(ready) == len(exams)
    for exam, slices in zip(exams, ready, strict=True):
        volume = load_exam(exam)
        assert np.array_equal(slices, crop(volume.voxels, volume.spacing_mm, RECIPE).slices)
        assert slices.dtype == np.float32


def test_a_second_run_needs_no_pixels(exams, tmp_path):
    """The table moves to a place where the files have the same names, sizes and times, and only zeros in them."""
    first = make_inputs(exams, RECIPE, tmp_path / "ready", Workers(1))
    blanked = []
    for exam in exams:
        for file in exam.path.iterdir():
            blanked.append((file, file.read_bytes(), file.stat()))
            file.write_bytes(bytes(file.stat().st_size))
            os.utime(file, ns=(blanked[-1][2].st_atime_ns, blanked[-1][2].st_mtime_ns))
    try:
        assert make_inputs(exams, RECIPE, tmp_path / "ready", Workers(1)) == first
        with pytest.raises(InputError, match=exams[0].exam_id):
            make_inputs(exams, RECIPE, tmp_path / "elsewhere", Workers(1))
    finally:
        for file, content, status in blanked:
            file.write_bytes(content)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_another_recipe_or_other_pixels_never_meet_old_arrays(tmp_path):
    exam, ready = array_exam(tmp_path / "a.npy", 1), tmp_path / "ready"
    first = make_inputs([exam], RECIPE, ready, Workers(1)).paths
    assert make_inputs([exam], replace(RECIPE, unsharp=0.5), ready, Workers(1)).paths != first
    array_exam(tmp_path / "a.npy", 2)
    os.utime(exam.path, ns=(0, 0))
    assert make_inputs([exam], RECIPE, ready, Workers(1)).paths != first
    array_exam(tmp_path / "a.npy", 1)
    assert make_inputs([exam], RECIPE, ready, Workers(1)).paths == first
    assert len(arrays_in(ready)) == 3


def test_a_run_that_was_killed_goes_on(knees, tmp_path):
    command = [sys.executable, "-m", "data_prep.prepare", str(knees / "exams.csv"), "--recipe"]
    command += ["training/config/presets/demo.toml", "--out", str(tmp_path), "--jobs", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while len(arrays_in(tmp_path)) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = arrays_in(tmp_path)
    assert 3 <= len(done) < 12
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "12 network inputs are in" in result.stdout
    after = arrays_in(tmp_path)
    assert len(after) == 12
    assert done.items() <= after.items()  # not written again


def test_memory_is_that_of_few_exams(knees, tmp_path):
    exams = read_exams(knees / "exams.csv")
    largest = max(load_exam(exam).voxels.nbytes for exam in exams)
    tracemalloc.start()
    make_inputs(exams, RECIPE, tmp_path, Workers(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * largest
