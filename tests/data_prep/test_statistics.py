import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from data_prep.statistics import auc


def test_the_auc_is_scikit_learns():
    random = np.random.default_rng(0)
    truth, score = random.random(200) > 0.4, random.integers(0, 20, 200).astype(float)
    assert auc(score[~truth], score[truth]) == pytest.approx(roc_auc_score(truth, score))
