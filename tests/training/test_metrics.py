import numpy as np
import pytest

from training.metrics import binary_figures


def test_an_auc_worked_out_by_hand():
    """Of six pairs healthy x unhealthy, four are in order and one is tied."""
    auc, accuracy = binary_figures(
        np.array([False, False, False, True, True]), np.array([0.1, 0.4, 0.6, 0.4, 0.9]), "toy exams"
    )
    assert auc.value == pytest.approx(4.5 / 6)
    assert accuracy.value == pytest.approx(3 / 5)
    assert str(accuracy).endswith("5 toy exams)")


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    """AUC of two normals one standard deviation apart is Phi(1/sqrt(2)) = 0.760."""
    covered = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        unhealthy = np.repeat([False, True], 60)
        (auc, _) = binary_figures(unhealthy, random.normal(unhealthy.astype(float)), "draws")
        covered += auc.interval_95[0] <= 0.760 <= auc.interval_95[1]
    assert covered >= 34  # 95 % of 40 is 38; fewer than 34 has odds below 1 in 100


def test_too_few_of_a_class_have_no_interval():
    with pytest.raises(ValueError, match="two healthy and two unhealthy"):
        binary_figures(np.ones(5, bool), np.linspace(0, 1, 5), "toy exams")
