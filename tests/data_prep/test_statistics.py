import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score

from data_prep.statistics import Figure, auc, draws, mean


def test_the_auc_is_scikit_learns():
    random = np.random.default_rng(0)
    truth, score = random.random(200) > 0.4, random.integers(0, 20, 200).astype(float)
    drawn = draws(200, np.stack([truth, ~truth], axis=1))
    found = auc(score, truth, drawn)
    assert found[0] == pytest.approx(roc_auc_score(truth, score))
    assert found[7] == pytest.approx(roc_auc_score(truth, score, sample_weight=drawn[7]))


def test_an_interval_is_scipys():
    values = np.random.default_rng(1).normal(3, 2, 80)
    measured = Figure.of("mean", mean(values, draws(80)), 80, "numbers")
    theirs = bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(0))
    assert measured.value == pytest.approx(values.mean())
    assert measured.interval_95 == pytest.approx(tuple(theirs.confidence_interval), abs=0.05)


def test_every_draw_has_what_it_must_have():
    members = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [0, 1]])
    drawn = draws(5, members)
    assert drawn.shape == (2001, 5)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(axis=1) == 5).all()
    assert (drawn @ members > 0).all()
