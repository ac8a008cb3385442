import numpy as np
import pytest

from training.evaluation.pointing import pointing

EVERYWHERE = (slice(None), slice(None), slice(None))


def ligament() -> np.ndarray:
    mask = np.zeros((10, 40, 40), bool)
    mask[5, 18:22, 18:22] = True
    return mask


@pytest.mark.parametrize(
    ("peak", "distance_mm", "hit"),
    [((5, 20, 20), 0.0, True), ((6, 20, 20), 4.0, True), ((7, 20, 20), 8.0, False), ((5, 20, 31), 5.0, True)],
)
def test_distances_are_millimetres_along_every_axis(peak, distance_mm, hit):
    heat = np.zeros((10, 40, 40), np.float32)
    heat[peak] = 1
    result = pointing(heat, ligament(), (4.0, 0.5, 0.5), EVERYWHERE)
    assert result.distance_mm == pytest.approx(distance_mm)
    assert result.hit == hit


def test_chance_is_what_random_peaks_reach():
    random = np.random.default_rng(0)
    block = (slice(2, 9), slice(5, 35), slice(10, 38))
    results = []
    for _ in range(400):
        heat = np.zeros((10, 40, 40), np.float32)
        heat[tuple(random.integers(part.start, part.stop) for part in block)] = 1
        results.append(pointing(heat, ligament(), (4.0, 0.5, 0.5), block))
    rate = np.mean([result.hit for result in results])
    assert rate == pytest.approx(results[0].chance, abs=0.06)
