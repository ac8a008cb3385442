import numpy as np
import pytest

from data_prep.labels import FOUR_CLASS
from models.explain.cam import linear_maps
from models.explain.gradcam import GradCam, gradcam_maps
from models.explain.gradient import slopes
from models.routes.network import Head
from tests.models.conftest import tiny_finetuned

# Two slices of 2 x 2 cells and 16 channels, as the tiny trunk's; no two slices are near a tie for a channel's maximum.
GRID = 3 * np.random.default_rng(0).random((2, 2, 2, 16), np.float32)
STEP = 2e-2


def test_a_map_worked_out_by_hand():
    """One slice of 1 x 2 cells, two channels; slopes 2 and -4, so weights 1 and -2 over an area of two cells."""
    grid = np.array([[[[3, 1], [1, 2]]]], np.float32)
    assert gradcam_maps(grid, np.array([[[2, -4]], [[-2, 4]]], np.float32)).tolist() == [[[[1, 0]]], [[[0, 3]]]]


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "mean", "attention"])
def test_maps_follow_from_difference_quotients_in_every_cell(pooling):
    """The definition, with nothing of ours but `logits`: nudge each cell's features, average, weigh, cut at zero."""
    route = tiny_finetuned(Head(pooling, hidden=(6,), activation="tanh"), FOUR_CLASS)
    quotients = np.zeros((4, *GRID.shape))
    for place in np.ndindex(*GRID.shape):
        up, down = GRID.copy(), GRID.copy()
        up[place] += STEP
        down[place] -= STEP
        quotients[:, *place] = (route.logits(up).astype(float) - route.logits(down)) / (2 * STEP)
    expected = np.maximum(np.einsum("ksc,shwc->kshw", quotients.mean(axis=(2, 3)), GRID), 0)
    explanation = GradCam().explain(route, np.zeros((3, 8, 8), np.float32), GRID)
    assert (explanation.method.exact, explanation.method.name) == (False, "grad-cam")
    assert expected.max() > 0.01
    assert explanation.maps == pytest.approx(expected, abs=0.02 * expected.max())


def test_of_a_linear_head_it_is_the_exact_map_without_what_speaks_against_the_class():
    """Selvaraju 2017, section 3.1: Grad-CAM generalises CAM; its weights are the head's, over the area."""
    route = tiny_finetuned(Head("mean"))
    kernel = np.array(route.network.head.kernel)
    of_scores = slopes(lambda pooled: route.network.score(pooled[None], np.ones((1, 2)))[0], GRID.mean(axis=(1, 2)))
    assert of_scores == pytest.approx(np.stack([kernel.T / 2] * 2, axis=1), rel=1e-5)
    exact = linear_maps(GRID, np.full((2, 16), 0.5), kernel)
    assert gradcam_maps(GRID, of_scores) == pytest.approx(np.maximum(exact, 0), abs=1e-6)
