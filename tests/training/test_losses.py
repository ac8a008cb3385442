import numpy as np
import pytest
from scipy.special import softmax

from training.losses import set_loss

LOGITS = np.array([[2.0, -1.0, 0.5, 0.0]], np.float32)


@pytest.mark.parametrize("allowed", [[1, 0, 0, 0], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]])
def test_the_loss_is_minus_log_of_the_probability_of_the_set(allowed):
    expected = -np.log(softmax(LOGITS[0])[np.array(allowed, bool)].sum())
    loss = set_loss(np.array([allowed], np.float32), LOGITS)
    assert np.array(loss)[0] == pytest.approx(expected, abs=1e-6)
