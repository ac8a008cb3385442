from dataclasses import replace

import numpy as np
import pytest

from data_prep.augment import Augmentation
from data_prep.labels import BINARY
from data_prep.network_input.recipe import Recipe
from data_prep.prepare.load import ligament_mask, load_exam
from data_prep.tables.exams import read_exams
from data_prep.workers import Workers
from training.data.batches import Batches
from training.data.examples import Examples, prepare
from training.data.ligaments import CLASSES, LIGAMENT, UNKNOWN, Grid, shares_of_cells, with_ligaments

WHOLE = ((0.0, 1.0), (0.0, 1.0))


def ligament(examples: Examples, exam: int, slices: int) -> np.ndarray:
    target = examples.targets.one(exam, None, slices)
    assert isinstance(target, dict)
    return target[LIGAMENT]


def test_cells_hold_their_share_of_the_mask():
    mask = np.zeros((2, 8, 12), bool)
    mask[1, :4, :3] = True  # all of the first cell
    mask[1, 4:6, 3:6] = True  # half of another
    shares = shares_of_cells(mask, Grid(2, 4, WHOLE))
    assert shares.shape == (2, 2, 4)
    assert not shares[0].any()
    assert shares[1].tolist() == [[1, 0, 0, 0], [0, 0.5, 0, 0]]


@pytest.mark.parametrize("span", [((-0.25, 1.25), (0.25, 0.75)), ((0.1, 0.9), (-0.1, 0.6))])
def test_shares_follow_the_grid_when_it_covers_more_or_less_than_the_slice(span):
    """Against the mean of the mask at many random points of each cell."""
    random = np.random.default_rng(3)
    mask = np.zeros((1, 40, 60), bool)
    mask[0, 8:30, 14:47] = True
    grid = Grid(5, 6, span)
    (top, bottom), (left, right) = span
    down, across = random.random((2, 5, 6, 4000))
    rows = np.floor((top + (np.arange(5)[:, None, None] + down) / 5 * (bottom - top)) * 40).astype(int)
    columns = np.floor((left + (np.arange(6)[None, :, None] + across) / 6 * (right - left)) * 60).astype(int)
    inside = (rows >= 0) & (rows < 40) & (columns >= 0) & (columns < 60)
    expected = (mask[0, np.clip(rows, 0, 39), np.clip(columns, 0, 59)] & inside).mean(axis=2)
    assert shares_of_cells(mask, grid)[0] == pytest.approx(expected, abs=0.06)


@pytest.mark.slow
def test_targets_have_the_ligament_where_the_slices_show_it(knees, tmp_path):
    exams = read_exams(knees / "exams.csv")[:3]
    recipe = Recipe((44.0, 68.0, 68.0), (64, 64))
    examples = prepare(exams, BINARY, recipe, tmp_path, Workers(1))
    grid = Grid(4, 4, WHOLE)
    known = with_ligaments(examples, exams, recipe.size, grid)
    for index, exam in enumerate(exams):
        volume = load_exam(exam)
        share = ligament(known, index, len(examples.inputs[index]) + 2)
        voxel = np.prod(volume.spacing_mm)
        true = ligament_mask(exam, volume.shape).sum() * voxel
        own = share[:-2].sum() * volume.spacing_mm[0] * (68 / 4) ** 2
        assert own == pytest.approx(true, rel=0.1)
        assert (share[-1] == share[-3]).all()  # repeats of the last slice
    batches = Batches(known, 2, Augmentation(rotation_degrees=10.0), seed=1)
    inputs, targets, _ = batches[0]
    assert isinstance(targets, dict)
    assert inputs.shape[:2] == targets[LIGAMENT].shape[:2]
    assert targets[CLASSES].shape == (2, 2)
    assert targets[LIGAMENT].min() >= 0


@pytest.mark.slow
def test_an_exam_without_a_known_ligament_has_unknown_cells(knees, tmp_path):
    exams = [replace(exam, mask=None, box=None) for exam in read_exams(knees / "exams.csv")[:2]]
    recipe = Recipe((44.0, 68.0, 68.0), (64, 64))
    known = with_ligaments(prepare(exams, BINARY, recipe, tmp_path, Workers(1)), exams, recipe.size, Grid(4, 4, WHOLE))
    assert (ligament(known, 0, 9) == UNKNOWN).all()
