import numpy as np
import pytest
from scipy.stats import beta, bootstrap
from sklearn.metrics import roc_auc_score

from data_prep.statistics import Figure, auc, bound, draws, mean


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


@pytest.mark.parametrize(("hits", "exams"), [(0, 10), (7, 10), (10, 10), (73, 76)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(hits, exams):
    """As quantiles of beta distributions."""
    measured = Figure.of_share("share", np.arange(exams) < hits, "exams")
    low = beta.ppf(0.025, hits, exams - hits + 1) if hits else 0
    high = beta.ppf(0.975, hits + 1, exams - hits) if hits < exams else 1
    assert (measured.value, measured.exams) == (hits / exams, exams)
    assert measured.interval_95 == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("share", "values", "expected"), [(0.95, 19, 18), (0.95, 18, None), (0.5, 3, 1), (0.9, 0, None)]
)
def test_the_bound_of_unseen_values(share, values, expected):
    """19 sorted values leave 20 gaps, and the highest value has 19 of them below it."""
    assert bound(np.arange(values)[::-1], share) == expected


@pytest.mark.parametrize("exams", [19, 30, 76])
def test_the_share_of_unseen_exams_below_the_bound(exams):
    """The mean of many draws, of exams whose values are evenly distributed from 0 to 1."""
    drawn = np.random.default_rng(exams).random((5000, exams))
    assert 0.95 - 0.002 < np.mean([bound(values, 0.95) for values in drawn]) < 0.95 + 1 / exams
